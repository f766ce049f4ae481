"""The controls that the paper's real-data claim lacks: what else could explain that different experts win?

Same data, same mixed batches, same 223K parameters (but for the compute-matched model), three seeds. Reproduce with
`python -m training controls`. 4,000 steps instead of the paper's 15,000, so the three reference configurations are run
anew at that length.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hetmoe.config import CONFIGURATIONS, TOLERANCE, CannotMatch, ModelConfig, Routing, match_parameters
from hetmoe.encoding import MODALITIES
from hetmoe.model import HetMoE, MoEOutput, count_multiply_adds
from training import classification
from training.baselines import Ensemble, Oracle, ensemble_loss
from training.classification import BUDGET, FAMILY, cross_entropy, predicted
from training.data import load_splits
from training.grid import Finished, Settings
from training.loop import Recipe
from training.plan import Plan
from training.results import Row, Run, row

RECIPE = Recipe(epochs=8)
QUICK = Recipe(epochs=1, steps=100)
COMPLEMENTARITY = "heterogeneous beside its experts alone"
ALONE = ("spatial", "temporal", "spectral", "relational", "ffn")


@dataclass(frozen=True)
class Control:
    experts: tuple[str, ...]
    routing: Routing = "learned"
    model: type[HetMoE] = HetMoE
    loss: Callable[[MoEOutput, Tensor], Tensor] = cross_entropy
    compute_matched: bool = False  # as many multiply-adds as heterogeneous, instead of as many parameters


HETEROGENEOUS = CONFIGURATIONS["heterogeneous"]
CONTROLS = {  # the longest first, so that no core idles at the end
    "heterogeneous": Control(HETEROGENEOUS),
    "uniform routing": Control(HETEROGENEOUS, "uniform"),
    "top-1 routing": Control(HETEROGENEOUS, "top-1"),
    "ensemble of four spatial": Control(("spatial",) * 4, "uniform", Ensemble, ensemble_loss),
    "hybrid": Control(CONFIGURATIONS["hybrid"]),
    **{f"without {name}": Control(tuple(e for e in HETEROGENEOUS if e != name)) for name in HETEROGENEOUS},
    "convolutional net": Control(("resnet",), "uniform"),
    **{f"{name} alone": Control((name,), "uniform") for name in ALONE},
    "compute-matched homogeneous": Control(CONFIGURATIONS["homogeneous"], compute_matched=True),
    "oracle routing": Control(HETEROGENEOUS, "uniform", Oracle),
    "homogeneous": Control(CONFIGURATIONS["homogeneous"]),
}


def runs(configurations: list[str], seeds: list[int]) -> list[Run]:
    """Seed by seed, so that an unfinished grid has whole comparisons."""
    return [
        Run("controls", FAMILY, c, str(BUDGET), str(seed)) for seed in seeds for c in CONTROLS if c in configurations
    ]


def config_of(control: Control, budget: int) -> ModelConfig:
    """Raises CannotMatch if the experts cannot be sized to the budget."""
    if not control.compute_matched:
        return match_parameters(control.experts, budget, routing=control.routing)
    target = count_multiply_adds(HetMoE(match_parameters(HETEROGENEOUS, budget)))
    parameters = target  # a plain network's are nearly its multiply-adds; each turn corrects what is left
    for _ in range(4):
        config = match_parameters(control.experts, parameters)
        missing = target - count_multiply_adds(HetMoE(config))
        if abs(missing) <= TOLERANCE * target:
            return config
        parameters += missing
    raise CannotMatch(f"{' + '.join(control.experts)} does not come within 0.5 % of {target:,} multiply-adds")


def plan(run: Run, settings: Settings) -> Plan:
    """How one control is trained and tested."""
    control = CONTROLS[run.configuration]
    config, recipe = config_of(control, int(run.budget)), QUICK if settings.quick else RECIPE
    command = f'python -m training controls --configurations "{run.configuration}" --seeds {run.seed}'
    return classification.plan(run, settings, config, recipe, command, control.model, control.loss)


def complementarity(finished: Iterable[Finished], settings: Settings) -> list[tuple[Run, list[Row]]]:
    """What the heterogeneous mixture knows beyond each of its experts alone at its size, for every seed that has both.

    Per modality and expert e: `right_where_wrong_e`, how often the mixture is right where e alone is wrong, of the
    inputs that e alone gets wrong; `wrong_where_right_e` the reverse, of those it gets right; and
    `accuracy_of_any_alone`, how often at least one of the four alone is right.
    """
    labels = load_splits(settings.data_dir).test.labels
    by_run = {(f.run.configuration, f.run.seed): f for f in finished}
    result = []
    for seed in dict.fromkeys(f.run.seed for f in by_run.values()):
        needed = ["heterogeneous", *(f"{e} alone" for e in HETEROGENEOUS)]
        if any((c, seed) not in by_run for c in needed):
            continue
        mixture, *alone = (predicted(by_run[c, seed].folder) for c in needed)
        rows = []
        for modality in MODALITIES:
            right = mixture[modality] == labels[modality]
            right_alone = np.stack([p[modality] == labels[modality] for p in alone])  # E n
            for e, theirs in zip(HETEROGENEOUS, right_alone, strict=True):
                rows.append(row(modality, f"right_where_wrong_{e}", float(right[~theirs].mean())))
                rows.append(row(modality, f"wrong_where_right_{e}", float((~right)[theirs].mean())))
            rows.append(row(modality, "accuracy_of_any_alone", float(right_alone.any(0).mean())))
        result.append((Run("controls", FAMILY, COMPLEMENTARITY, str(BUDGET), seed), rows))
    return result
