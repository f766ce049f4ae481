"""How a claim is judged: it stands on criteria, each of which the seeds meet, meet in part, or do not meet.

The rule is the same for all claims and was fixed before the controls and the synthetic experiments had run; what each
claim is compared with, and the size it states, is with the claim.
"""

from collections.abc import Callable, Iterable
from math import exp, isnan
from typing import Literal, NamedTuple

from scipy import stats

from training.report.comparison import BySeed, Estimate, estimate
from training.report.findings import p_text
from training.results import summarise

SIGNIFICANT = 0.05

RULE = (
    "A claim stands on one or several criteria, each a quantity that every seed measures, mostly a difference between "
    "two models of the same seed. A criterion is **met** if the 95 % t interval of the mean lies on the claimed side "
    "of 0 and reaches the claimed size, where a size is claimed; **met in part** if it lies on that side but falls "
    "short of the size, or if it includes 0 while every seed lies on the claimed side; otherwise **not met**. The "
    "claim *holds* if all its criteria are met, *does not hold* if none is even in part, and *holds partly* in "
    "between. *Not measured*: runs are missing, or a criterion has a single seed."
)

Outcome = Literal["met", "in part", "not met", "missing"]
Verdict = Literal["holds", "holds partly", "does not hold", "not measured"]


class Claim(NamedTuple):
    claim: str  # the paper's, in our words
    source: str  # where the paper says it
    verdict: Verdict
    measured: str  # one sentence with the numbers
    command: str  # which makes the results that it needs
    rule: str  # what was compared, and the size


class Unit(NamedTuple):
    """How a measured number is shown."""

    of: Callable[[float], float]
    number: str  # format
    suffix: str

    def show(self, x: float) -> str:
        return format(self.of(x), self.number) + self.suffix


def _times_100(x: float) -> float:
    return 100 * x


PERCENT = Unit(_times_100, "+.1f", " %")
POINTS = Unit(_times_100, "+.1f", " points")
SHARE = Unit(_times_100, ".1f", " %")
TIMES = Unit(exp, ".2f", "×")  # of a logarithm
NUMBER = Unit(float, "+.2f", "")


class Criterion(NamedTuple):
    name: str
    outcome: Outcome
    numbers: str
    n: int = 0  # seeds


def criterion(
    name: str,
    values: BySeed,
    unit: Unit,
    *,
    size: float = 0,
    p: float = SIGNIFICANT,
    in_every_seed: bool = False,
    numbers: Callable[[Estimate], str] | None = None,
) -> Criterion:
    """By RULE. The claim is that the mean of `values` is above 0, and as large as `size`.

    p: the level instead of 5 %. in_every_seed: whether every seed must be above 0 too. numbers: what to show instead
    of the mean with its interval.
    """
    e = estimate(values)
    if e is None or e.n == 1:
        return Criterion(name, "missing", "")
    every, significant = e.wins == e.n, e.mean > 0 and e.p < p
    met = significant and e.high >= size and (every or not in_every_seed)
    outcome: Outcome = "met" if met else "in part" if significant or every else "not met"
    return Criterion(name, outcome, numbers(e) if numbers else with_interval(e, unit), e.n)


def with_interval(e: Estimate, unit: Unit) -> str:
    """+16.2 % (+10.1 to +22.3)"""
    if isnan(e.low):
        return f"{unit.show(e.mean)} (one seed)"
    low, high = sorted((unit.of(e.low), unit.of(e.high)))
    return f"{unit.show(e.mean)} ({low:{unit.number}} to {high:{unit.number}})"


def tests(e: Estimate) -> str:
    """5 of 5 seeds, p = 0.003, d = 2.1"""
    return f"{e.wins} of {e.n} seeds, {p_text(e.p)}, d = {e.d:.1f}"


def varies_less(
    name: str, pairs: Iterable[tuple[BySeed, BySeed]], show: Callable[[float], str], or_similarly: bool = False
) -> Criterion:
    """Whether the first of each pair varies less over the seeds than the second, their variances pooled over the pairs.

    Met if an F-test has p < 0.05, met in part if the standard deviation is merely smaller. or_similarly: met if it is
    smaller, met in part if it is larger without p < 0.05.
    """
    both = [tuple(summarise(values.values()) if values else None for values in pair) for pair in pairs]
    summaries = [(a, b) for a, b in both if a and b and a.n == b.n > 1]
    if len(summaries) < len(both):
        return Criterion(name, "missing", "")
    first, second = (sum(pair[i].sd ** 2 for pair in summaries) for i in range(2))
    degrees = sum(a.n - 1 for a, _ in summaries)
    p, smaller = variance_p(first, second, degrees), first < second
    if or_similarly:
        outcome: Outcome = "met" if smaller else "in part" if p >= SIGNIFICANT else "not met"
    else:
        outcome = "not met" if not smaller else "met" if p < SIGNIFICANT else "in part"
    sds = " against ".join(show((variance / len(summaries)) ** 0.5) for variance in (first, second))
    numbers = f"{sds} (F-test with {degrees} and {degrees} degrees of freedom: {p_text(p)})"
    return Criterion(name, outcome, numbers, summaries[0][0].n)


def variance_p(first: float, second: float, degrees: int) -> float:
    """Two-sided F-test of equal variances, both with the same degrees of freedom."""
    larger, smaller = max(first, second), min(first, second)
    return float(2 * stats.f.sf(larger / smaller, degrees, degrees))


def verdict(criteria: list[Criterion]) -> Verdict:
    outcomes = {c.outcome for c in criteria}
    if not outcomes or "missing" in outcomes:
        return "not measured"
    return "holds" if outcomes == {"met"} else "does not hold" if outcomes == {"not met"} else "holds partly"


def judged(claim: str, source: str, what: str, criteria: list[Criterion], command: str, rule: str) -> Claim:
    """what: opens the sentence with the numbers."""
    found = verdict(criteria)
    if found == "not measured":
        measured = "Runs are missing: a verdict takes two seeds at least of every run that it rests on."
        return Claim(claim, source, found, measured, command, rule)
    numbers = "; ".join(f"{c.name} {c.numbers}" for c in criteria)
    n = min(c.n for c in criteria)
    return Claim(claim, source, found, f"{what} {numbers}; n = {n}.", command, rule)
