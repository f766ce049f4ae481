"""The paper's synthetic experiments: regression on four generators, at strictly matched budgets.

Claims tried (HetMoE, synthetic part): experts of different architecture have 16 to 32 % lower error at every budget,
the more the larger it is; hybrid is best; homogeneous saturates early; a wrong bias hurts. Reproduce with
`python -m training synthetic` (400 steps of 64, the paper's length, five seeds) and `--long` (5,000 steps, three
seeds). Errors are mean squared errors on the fixed test set, as fractions of the target's variance in each modality.
"""

from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from hetmoe.config import CONFIGURATIONS, ModelConfig, match_parameters
from hetmoe.model import HetMoE, MoEOutput, count_parameters
from training import generators
from training.generators import Sample
from training.grid import Folder, Settings
from training.loop import Progress, Recipe, Task, predict
from training.plan import Plan, cost_rows
from training.results import Row, Run, row

FAMILY = "synthetic"
SEEDS = (1, 2, 3, 4, 5)
BUDGETS = (368_000, 530_000, 690_000)  # the paper's
SCALING_BUDGETS = (100_000, 200_000, *BUDGETS, 1_400_000)
ABLATION_BUDGET = 200_000
LONG_SEEDS = SEEDS[:3]
LONG_BUDGETS = (100_000, 200_000)
RECIPE = Recipe(epochs=4, steps=100)  # the paper's code; its text says 400 epochs
LONG = Recipe(epochs=10, steps=500)
QUICK = Recipe(epochs=1, steps=100)

HETEROGENEOUS = CONFIGURATIONS["heterogeneous"]
EXPERTS = {  # configuration: its experts
    **CONFIGURATIONS,
    **{f"without {name}": tuple(e for e in HETEROGENEOUS if e != name) for name in HETEROGENEOUS},
    **{f"{name} alone": (name,) for name in (*HETEROGENEOUS, "ffn")},
}


def budgets_of(configuration: str) -> tuple[int, ...]:
    """The comparison at every budget, the ablations at one."""
    return SCALING_BUDGETS if configuration in CONFIGURATIONS else (ABLATION_BUDGET,)


def runs(configurations: list[str], budgets: list[int] | None, seeds: list[int] | None, long: bool) -> list[Run]:
    """Those of the grid, or of the long grid, that are asked for (None: all of them), seed by seed."""
    experiment, all_seeds = ("synthetic long", LONG_SEEDS) if long else ("synthetic", SEEDS)
    return [
        Run(experiment, FAMILY, configuration, str(budget), str(seed))
        for seed in seeds or all_seeds
        for configuration in (CONFIGURATIONS if long else EXPERTS)
        if configuration in configurations
        for budget in budgets or (LONG_BUDGETS if long else budgets_of(configuration))
    ]


def config_of(configuration: str, budget: int) -> ModelConfig:
    """A single expert needs no router. Raises CannotMatch if the experts cannot be sized to the budget."""
    experts = EXPERTS[configuration]
    return match_parameters(experts, budget, 1, "regression", routing="learned" if len(experts) > 1 else "uniform")


def squared_error(output: MoEOutput, target: Tensor) -> Tensor:
    """The mean squared error of the mixture."""
    return F.mse_loss(output.logits[:, 0], target)


def regression_task(config: ModelConfig, recipe: Recipe) -> Task:
    """One scalar target, four modalities, every batch generated anew; the curve is the validation error."""

    def validate(model: HetMoE) -> dict[str, float]:
        return {modality: error for modality, (error, _) in _test(model, generators.validation_set()).items()}

    batches = partial(generators.mixed_batches, steps=recipe.steps, batch_size=recipe.batch_size)
    return Task(
        lambda: HetMoE(config),
        lambda seed, epoch, start: batches(seed, epoch, start=start),
        squared_error,
        validate,
    )


def plan(run: Run, settings: Settings) -> Plan:
    """How one model is trained and tested."""
    recipe = QUICK if settings.quick else LONG if run.experiment == "synthetic long" else RECIPE
    config = config_of(run.configuration, int(run.budget))
    folder = Folder(run, settings, [config.to_dict(), asdict(recipe), _generators_source()])

    def test(model: HetMoE, progress: Progress) -> list[Row]:
        rows = _rows(config, _test(model, generators.test_set()))
        of_experts = count_parameters(model.experts) / len(model.experts)
        return [*rows, row("all", "expert_parameters", of_experts), *cost_rows(model.cpu(), progress)]

    return Plan(folder, regression_task(config, recipe), recipe, "mse", test)


def _test(model: HetMoE, sample: Sample) -> dict[str, tuple[float, np.ndarray]]:
    """Modality -> mean squared error, mean routing weights (E,)."""
    model.eval()
    result = {}
    for modality, x in sample.inputs.items():
        chunks = [predict(model, x[start : start + 500], modality) for start in range(0, len(x), 500)]
        predictions, routing_weights = (np.concatenate([chunk[i] for chunk in chunks]) for i in range(2))
        error = float(np.square(predictions[:, 0] - sample.targets[modality]).mean(dtype=np.float64))
        result[modality] = error, routing_weights.mean(0, dtype=np.float64)
    return result


def _rows(config: ModelConfig, tested: dict[str, tuple[float, np.ndarray]]) -> list[Row]:
    """The error and each expert's mean weight for every modality; over all, the mean of the four errors."""
    rows = []
    for modality, (error, weights) in tested.items():
        rows.append(row(modality, "mse", error))
        rows += [
            row(modality, f"routing_{e}", w) for e, w in zip(config.expert_labels(), weights.tolist(), strict=True)
        ]
    rows.append(row("all", "mse", float(np.mean([error for error, _ in tested.values()]))))
    return rows


@cache
def _generators_source() -> str:
    """Runs on other generators are other runs. Read once: the file may change while a long grid goes on."""
    return Path(generators.__file__).read_text(encoding="utf-8")
