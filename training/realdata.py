"""The paper's real-data experiment: CIFAR-10, Speech Commands and MNIST as four modalities without labels of modality.

Claim tried: at a matched budget of 223K parameters, experts of different architecture beat equal ones (HetMoE, real
data). Reproduce with `python -m training realdata`: three configurations, three seeds, 30 epochs of 500 mixed batches
of 64. Every choice uses validation data; the test sets are seen once, whole, after the last step.
"""

import hashlib
import json
import os
import platform
import subprocess
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hetmoe.checkpoint import Checkpoint, save_checkpoint
from hetmoe.config import ModelConfig, match_parameters
from hetmoe.model import count_multiply_adds, count_parameters
from training.data import LABELS, Data, load_splits, statistics
from training.loop import Evaluation, Progress, Recipe, evaluate, train, write_bytes
from training.results import CURVE_COLUMNS, Row, Run, replace_run

FAMILY = "replica"
BUDGET = 223_000
SEEDS = (42, 123, 456)  # the paper's
QUICK = Recipe(epochs=4)
PUBLISHED_SEED = SEEDS[0]  # fixed beforehand, not the best


@dataclass(frozen=True)
class Job:
    """One run, complete: what a worker process needs to know."""

    configuration: str
    seed: int
    recipe: Recipe
    data_dir: Path | None
    runs: Path  # folder of all runs' states
    device: str
    threads: int
    bar_position: int
    commit: str  # of the code, see `current_commit`

    @property
    def name(self) -> str:
        return f"{self.configuration} {self.seed}"


@dataclass(frozen=True)
class Finished:
    """What a worker hands back: the rows for the results files, and the checkpoint's path."""

    run: Run
    rows: list[Row]
    curve: list[Row]
    checkpoint: Path


def run_all(jobs: list[Job], parallel: int, results: Path, weights: Path) -> list[Finished]:
    """Runs the jobs, `parallel` processes at a time; each finished run goes into `results`/realdata.csv at once.

    The checkpoint of PUBLISHED_SEED goes to `weights`. A run that was interrupted before goes on; a run that
    was finished before only repeats its test. Raises KeyboardInterrupt after Ctrl-C, when every worker has saved.
    """
    load_splits(jobs[0].data_dir)  # download and encode once, before several workers want to
    finished = []
    if parallel == 1:
        for job in jobs:
            finished.append(_record(run_one(job), results, weights))
        return finished
    with ProcessPoolExecutor(parallel, mp_context=get_context("spawn")) as pool:
        waiting = iter(jobs)  # not handed to the pool before a worker is free: it would begin them after a Ctrl-C
        running = {pool.submit(run_one, job) for job in islice(waiting, parallel)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                finished.append(_record(future.result(), results, weights))
            running |= {pool.submit(run_one, job) for job in islice(waiting, len(done))}
    return finished


def run_one(job: Job) -> Finished:
    """Trains and tests one model; its state and checkpoint lie in a folder named after everything that shaped it."""
    torch.set_num_threads(job.threads)
    data = load_splits(job.data_dir)
    config = match_parameters(job.configuration, BUDGET)
    identity = json.dumps([config.to_dict(), asdict(job.recipe), data.fingerprint], sort_keys=True)
    key = hashlib.sha256(identity.encode()).hexdigest()[:8]
    folder = job.runs / f"{FAMILY}-{job.configuration}-{job.seed}-{key}"
    input_statistics = statistics(data.train)
    model, progress = train(
        config,
        data,
        input_statistics,
        job.recipe,
        seed=job.seed,
        device=torch.device(job.device),
        folder=folder,
        name=job.name,
        bar_position=job.bar_position,
    )
    model = model.cpu()
    evaluations = evaluate(model, data.test, input_statistics)
    size = {"parameters": count_parameters(model), "multiply_adds": count_multiply_adds(model)}
    rows = _rows(config, evaluations) + [_row("all", metric, value) for metric, value in size.items()]
    rows += [_row("all", "seconds", round(progress.seconds, 1)), _row("all", "steps", progress.step)]
    metrics = {f"test/{row['modality']}/{row['metric']}": float(row["value"]) for row in rows}
    path = folder / "model.safetensors"
    save_checkpoint(path, Checkpoint(model, input_statistics, LABELS, metrics, _provenance(job, data, progress)))
    run = Run("realdata", FAMILY, job.configuration, str(BUDGET), str(job.seed))
    return Finished(run, rows, _curve_rows(progress), path)


def _record(finished: Finished, results: Path, weights: Path) -> Finished:
    replace_run(results / "realdata.csv", finished.run, finished.rows)
    replace_run(results / "realdata_curves.csv", finished.run, finished.curve, CURVE_COLUMNS)
    if finished.run.seed == str(PUBLISHED_SEED):
        write_bytes(weights / f"{FAMILY}-{finished.run.configuration}.safetensors", finished.checkpoint.read_bytes())
    return finished


def _row(modality: str, metric: str, value: float) -> Row:
    return {"modality": modality, "metric": metric, "value": str(value)}


def _rows(config: ModelConfig, evaluations: dict[str, Evaluation]) -> list[Row]:
    """Accuracy, loss, accuracy per class and mean routing weights, for each modality and over all."""
    rows = []
    for modality, e in evaluations.items():
        rows += [_row(modality, "accuracy", float(e.correct.mean())), _row(modality, "loss", e.loss)]
        for label, name in enumerate(LABELS[modality]):
            rows.append(_row(modality, f"accuracy_{name}", float(e.correct[e.labels == label].mean())))
        rows += _routing_rows(modality, "routing", config, e.routing_weights)
    spatial = evaluations["spatial"]
    airplanes = spatial.routing_weights[spatial.labels == LABELS["spatial"].index("airplane")]
    rows += _routing_rows("spatial", "routing_of_airplane", config, airplanes)  # the original's page showed one: 74.3 %
    rows.append(_row("all", "accuracy", float(np.mean([e.correct.mean() for e in evaluations.values()]))))
    return rows


def _routing_rows(modality: str, metric: str, config: ModelConfig, routing_weights: np.ndarray) -> list[Row]:
    """Mean weight of each expert over (n, E) routing weights."""
    means = routing_weights.mean(0, dtype=np.float64).tolist()
    return [_row(modality, f"{metric}_{e}", mean) for e, mean in zip(config.expert_labels(), means, strict=True)]


def _curve_rows(progress: Progress) -> list[Row]:
    rows = []
    for line in progress.curve:
        accuracies = line["accuracy"]
        measured = [("all", "train_loss", line["loss"]), ("all", "accuracy", float(np.mean(list(accuracies.values()))))]
        measured += [(modality, "accuracy", accuracy) for modality, accuracy in accuracies.items()]
        rows += [{"epoch": str(line["epoch"]), **_row(*one)} for one in measured]
    return rows


def _provenance(job: Job, data: Data, progress: Progress) -> dict[str, Any]:
    return {
        "command": "python -m training realdata",
        "family": FAMILY,
        "configuration": job.configuration,
        "budget": BUDGET,
        "seed": job.seed,
        "steps": progress.step,
        "recipe": asdict(job.recipe),
        "data_fingerprint": data.fingerprint,
        "commit": job.commit,
        "device": job.device,
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "scipy", "pillow")},
        },
        "date": datetime.now(UTC).date().isoformat(),
    }


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current_commit() -> str:
    """The commit of the code, with "+" if files differ from it; "unknown" outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = [*git, "status", "--porcelain", "--untracked-files=no", "--", "../hetmoe", "."]
        changed = subprocess.run(changes, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")
