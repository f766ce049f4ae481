"""All results together, and comparisons paired over the seeds.

The same seed gives two models the same batches in the same order, so what counts is the difference within each seed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from training.results import COLUMNS, CURVE_COLUMNS, RESULTS, Row, of_family, per_seed, read

CONFIDENCE = 0.95  # of every interval
BySeed = dict[int, float]

FILES = {  # in the folder of the results, without .csv: its columns
    name: CURVE_COLUMNS if name.endswith("_curves") else COLUMNS
    for name in (
        "realdata",
        "realdata_curves",
        "synthetic",
        "synthetic_curves",
        "controls",
        "controls_curves",
        "audit",
    )
}


class Results(NamedTuple):
    """The rows of all experiments. Each field is that of the file of its name; none for a file that is not there.

    Both families are in realdata.csv: `realdata` and its curves are the replica's alone, for the paper's claims.
    """

    realdata: list[Row]
    realdata_curves: list[Row]
    synthetic: list[Row]  # the experiments "synthetic" and "synthetic long"
    synthetic_curves: list[Row]
    controls: list[Row]
    controls_curves: list[Row]
    audit: list[Row]  # of both families
    frontier: list[Row]  # the frontier's of realdata.csv

    @classmethod
    def load(cls, folder: Path = RESULTS) -> "Results":
        """Raises ResultsError if a file has other columns than it should."""
        rows = {name: read(folder / f"{name}.csv", columns) for name, columns in FILES.items()}
        of_replica = {name: of_family(rows[name], "replica") for name in ("realdata", "realdata_curves")}
        return cls(**rows | of_replica, frontier=of_family(rows["realdata"], "frontier"))


class Estimate(NamedTuple):
    """A quantity that each seed measures once, and what the seeds together say about its mean.

    What a single seed cannot give is nan: interval, tests and effect size.
    """

    by_seed: BySeed
    mean: float
    low: float  # 95 % t interval of the mean
    high: float
    p: float  # two-sided t-test of mean 0; for differences this is the paired t-test
    wilcoxon: float  # two-sided signed-rank test, exact for so few; see `wilcoxon_floor`
    d: float  # mean / standard deviation: Cohen's d of paired differences (d_z)

    @property
    def n(self) -> int:
        return len(self.by_seed)

    @property
    def wins(self) -> int:
        """The seeds above 0."""
        return sum(value > 0 for value in self.by_seed.values())


def estimate(by_seed: BySeed) -> Estimate | None:
    """None for no seeds."""
    if not by_seed:
        return None
    x = np.array([by_seed[seed] for seed in sorted(by_seed)])
    mean, nan = float(x.mean()), float("nan")
    if len(x) == 1:
        return Estimate(by_seed, mean, nan, nan, nan, nan, nan)
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1)) * sd / len(x) ** 0.5
    with np.errstate(divide="ignore", invalid="ignore"):  # seeds that agree exactly: infinitely clear, or nan if all 0
        p, wilcoxon = float(stats.ttest_1samp(x, 0).pvalue), float(stats.wilcoxon(x).pvalue)
        return Estimate(by_seed, mean, mean - half, mean + half, p, wilcoxon, float(np.divide(mean, sd)))


def wilcoxon_floor(n: int) -> float:
    """The least two-sided p that n pairs can reach: all of one sign, one of 2ⁿ ways, either way round."""
    return 2 / 2**n


def paired(first: BySeed, second: BySeed) -> BySeed:
    """first − second by seed, of the seeds that both have."""
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def mean_of(several: Iterable[BySeed]) -> BySeed:
    """Their mean by seed, of the seeds that all have."""
    of = list(several)
    seeds = set.intersection(*map(set, of))
    return {seed: float(np.mean([values[seed] for values in of])) for seed in sorted(seeds)}


def relative(first: BySeed, second: BySeed) -> BySeed:
    """first / second − 1 by seed."""
    return {seed: difference / second[seed] for seed, difference in paired(first, second).items()}


def select(rows: Iterable[Row], experiment: str, budget: int | None = None) -> list[Row]:
    """Those of an experiment, of one budget or (None) of all."""
    return [r for r in rows if r["experiment"] == experiment and budget in (None, int(r["budget"]))]


def budgets(rows: Iterable[Row], configuration: str) -> list[int]:
    return sorted({int(r["budget"]) for r in rows if r["configuration"] == configuration})


def slopes(rows: list[Row], configuration: str, over: Iterable[int]) -> BySeed:
    """Seed -> slope of log(error) against log(parameters) over the budgets `over`, by least squares.

    −1: the error halves with every doubling of the parameters; 0: it does not fall any more. `rows` are those of one
    synthetic experiment. Seeds that lack one of the budgets are left out.
    """
    points = []  # of each budget: seed -> (log parameters, log error)
    for budget in over:
        at = [r for r in rows if int(r["budget"]) == budget]
        parameters, errors = (per_seed(at, configuration, metric) for metric in ("parameters", "mse"))
        points.append({seed: (np.log(parameters[seed]), np.log(errors[seed])) for seed in errors})
    seeds = sorted(set.intersection(*(set(of) for of in points)))
    return {seed: float(stats.linregress(*zip(*(of[seed] for of in points), strict=True)).slope) for seed in seeds}
