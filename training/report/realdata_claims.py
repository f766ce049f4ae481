"""The paper's claims about real data, judged by the reference runs and by the controls."""

from collections.abc import Sequence

import numpy as np
from scipy.special import rel_entr

from hetmoe.config import CONFIGURATIONS, TOLERANCE
from hetmoe.encoding import MODALITIES
from training.classification import BUDGET
from training.report.comparison import BySeed, mean_of, paired, relative
from training.report.criteria import (
    PERCENT,
    POINTS,
    SHARE,
    Claim,
    Criterion,
    Outcome,
    Unit,
    criterion,
    judged,
    varies_less,
)
from training.report.findings import PAPER_ACCURACY, PAPER_AIRPLANE, configurations, summary
from training.results import Row, per_seed

EXPERTS = CONFIGURATIONS["heterogeneous"]
REFERENCE = "python -m training realdata"
MAJORITY = 0.5  # of a modality's routing weight: one expert outweighs all others together
CONVOLUTIONS = ("spatial alone", "temporal alone", "convolutional net", "ensemble of four spatial")
COMPUTE = "compute-matched homogeneous"


def command(*names: str) -> str:
    """Of the controls."""
    quoted = (f'"{name}"' if " " in name else name for name in names)
    return f"python -m training controls --configurations {' '.join(quoted)}"


def accuracy(rows: list[Row], configuration: str, modality: str = "all") -> BySeed:
    return per_seed(rows, configuration, "accuracy", modality)


def realdata_claims(rows: list[Row], controls: list[Row]) -> list[Claim]:
    return [
        matched(rows),
        beats_homogeneous(rows),
        every_modality(rows),
        order(rows),
        variance(rows),
        airplane(rows),
        complementarity(controls),
        no_specialisation(rows),
        not_compute(controls),
        not_convolution(controls),
    ]


def matched(rows: list[Row]) -> Claim:
    sizes = {c: s.mean for c in configurations(rows) if (s := summary(rows, c, metric="parameters"))}
    costs = {c: s.mean / 1e6 for c in configurations(rows) if (s := summary(rows, c, metric="multiply_adds"))}
    off = max((abs(size / BUDGET - 1) for size in sizes.values()), default=0)
    outcome: Outcome = "missing" if len(sizes) < len(CONFIGURATIONS) else "met" if off <= TOLERANCE else "not met"
    cost = ", ".join(f"{value:.2f} M {c}" for c, value in costs.items())
    numbers = f"{100 * off:.2f} % off {BUDGET:,} parameters; but multiply-adds: {cost}"
    n = min((len(accuracy(rows, c)) for c in sizes), default=0)
    return judged(
        "The configurations are compared at the same number of parameters",
        "real-data part",
        "The three configurations are",
        [Criterion("at most", outcome, numbers, n)],
        REFERENCE,
        f"Met if every configuration is within 0.5 % of {BUDGET:,} parameters.",
    )


def beats_homogeneous(rows: list[Row]) -> Claim:
    paper = _paper_gain("homogeneous")
    return judged(
        "Heterogeneous experts are more accurate than homogeneous ones: 53.46 against 39.02 %, +37 %",
        "real-data part, table",
        "Accuracy of heterogeneous relative to",
        [_relative(rows, "heterogeneous", "homogeneous", paper)],
        f"{REFERENCE} --configurations heterogeneous homogeneous",
        f"Relative difference of the accuracies; size {PERCENT.show(paper)}.",
    )


def every_modality(rows: list[Row]) -> Claim:
    def difference(modality: str) -> BySeed:
        return paired(accuracy(rows, "heterogeneous", modality), accuracy(rows, "homogeneous", modality))

    return judged(
        "Heterogeneous experts are better in every modality",
        "real-data part, table",
        "Accuracy of heterogeneous minus that of homogeneous:",
        [criterion(m, difference(m), POINTS) for m in MODALITIES],
        f"{REFERENCE} --configurations heterogeneous homogeneous",
        "Difference of the accuracies in each of the four modalities.",
    )


def order(rows: list[Row]) -> Claim:
    paper = _paper_gain("hybrid")
    return judged(
        "Heterogeneous is better than hybrid (+9.9 %), and hybrid better than homogeneous",
        "real-data part, table",
        "Accuracy",
        [
            _relative(rows, "heterogeneous", "hybrid", paper, "of heterogeneous relative to hybrid"),
            _relative(rows, "hybrid", "homogeneous", 0, "of hybrid relative to homogeneous"),
        ],
        REFERENCE,
        f"Relative differences of the accuracies; size {PERCENT.show(paper)} for the first, none for the second.",
    )


def _paper_gain(other: str) -> float:
    return PAPER_ACCURACY["heterogeneous"]["all"] / PAPER_ACCURACY[other]["all"] - 1


def _relative(rows: list[Row], first: str, second: str, size: float, name: str = "") -> Criterion:
    return criterion(name or second, relative(accuracy(rows, first), accuracy(rows, second)), PERCENT, size=size)


def variance(rows: list[Row]) -> Claim:
    pair = accuracy(rows, "heterogeneous"), accuracy(rows, "homogeneous")
    found = varies_less("accuracy in points", [pair], lambda sd: f"{100 * sd:.2f}", or_similarly=True)
    return judged(
        "Heterogeneous varies less over the seeds, or similarly",
        "real-data part",
        "Standard deviation over the seeds, heterogeneous against homogeneous:",
        [found],
        f"{REFERENCE} --configurations heterogeneous homogeneous",
        "Variances over the seeds: met if smaller; in part if larger, but an F-test has p ≥ 0.05 (three seeds "
        "show only standard deviations that differ more than sixfold).",
    )


def airplane(rows: list[Row]) -> Claim:
    equal = 1 / len(EXPERTS)
    weights = per_seed(rows, "heterogeneous", "routing_of_airplane_spatial", "spatial")
    above = {seed: weight - equal for seed, weight in weights.items()}
    unit = Unit(lambda x: 100 * (x + equal), ".1f", " %")
    return judged(
        f"The spatial expert takes {SHARE.show(PAPER_AIRPLANE)} of the routing weight for an airplane",
        "its page, headline",
        "Mean weight",
        [criterion("over all 1,000 test airplanes", above, unit, size=PAPER_AIRPLANE - equal)],
        f"{REFERENCE} --configurations heterogeneous",
        f"The weight above the 25 % of equal weights; size {SHARE.show(PAPER_AIRPLANE)}. The page shows one airplane.",
    )


def leave_one_out(controls: list[Row]) -> tuple[str, dict[str, BySeed]]:
    """How, and for each expert: accuracy with all four minus accuracy without it.

    Trained anew without it, at the same budget, if the controls have that for every expert; else muted after training.
    """
    retrained = {e: without(controls, e) for e in EXPERTS}
    return (
        ("trained anew", retrained) if all(retrained.values()) else ("muted", {e: muted(controls, e) for e in EXPERTS})
    )


def without(controls: list[Row], expert: str) -> BySeed:
    """Accuracy minus that of a mixture of the other three, trained without it at the same budget."""
    return paired(accuracy(controls, "heterogeneous"), accuracy(controls, f"without {expert}"))


def muted(controls: list[Row], expert: str) -> BySeed:
    """Accuracy minus that of the same mixture with an expert muted."""
    rest = mean_of(per_seed(controls, "heterogeneous", f"accuracy_without_{expert}", m) for m in MODALITIES)
    return paired(accuracy(controls, "heterogeneous"), rest)


def most_accurate(controls: list[Row], among: Sequence[str]) -> str:
    """In the mean over the seeds; the first if none has been run."""
    means = {c: s.mean for c in among if (s := summary(controls, c))}
    return max(means, key=lambda c: means[c], default=among[0])


def complementarity(controls: list[Row]) -> Claim:
    how, drops = leave_one_out(controls)
    best = most_accurate(controls, [f"{e} alone" for e in EXPERTS])
    criteria = [_ahead_of(controls, best)._replace(name=f"over its best expert, {best},")]
    criteria += [criterion(f"over the mixture without {e} ({how})", drop, POINTS) for e, drop in drops.items()]
    names = [f"{e} alone" for e in EXPERTS]
    names += [f"without {e}" for e in EXPERTS] if how == "trained anew" else []
    return judged(
        "The experts complement one another",
        "title",
        "Accuracy of the mixture",
        criteria,
        command("heterogeneous", *names),
        "Accuracy of the mixture minus that of the best of its experts alone at the same number of parameters, "
        "and minus that of the mixture without each expert.",
    )


def largest_weight(rows: list[Row], modality: str) -> BySeed:
    """Seed -> the largest of the experts' mean weights."""
    by_expert = [per_seed(rows, "heterogeneous", f"routing_{e}", modality) for e in EXPERTS]
    return {seed: max(of[seed] for of in by_expert) for seed in sorted(set.intersection(*map(set, by_expert)))}


def no_specialisation(rows: list[Row]) -> Claim:
    unit = Unit(lambda x: 100 * (MAJORITY - x), ".1f", " %")
    margins = {m: {s: MAJORITY - w for s, w in largest_weight(rows, m).items()} for m in MODALITIES}
    return judged(
        "The routing does not specialise",
        "title",
        "Largest mean weight of an expert for",
        [criterion(f"{m} inputs", margin, unit) for m, margin in margins.items()],
        f"{REFERENCE} --configurations heterogeneous",
        f"Met for a modality if no expert has a majority, {SHARE.show(MAJORITY)} of its routing weight.",
    )


def not_compute(controls: list[Row]) -> Claim:
    return judged(
        "The gain over homogeneous experts is not due to compute",
        "real-data part",
        "Accuracy of heterogeneous above that of a",
        [_ahead_of(controls, COMPUTE)],
        command("heterogeneous", COMPUTE),
        "Difference of the accuracies to a homogeneous model of the same multiply-adds.",
    )


def not_convolution(controls: list[Row]) -> Claim:
    best = most_accurate(controls, CONVOLUTIONS)
    return judged(
        "The gain over homogeneous experts is due to the diversity of the architectures, not to convolution",
        "real-data part",
        "Accuracy of heterogeneous above that of",
        [_ahead_of(controls, best)],
        command("heterogeneous", *CONVOLUTIONS),
        f"Difference of the accuracies to the best of {len(CONVOLUTIONS)} convolutional models of the same number of "
        f"parameters: {', '.join(CONVOLUTIONS)}.",
    )


def _ahead_of(controls: list[Row], other: str) -> Criterion:
    return criterion(other, paired(accuracy(controls, "heterogeneous"), accuracy(controls, other)), POINTS)


def specialisation(rows: list[Row], configuration: str) -> BySeed:
    """Seed -> mutual information of modality and expert, as a fraction of its largest value, log 4.

    0: every modality gets the same mean weights; 1: every modality has an expert of its own.
    """
    metrics = {r["metric"] for r in rows if r["configuration"] == configuration}
    experts = sorted(m for m in metrics if m.startswith("routing_") and not m.startswith("routing_of_"))
    table = [[per_seed(rows, configuration, expert, m) for expert in experts] for m in MODALITIES]
    result = {}
    for seed in accuracy(rows, configuration):
        weights = np.array([[by_seed[seed] for by_seed in of_modality] for of_modality in table])
        information = rel_entr(weights, weights.mean(0)).sum() / len(MODALITIES)
        result[seed] = float(information / np.log(len(MODALITIES)))
    return result
