"""Made-up rows of the synthetic experiments and of the controls, held in memory."""

from collections.abc import Callable, Iterable, Mapping
from random import Random

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from training.controls import COMPLEMENTARITY, CONTROLS
from training.results import Row, Run
from training.synthetic import EXPERTS, HETEROGENEOUS, LONG_BUDGETS, SEEDS, budgets_of

Error = Callable[[str, int, int, str], float]  # of a configuration, a budget, a seed, a modality
Accuracy = Callable[[str, int, str], float]  # of a control, a seed, a modality
CONTROL_SEEDS = (42, 123, 456)
ROUTING = {"spatial": 0.4, "temporal": 0.3, "spectral": 0.2, "relational": 0.1}


def about(value: float, *what: object, within: float = 2e-4) -> float:
    """The value ± a fraction, always the same for the same `what`: no two real runs measure quite the same."""
    return value * (1 + within * Random(repr(what)).uniform(-1, 1))


def rows_of(run: Run, values: Mapping[tuple[str, str], float]) -> list[Row]:
    """values: (modality, metric) -> value."""
    return [{**run._asdict(), "modality": m, "metric": name, "value": str(v)} for (m, name), v in values.items()]


def synthetic_rows(
    error: Error, seeds: Iterable[int] = SEEDS, long: bool = False, configurations: Iterable[str] | None = None
) -> list[Row]:
    """The whole grid at 400 steps, or the long one; `error` is told every modality, and "all" for the mean."""
    experiment = "synthetic long" if long else "synthetic"
    rows = []
    for c in configurations or (CONFIGURATIONS if long else EXPERTS):
        for budget in LONG_BUDGETS if long else budgets_of(c):
            for seed in seeds:
                values = {(m, "mse"): error(c, budget, seed, m) for m in (*MODALITIES, "all")}
                values |= {("all", "parameters"): budget, ("all", "multiply_adds"): 20 * budget}
                values |= {("all", "steps"): 5_000 if long else 400, ("all", "expert_parameters"): budget / 4}
                values |= {(m, f"routing_{e}"): w for m in MODALITIES for e, w in ROUTING.items()}
                rows += rows_of(Run(experiment, "synthetic", c, str(budget), str(seed)), values)
    return rows


def control_rows(accuracy: Accuracy, seeds: Iterable[int] = CONTROL_SEEDS, without: bool = True) -> list[Row]:
    """Every control, and the heterogeneous mixture beside its experts alone. without: also "without X", trained anew.

    A mixture with a muted expert has half the accuracy. The heterogeneous one is right for about 30 % of what
    an expert alone gets wrong, and wrong for 10 % of what it gets right; at least one alone is right for 80 %.
    """
    rows = []
    for seed in seeds:
        for c in CONTROLS:
            if c.startswith("without") and not without:
                continue
            by_modality = {m: accuracy(c, seed, m) for m in MODALITIES}
            values = {(m, "accuracy"): value for m, value in by_modality.items()}
            values |= {("all", "accuracy"): sum(by_modality.values()) / 4}
            values |= {("all", "parameters"): 223_000, ("all", "multiply_adds"): 4_000_000, ("all", "steps"): 4_000}
            for e, weight in ROUTING.items():
                values |= {(m, f"routing_{e}"): weight for m in MODALITIES}
                values |= {(m, f"accuracy_without_{e}"): value / 2 for m, value in by_modality.items()}
            rows += rows_of(Run("controls", "replica", c, "223000", str(seed)), values)
        beside = {(m, "accuracy_of_any_alone"): about(0.8, seed) for m in MODALITIES}
        beside |= {(m, f"right_where_wrong_{e}"): about(0.3, seed) for m in MODALITIES for e in HETEROGENEOUS}
        beside |= {(m, f"wrong_where_right_{e}"): about(0.1, seed) for m in MODALITIES for e in HETEROGENEOUS}
        rows += rows_of(Run("controls", "replica", COMPLEMENTARITY, "223000", str(seed)), beside)
    return rows


def frontier_rows(accuracy: Mapping[str, float], seeds: Mapping[str, tuple[int, ...]] | None = None) -> list[Row]:
    """Configuration -> accuracy in every modality, varied a little by the seed; `seeds`: of some, other than three."""
    rows = []
    for c, value in accuracy.items():
        for seed in (seeds or {}).get(c, CONTROL_SEEDS):
            mine = about(value, c, seed)
            values = {(m, "accuracy"): mine for m in (*MODALITIES, "all")}
            values |= {("all", "parameters"): 223_000, ("all", "multiply_adds"): 9_000_000, ("all", "seconds"): 3_000}
            if c == "heterogeneous":
                values |= {(m, f"routing_{e}"): weight for m in MODALITIES for e, weight in ROUTING.items()}
                values |= {(m, f"accuracy_without_{e}"): mine / 2 for m in MODALITIES for e in ROUTING}
            rows += rows_of(Run("realdata", "frontier", c, "223000", str(seed)), values)
    return rows
