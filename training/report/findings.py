"""What the results say: the numbers that tables, figures and the model card quote, and the paper's beside them.

`rows` are those of training/results/realdata.csv (see training.results). Configurations and seeds that are not there
are left out; nothing here raises for them.
"""

from typing import NamedTuple

from hetmoe.config import CONFIGURATIONS
from training.results import Row, Summary, paired_p, per_seed, summarise

# HetMoE (Satpathy), real data: fractions; the paper gives no figures by modality for hybrid
PAPER_ACCURACY = {
    "homogeneous": {"all": 0.3902, "spatial": 0.342, "temporal": 0.113, "spectral": 0.215, "relational": 0.891},
    "heterogeneous": {"all": 0.5346, "spatial": 0.515, "temporal": 0.384, "spectral": 0.321, "relational": 0.918},
    "hybrid": {"all": 0.4863},
}
PAPER_SD = {"homogeneous": 0.0038, "heterogeneous": 0.0044, "hybrid": 0.0093}  # of "all", over three seeds, ddof = 1
PAPER_REDUCTION = {368_000: 0.162, 530_000: 0.241, 690_000: 0.294}  # synthetic: budget -> error below homogeneous
PAPER_TEMPORAL = 2.2  # synthetic: how many times as large the temporal error is with a mismatched bias
PAPER_AIRPLANE = 0.743  # the spatial expert's routing weight for the one airplane on the original's page


class Gain(NamedTuple):
    """Heterogeneous accuracy against another configuration's, relative: 0.3 is 30 % more."""

    by_seed: dict[int, float]  # of the seeds that both have
    mean: float  # of the mean accuracies over those seeds
    p: float  # two-sided, paired t-test over those seeds; nan for a single one


def p_text(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def configurations(rows: list[Row]) -> list[str]:
    """Those that the rows have an overall accuracy of, in the order of CONFIGURATIONS."""
    return [c for c in CONFIGURATIONS if per_seed(rows, c, "accuracy")]


def seeds(rows: list[Row], configuration: str) -> list[int]:
    return sorted(per_seed(rows, configuration, "accuracy"))


def summary(rows: list[Row], configuration: str, modality: str = "all", metric: str = "accuracy") -> Summary | None:
    """Over the seeds; None if no run has measured it."""
    values = per_seed(rows, configuration, metric, modality)
    return summarise(values.values()) if values else None


def relative_gain(rows: list[Row], over: str = "homogeneous") -> Gain | None:
    """None if no seed has both configurations."""
    other, heterogeneous = (per_seed(rows, c, "accuracy") for c in (over, "heterogeneous"))
    both = sorted(other.keys() & heterogeneous.keys())
    if not both:
        return None
    by_seed = {seed: heterogeneous[seed] / other[seed] - 1 for seed in both}
    mean = sum(heterogeneous[seed] for seed in both) / sum(other[seed] for seed in both) - 1
    return Gain(by_seed, mean, paired_p(other, heterogeneous))


def routing(rows: list[Row], configuration: str, metric: str = "routing") -> dict[str, dict[str, float]]:
    """Modality -> expert -> routing weight, mean over the test inputs and then over the seeds.

    metric: "routing" for all test inputs, "routing_of_airplane" for the airplanes among the pictures.
    """
    prefix = f"{metric}_"
    table: dict[str, dict[str, float]] = {}
    for r in rows:
        expert = r["metric"].removeprefix(prefix)
        if r["configuration"] == configuration and r["metric"].startswith(prefix) and not expert.startswith("of_"):
            values = per_seed(rows, configuration, r["metric"], r["modality"]).values()
            table.setdefault(r["modality"], {})[expert] = summarise(values).mean
    return table
