"""The paper's claims about the synthetic experiments, judged at its 400 steps and in the long runs."""

from math import log, log2
from typing import NamedTuple

import numpy as np
from scipy import stats

from hetmoe.config import CONFIGURATIONS, TOLERANCE
from hetmoe.encoding import MODALITIES
from training.report.comparison import BySeed, Estimate, mean_of, paired, relative, select, slopes, wilcoxon_floor
from training.report.criteria import (
    NUMBER,
    PERCENT,
    POINTS,
    TIMES,
    Claim,
    Criterion,
    Outcome,
    criterion,
    judged,
    tests,
    varies_less,
    verdict,
    with_interval,
)
from training.report.findings import PAPER_REDUCTION, PAPER_TEMPORAL, p_text
from training.results import Row, per_seed, summarise
from training.synthetic import ABLATION_BUDGET, BUDGETS, HETEROGENEOUS, LONG, LONG_BUDGETS, RECIPE, SCALING_BUDGETS

PAIR = ("heterogeneous", "homogeneous")
KNEE = 368_000  # where the paper's homogeneous error stops falling
LEAST = min(PAPER_REDUCTION.values())


class Length(NamedTuple):
    """A grid of synthetic runs, of one number of steps."""

    rows: list[Row]
    steps: int
    budgets: tuple[int, ...]  # of the comparison
    flag: str  # of the command

    def at(self, budget: int) -> list[Row]:
        return [r for r in self.rows if int(r["budget"]) == budget]

    def errors(self, configuration: str, budget: int, modality: str = "all") -> BySeed:
        return per_seed(self.at(budget), configuration, "mse", modality)

    def claim(self, text: str) -> str:
        return f"{text} ({self.steps:,} steps)"

    def command(self, *configurations: str, budgets: tuple[int, ...] = ()) -> str:
        names = (f'"{c}"' if " " in c else c for c in configurations)
        words = ["python -m training synthetic", *[self.flag] * bool(self.flag)]
        words += ["--configurations", *names] if configurations else []
        words += ["--budgets", *map(str, budgets)] if budgets else []
        return " ".join(words)


def lengths(rows: list[Row]) -> list[Length]:
    """The paper's number of steps, and ours."""
    return [
        Length(select(rows, "synthetic"), RECIPE.epochs * RECIPE.steps, BUDGETS, ""),
        Length(select(rows, "synthetic long"), LONG.epochs * LONG.steps, LONG_BUDGETS, "--long"),
    ]


def synthetic_claims(rows: list[Row]) -> list[Claim]:
    short, long = lengths(rows)
    judges = (matched, lower_error, growing_gain, hybrid_best, early_saturation, temporal, wins, variance)
    return [*(judge(length) for judge in judges for length in (short, long)), mismatch(short)]


def reductions(length: Length, budget: int, first: str = PAIR[0], second: str = PAIR[1]) -> BySeed:
    """By how much the first configuration's error is lower than the second's, as a fraction of the second's."""
    changes = relative(length.errors(first, budget), length.errors(second, budget))
    return {seed: -change for seed, change in changes.items()}


def matched(length: Length) -> Claim:
    ratios = {
        (c, budget): mean / budget
        for budget in length.budgets
        for c in CONFIGURATIONS
        if (mean := next(iter(per_seed(length.at(budget), c, "parameters").values()), None))
    }
    off = max((abs(ratio - 1) for ratio in ratios.values()), default=0)
    complete = len(ratios) == len(CONFIGURATIONS) * len(length.budgets)
    outcome: Outcome = "missing" if not complete else "met" if off <= TOLERANCE else "not met"
    cost = {c: next(iter(per_seed(length.at(length.budgets[-1]), c, "multiply_adds").values()), 0) / 1e6 for c in PAIR}
    numbers = (
        f"{100 * off:.2f} % off their budgets; but multiply-adds: {cost['heterogeneous']:.2f} M against "
        f"{cost['homogeneous']:.2f} M for homogeneous at {thousands(length.budgets[-1])}"
    )
    n = len(length.errors("heterogeneous", length.budgets[0]))
    return judged(
        length.claim("The configurations are compared at the same number of parameters"),
        "synthetic part",
        "The three configurations are",
        [Criterion("at most", outcome, numbers, n)],
        length.command(*CONFIGURATIONS, budgets=length.budgets),
        "Met if every configuration is within 0.5 % of every budget (the paper's own were up to 40 % apart).",
    )


def lower_error(length: Length) -> Claim:
    criteria = [criterion(f"{at(b)} by", reductions(length, b), PERCENT, size=LEAST) for b in length.budgets]
    return judged(
        length.claim("Heterogeneous experts have 16 to 32 % lower error than homogeneous ones at every budget"),
        "synthetic part, table",
        "Error lower",
        criteria,
        length.command(*PAIR, budgets=length.budgets),
        f"Relative reduction of the error, for each budget; size {100 * LEAST:.1f} %, the least of the paper's table; "
        "more than 32 % meets it too.",
    )


def growing_gain(length: Length) -> Claim:
    by_budget = [reductions(length, b) for b in length.budgets]
    doublings = [log2(b) for b in length.budgets]
    seeds = set.intersection(*map(set, by_budget))
    growth = {seed: float(stats.linregress(doublings, [of[seed] for of in by_budget]).slope) for seed in sorted(seeds)}
    small, large = min(PAPER_REDUCTION), max(PAPER_REDUCTION)
    paper = (PAPER_REDUCTION[large] - PAPER_REDUCTION[small]) / log2(large / small)
    return judged(
        length.claim("The gain of heterogeneous experts grows with the budget"),
        "synthetic part, table",
        "The reduction changes",
        [criterion("with every doubling of the budget by", growth, POINTS)],
        length.command(*PAIR, budgets=length.budgets),
        "Slope of the relative reduction against log₂(budget), least squares for each seed over the budgets "
        f"{_list(length.budgets)}; no size (the paper's table: {POINTS.show(paper)}).",
    )


def hybrid_best(length: Length) -> Claim:
    means = {c: mean_of([length.errors(c, b) for b in length.budgets]) for c in CONFIGURATIONS}
    best = min((c for c in PAIR if means[c]), key=lambda c: summarise(means[c].values()).mean, default=PAIR[0])
    lower = {seed: -change for seed, change in relative(means["hybrid"], means[best]).items()}
    return judged(
        length.claim("Hybrid is the best overall"),
        "synthetic part",
        "Error of hybrid lower",
        [criterion(f"than that of {best} by", lower, PERCENT)],
        length.command(*CONFIGURATIONS, budgets=length.budgets),
        f"Relative reduction of the error, mean over the budgets {_list(length.budgets)}, against the better of the "
        "other two.",
    )


def early_saturation(length: Length) -> Claim:
    """Defined before any comparison was known. Two budgets show no bend, so the long runs are met in part at best."""
    of_grid = length.budgets if length.flag else SCALING_BUDGETS
    below, beyond = (tuple(b for b in of_grid if keep(b)) for keep in (lambda b: b <= KNEE, lambda b: b >= KNEE))
    bend = len(beyond) > 1
    late = beyond if bend else of_grid
    heterogeneous, homogeneous = (slopes(length.rows, c, late) for c in PAIR)
    criteria = []
    if bend:
        early = slopes(length.rows, "homogeneous", below)
        criteria.append(_slopes_differ("with its own below", homogeneous, early))
    criteria.append(_slopes_differ("with that of heterogeneous", homogeneous, heterogeneous))
    if not bend:
        criteria = [c._replace(outcome="in part") if c.outcome == "met" else c for c in criteria]
    what = f"from {thousands(late[0])} to {thousands(late[-1])} parameters"
    rule = (
        "Slope of log(error) against log(parameters), least squares for each seed: that of homogeneous beyond "
        f"{thousands(KNEE)} minus its own up to {thousands(KNEE)}, and minus that of heterogeneous beyond it."
        if bend
        else f"Slope of log(error) against log(parameters) {what}: that of homogeneous minus that of heterogeneous. "
        "Two budgets cannot show a bend, so *holds partly* is the most."
    )
    return judged(
        length.claim("Homogeneous experts saturate early"),
        "synthetic part",
        f"Scaling slope of homogeneous {what}, compared",
        criteria,
        length.command(*PAIR, budgets=length.budgets if length.flag else ()),
        rule,
    )


def _slopes_differ(name: str, flat: BySeed, steep: BySeed) -> Criterion:
    def numbers(e: Estimate) -> str:
        means = (np.mean([of[seed] for seed in e.by_seed]) for of in (flat, steep))
        return f"({' / '.join(f'{m:+.2f}' for m in means)}): flatter by {with_interval(e, NUMBER)}, {p_text(e.p)}"

    return criterion(name, paired(flat, steep), NUMBER, numbers=numbers)


def without(length: Length, modality: str) -> BySeed:
    """log(error in a modality without its expert / with it)."""
    return _log_ratio(
        length.errors(f"without {modality}", ABLATION_BUDGET, modality),
        length.errors("heterogeneous", ABLATION_BUDGET, modality),
    )


def mismatched(length: Length, modality: str) -> BySeed:
    """log(error in a modality of the three other experts alone, geometric mean / of its own expert alone)."""
    own = length.errors(f"{modality} alone", ABLATION_BUDGET, modality)
    others = [length.errors(f"{e} alone", ABLATION_BUDGET, modality) for e in HETEROGENEOUS if e != modality]
    return mean_of([_log_ratio(other, own) for other in others])


def _log_ratio(first: BySeed, second: BySeed) -> BySeed:
    return paired(_log(first), _log(second))


def mismatch(length: Length) -> Claim:
    criteria = [
        *(criterion(f"{m} without its expert / with it,", without(length, m), TIMES) for m in MODALITIES),
        *(criterion(f"{m} by other experts alone / by its own,", mismatched(length, m), TIMES) for m in MODALITIES),
    ]
    return judged(
        length.claim("A mismatched bias hurts"),
        "synthetic part",
        "Error in a modality:",
        criteria,
        _ablations(length),
        f"For each modality, at {thousands(ABLATION_BUDGET)} parameters: its error without its expert / with all four "
        "experts; and the error of each other expert alone (geometric mean) / of its own expert alone.",
    )


def temporal(length: Length) -> Claim:
    size = log(PAPER_TEMPORAL)
    ratio = _log_ratio(*(length.errors(c, ABLATION_BUDGET, "temporal") for c in PAIR))
    readings = [criterion("heterogeneous against homogeneous", ratio, TIMES, size=size)]
    if not length.flag:
        readings += [
            criterion("without the temporal expert against with it", without(length, "temporal"), TIMES, size=size),
            criterion("other experts alone against the temporal", mismatched(length, "temporal"), TIMES, size=size),
        ]
    best = min(readings, key=lambda reading: ("missing", "met", "in part", "not met").index(reading.outcome))
    claim = judged(
        length.claim(f"With a mismatched bias the temporal error is {PAPER_TEMPORAL} times as large"),
        "synthetic part",
        f"Temporal error at {thousands(ABLATION_BUDGET)}:",
        readings,
        _ablations(length),
        "The sentence can be read in several ways, and the reading that favours it most decides; size "
        f"{PAPER_TEMPORAL}×." + " The long runs allow one of them." * bool(length.flag),
    )
    return claim._replace(verdict=verdict([best]))


def _ablations(length: Length) -> str:
    names = [f"without {e}" for e in HETEROGENEOUS] + [f"{e} alone" for e in HETEROGENEOUS]
    return length.command(*PAIR, *([] if length.flag else names), budgets=(ABLATION_BUDGET,))


def wins(length: Length) -> Claim:
    def differences(budget: int) -> BySeed:
        heterogeneous, homogeneous = (length.errors(c, budget) for c in PAIR)
        return paired(homogeneous, heterogeneous)

    def numbers(e: Estimate) -> str:
        return f"{tests(e)}, Wilcoxon p = {e.wilcoxon:.3g} (it cannot be below {wilcoxon_floor(e.n):.3g})"

    def won(budget: int) -> Criterion:
        return criterion(f"{at(budget)} in", differences(budget), NUMBER, p=0.01, in_every_seed=True, numbers=numbers)

    return judged(
        length.claim("Heterogeneous wins in all seeds, with p < 0.01"),
        "synthetic part",
        "Heterogeneous has the lower error",
        [won(b) for b in length.budgets],
        length.command(*PAIR, budgets=length.budgets),
        "For each budget: met if it wins in every seed and the paired t-test has p < 0.01; in part if one of both, the "
        "test at 1 %.",
    )


def variance(length: Length) -> Claim:
    pairs = [(length.errors(PAIR[0], b), length.errors(PAIR[1], b)) for b in length.budgets]
    logarithms = [(_log(first), _log(second)) for first, second in pairs]
    return judged(
        length.claim("Heterogeneous varies less over the seeds"),
        "synthetic part",
        "Standard deviation over the seeds, heterogeneous against homogeneous:",
        [
            varies_less("of the error", pairs, "{:.4f}".format),
            varies_less("relative to the error", logarithms, lambda sd: f"{100 * sd:.1f} %"),
        ],
        length.command(*PAIR, budgets=length.budgets),
        "Variances over the seeds of the error, and of its logarithm, for smaller errors vary less as such, pooled "
        "over the budgets; met if an F-test has p < 0.05, in part if merely smaller.",
    )


def _log(by_seed: BySeed) -> BySeed:
    return {seed: log(value) for seed, value in by_seed.items()}


def thousands(budget: int) -> str:
    return f"{budget // 1000}K" if budget < 1_000_000 else f"{budget / 1e6:.1f}M"


def at(budget: int) -> str:
    return f"at {thousands(budget)}"


def _list(of: tuple[int, ...]) -> str:
    return ", ".join(map(thousands, of))
