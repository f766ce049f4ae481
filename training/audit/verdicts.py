"""The fairness audit's questions, their thresholds, and the verdicts on one run.

The thresholds were written down before any checkpoint was audited. A verdict is "pass" or "fail" where the whole 95 %
interval lies on one side of the threshold, and "undecided" where the interval contains it.
"""

from math import log
from typing import NamedTuple

from training.audit.measures import Measurement, Measurements, measurements, parts
from training.results import Row


class Check(NamedTuple):
    """A question, and the threshold that a measurement must keep to."""

    name: str
    measured: str  # what of, in words
    threshold: float
    at_least: bool  # the measurement must be at least the threshold, else at most
    percent: bool  # shown as a percentage, else as it is
    reason: str  # for the threshold


MODALITIES_ALIKE = Check(
    "modalities alike", "accuracy of the worst served modality, relative to the best's", 0.8, True, True,
    "the four-fifths rule: less is what US agencies regard as evidence of adverse impact (29 CFR 1607.4 D)",
)  # fmt: skip
CLASSES_ALIKE = Check(
    "classes alike", "accuracy of the worst served class of a modality, relative to the best's", 0.8, True, True,
    "the same rule",
)  # fmt: skip
EVERY_CLASS = Check(
    "every class served", "accuracy of the worst served class of all", 0.1, True, True,
    "chance, of ten classes: below it, guessing would serve the class better",
)  # fmt: skip
CALIBRATED = Check(
    "calibrated", "expected calibration error of the worst calibrated modality", 0.05, False, True,
    "networks mostly have 4 to 10 % as trained, and 1 to 2 % after temperature scaling (Guo et al. 2017)",
)  # fmt: skip
INFORMATIVE = Check(
    "better than no answer", "loss of the modality with the largest", log(10), False, False,
    "ln 10, what equal probabilities for all ten classes would cost",
)  # fmt: skip
NO_DEAD = Check(
    "no dead expert", "greatest mean weight over the modalities, of the expert with the least", 0.01, True, True,
    "with less, logits ten times as large as the others' add a tenth to the mixture at most",
)  # fmt: skip
NO_DOMINATED = Check(
    "no dominated expert", "greatest load over the modalities, of the expert with the least", 0.01, True, True,
    "with less, it has the largest weight for at most one input in a hundred of any modality",
)  # fmt: skip
NO_DOMINANT = Check(
    "no dominant expert", "largest mean weight of an expert over all modalities", 0.5, False, True,
    "with more, one expert outweighs all others together",
)  # fmt: skip
CHECKS = (
    MODALITIES_ALIKE, CLASSES_ALIKE, EVERY_CLASS, CALIBRATED, INFORMATIVE, NO_DEAD, NO_DOMINATED, NO_DOMINANT,
)  # fmt: skip


class Verdict(NamedTuple):
    """A check's outcome: the candidate (a modality, class or expert) that fares worst by it."""

    check: Check
    where: str  # which candidate
    measured: Measurement
    failed: int  # how many candidates fail
    candidates: int

    @property
    def outcome(self) -> str:
        return judge(self.check, self.measured)


def judge(check: Check, measured: Measurement) -> str:
    """pass, fail, or undecided: the interval contains the threshold."""
    if measured.low <= check.threshold <= measured.high:
        return "undecided"
    return "pass" if (measured.low > check.threshold) == check.at_least else "fail"


def verdicts(rows: list[Row]) -> list[Verdict]:
    """One for each check, from one run's rows; a single expert is not judged as an expert."""
    everything = measurements(rows)
    overall = everything.pop("all")
    modalities = everything.items()
    accuracies = {m: of["accuracy"] for m, of in modalities}
    classes = {f"{m}: {c}": accuracy for m, of in modalities for c, accuracy in parts(of, "accuracy").items()}
    pairs = {f"{m}: {' / '.join(extremes(parts(of, 'accuracy')))}": of["class_ratio"] for m, of in modalities}
    weights, loads = (
        {expert: max(of[f"{metric}_{expert}"] for of in everything.values()) for expert in parts(overall, metric)}
        for metric in ("routing", "load")
    )
    candidates: dict[Check, Measurements] = {
        MODALITIES_ALIKE: {" / ".join(extremes(accuracies)): overall["modality_ratio"]},
        CLASSES_ALIKE: pairs,
        EVERY_CLASS: classes,
        CALIBRATED: {m: of["ece"] for m, of in modalities},
        INFORMATIVE: {m: of["loss"] for m, of in modalities},
    }
    if len(weights) > 1:
        candidates |= {NO_DEAD: weights, NO_DOMINATED: loads, NO_DOMINANT: parts(overall, "routing")}
    return [_gravest(check, measured) for check, measured in candidates.items()]


def extremes(accuracies: Measurements) -> tuple[str, str]:
    """The worst served and the best served."""
    return min(accuracies, key=accuracies.__getitem__), max(accuracies, key=accuracies.__getitem__)


def _gravest(check: Check, candidates: Measurements) -> Verdict:
    """Failures before what is undecided, and that before passes; among these the farthest on the wrong side."""
    outcomes = {where: judge(check, measured) for where, measured in candidates.items()}
    sign = -1 if check.at_least else 1
    order = ("pass", "undecided", "fail")
    worst = max(candidates, key=lambda where: (order.index(outcomes[where]), sign * candidates[where].value))
    return Verdict(check, worst, candidates[worst], list(outcomes.values()).count("fail"), len(candidates))
