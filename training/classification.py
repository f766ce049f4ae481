"""One run on real data, whatever its model: train on the mixed batches, test on the whole test sets, keep the rows."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hetmoe.checkpoint import Checkpoint, read_tensors, save_checkpoint, write_tensors
from hetmoe.config import ModelConfig
from hetmoe.encoding import FAMILIES, Family, Statistics
from hetmoe.model import HetMoE, MoEOutput
from training.baselines import Oracle
from training.calibration import temperature
from training.data import LABELS, Composition, Data, augmented_batches, load_splits, mixed_batches, statistics
from training.grid import Folder, Settings
from training.loop import Batch, Evaluation, Progress, Recipe, Task, evaluate
from training.plan import Plan, cost_rows
from training.results import Row, Run, row

FAMILY: Family = "replica"
BUDGET = 223_000
SEEDS = (42, 123, 456)  # the paper's

# Of each modality's validation inputs, for the curves: the whole split would take an eighth of the training time.
CURVE_INPUTS = 1_000


def cross_entropy(output: MoEOutput, target: Tensor) -> Tensor:
    """Of the mixture, in nats."""
    return F.cross_entropy(output.logits, target)


def classification_task(
    data: Data,
    input_statistics: dict[str, Statistics],
    recipe: Recipe,
    build: Callable[[], HetMoE],
    loss: Callable[[MoEOutput, Tensor], Tensor] = cross_entropy,
    of_each: Composition | None = None,
) -> Task:
    """Ten classes, four modalities, mixed batches (augmented ones of this composition, if it is given); the curve is
    accuracy on validation inputs."""

    def validate(model: HetMoE) -> dict[str, float]:
        evaluations = evaluate(model, data.validation, input_statistics, CURVE_INPUTS)
        return {modality: float(e.correct.mean()) for modality, e in evaluations.items()}

    def batches(seed: int, epoch: int, start: int) -> Iterator[Batch]:
        when = {"seed": seed, "epoch": epoch, "steps": recipe.steps, "start": start}
        if of_each:
            return augmented_batches(data, input_statistics, of_each=of_each, **when)
        return mixed_batches(data.train, input_statistics, batch_size=recipe.batch_size, **when)

    return Task(build, batches, loss, validate)


@cache
def _data(data_dir: Path | None, family: Family) -> tuple[Data, dict[str, Statistics]]:
    """Read once a process, for all its runs."""
    data = load_splits(data_dir, family=family)
    return data, statistics(data.train)


def plan(
    run: Run,
    settings: Settings,
    config: ModelConfig,
    recipe: Recipe,
    command: str,
    model_class: type[HetMoE] = HetMoE,
    loss: Callable[[MoEOutput, Tensor], Tensor] = cross_entropy,
    of_each: Composition | None = None,
) -> Plan:
    """How one model is trained and tested on the real data, encoded for its family. `command` reproduces it.

    Besides the grid's files, its folder gets predictions.safetensors: the test logits, (n, C) for each modality; and,
    for a model that a checkpoint can describe, model.safetensors.
    """
    family = FAMILIES[FAMILIES.index(run.family)]  # type: ignore[arg-type] # raises ValueError for another text
    data, input_statistics = _data(settings.data_dir, family)
    shape = [config.to_dict(), model_class.__name__, asdict(recipe), of_each and of_each._asdict(), data.fingerprint]
    folder = Folder(run, settings, shape)

    def test(model: HetMoE, progress: Progress) -> list[Row]:
        evaluations = evaluate(model, data.test, input_statistics)
        model = model.cpu()
        rows = _rows(config, model_class, evaluations) + cost_rows(model, progress)
        logits = {modality: torch.from_numpy(e.logits) for modality, e in evaluations.items()}
        write_tensors(folder.path / "predictions.safetensors", logits, {})
        if model_class is HetMoE:
            metrics = {f"test/{r['modality']}/{r['metric']}": float(r["value"]) for r in rows}
            provenance = _provenance(run, settings, recipe, command, data, progress)
            validation = evaluate(model, data.validation, input_statistics)
            temperatures = {modality: temperature(e) for modality, e in validation.items()}
            checkpoint = Checkpoint(family, model, input_statistics, LABELS, temperatures, metrics, provenance)
            save_checkpoint(folder.path / "model.safetensors", checkpoint)
        return rows

    task = classification_task(data, input_statistics, recipe, lambda: model_class(config), loss, of_each)
    return Plan(folder, task, recipe, "accuracy", test)


def predicted(folder: Path) -> dict[str, np.ndarray]:
    """Modality -> (n,) predicted classes of a finished run, in the order of the test sets."""
    _, logits = read_tensors(folder / "predictions.safetensors")
    return {modality: tensor.numpy().argmax(1) for modality, tensor in logits.items()}


def _rows(config: ModelConfig, model_class: type[HetMoE], evaluations: dict[str, Evaluation]) -> list[Row]:
    """Accuracy, loss, accuracy per class, routing, and the experts' parts, for each modality and over all.

    Per expert e: `routing_e` its mean weight; of several `accuracy_of_e`, that of its own logits (not of the oracle's,
    which ask one expert an input); and of a soft mixture `accuracy_without_e`, that with e muted (the others' weights
    keep their proportions).
    """
    rows = []
    experts = config.expert_labels()
    for modality, e in evaluations.items():
        rows += [row(modality, "accuracy", float(e.correct.mean())), row(modality, "loss", e.loss)]
        for label, name in enumerate(LABELS[modality]):
            rows.append(row(modality, f"accuracy_{name}", float(e.correct[e.labels == label].mean())))
        rows += _routing_rows(modality, "routing", experts, e.routing_weights)
        for i, expert in enumerate(experts if len(experts) > 1 else ()):
            if model_class is not Oracle:
                own = e.expert_logits[:, i]  # n C
                rows.append(row(modality, f"accuracy_of_{expert}", float((own.argmax(1) == e.labels).mean())))
            if model_class is HetMoE and config.routing != "top-1":
                others = np.arange(len(experts)) != i
                # summed anew, for the mixture minus a part of nearly all the weight would be rounding errors
                without = np.einsum("ne,nec->nc", e.routing_weights[:, others], e.expert_logits[:, others])
                rows.append(row(modality, f"accuracy_without_{expert}", float((without.argmax(1) == e.labels).mean())))
    spatial = evaluations["spatial"]
    airplanes = spatial.routing_weights[spatial.labels == LABELS["spatial"].index("airplane")]
    rows += _routing_rows("spatial", "routing_of_airplane", experts, airplanes)  # the original's page: one, 74.3 %
    rows.append(row("all", "accuracy", float(np.mean([e.correct.mean() for e in evaluations.values()]))))
    return rows


def _routing_rows(modality: str, metric: str, experts: tuple[str, ...], routing_weights: np.ndarray) -> list[Row]:
    """Mean weight of each expert over (n, E) routing weights."""
    means = routing_weights.mean(0, dtype=np.float64).tolist()
    return [row(modality, f"{metric}_{e}", mean) for e, mean in zip(experts, means, strict=True)]


def _provenance(
    run: Run, settings: Settings, recipe: Recipe, command: str, data: Data, progress: Progress
) -> dict[str, Any]:
    return {
        "command": command,
        "experiment": run.experiment,
        "family": run.family,
        "configuration": run.configuration,
        "budget": int(run.budget),
        "seed": int(run.seed),
        "steps": progress.step,
        "recipe": asdict(recipe),
        "data_fingerprint": data.fingerprint,
        "commit": settings.commit,
        "device": settings.device,
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "scipy", "pillow")},
        },
        "date": datetime.now(UTC).date().isoformat(),
    }
