"""Questions that the paper leaves open, each answered by controls: the phrases are chosen by the numbers."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hetmoe.encoding import MODALITIES
from training.frontier import CONFIGURATIONS
from training.report.comparison import BySeed, Estimate, Results, estimate, paired
from training.report.controls_tables import complementary
from training.report.criteria import POINTS, SHARE, Unit, with_interval
from training.report.frontier_tables import COMMAND, gaps
from training.report.realdata_claims import (
    COMPUTE,
    CONVOLUTIONS,
    EXPERTS,
    MAJORITY,
    accuracy,
    command,
    largest_weight,
    leave_one_out,
    muted,
    specialisation,
)
from training.results import Row

PLAIN = Unit(float, ".2f", "")
MARGIN = 0.01  # of accuracy, one point: less is what another seed changes


class Question(NamedTuple):
    question: str
    rule: str  # by which the first sentence of the answer is chosen
    answer: str


def questions(results: Results) -> list[Question]:
    return [
        convolution(results.controls),
        routing(results.realdata, results.controls),
        additions(results.controls),
        frontier(results.frontier),
    ]


def convolution(controls: list[Row]) -> Question:
    def ahead_of(names: Iterable[str], modality: str = "all") -> dict[str, Estimate]:
        mine = accuracy(controls, "heterogeneous", modality)
        return _estimates({c: paired(mine, accuracy(controls, c, modality)) for c in names})

    needed = (*CONVOLUTIONS, COMPUTE, "homogeneous")
    ahead = ahead_of(needed)
    if len(ahead) < len(needed):
        answer = _unanswered("heterogeneous", *needed)
    else:
        of_convolutions = {c: ahead[c] for c in CONVOLUTIONS}
        best = min(CONVOLUTIONS, key=lambda c: ahead[c].mean)
        if all(e.low > 0 for e in of_convolutions.values()):
            opening = "Diversity adds to convolution"
        elif any(e.high < 0 for e in of_convolutions.values()):
            opening = "Just convolution"
        else:
            opening = "Convolution alone does as well, as far as these seeds can tell"
        share = 1 - ahead[best].mean / ahead["homogeneous"].mean
        by_modality = {m: ahead_of([best], m)[best] for m in MODALITIES}
        compute = "does not" if ahead[COMPUTE].low > 0 else "may"
        answer = (
            f"{opening}: heterogeneous minus {_list(of_convolutions, POINTS)}. The best of these, {best}, gains "
            f"{SHARE.show(share)} of what heterogeneous gains over homogeneous ({_show(ahead['homogeneous'])}). By "
            f"modality, heterogeneous minus {best}: {_list(by_modality, POINTS)}. Compute {compute} explain "
            f"it: heterogeneous minus {COMPUTE} is {_show(ahead[COMPUTE])}. n = {_n(ahead)}."
        )
    return Question(
        "Is it diversity or just convolution?",
        "Diversity, if heterogeneous is more accurate than each of four convolutional models of its size, every 95 % "
        "interval above 0; just convolution, if an interval lies below 0; in between, convolution does as well.",
        answer,
    )


def routing(rows: list[Row], controls: list[Row]) -> Question:
    learned = accuracy(controls, "heterogeneous")
    others = ("uniform routing", "top-1 routing", "oracle routing")
    over = _estimates({c: paired(learned, accuracy(controls, c)) for c in others})
    weights = _estimates({m: largest_weight(rows, m) for m in MODALITIES})
    index = _estimates({c: specialisation(rows, c) for c in ("heterogeneous", "homogeneous")})
    if len(over) < len(others) or len(weights) < len(MODALITIES) or len(index) < 2:
        answer = _unanswered("heterogeneous", *others)
    else:
        majorities = sum(e.low > MAJORITY for e in weights.values())
        uniform = over["uniform routing"]
        gains = uniform.low > 0 and uniform.mean >= MARGIN
        opening = {(len(MODALITIES), True): "It specialises", (0, False): "It only mixes"}.get(
            (majorities, gains), "Something of both"
        )
        answer = (
            f"{opening}: one expert has a majority of the weight in {majorities} of {len(MODALITIES)} modalities "
            f"(largest mean weights: {_list(weights, SHARE)}; n = {_n(weights)}), and learned minus uniform routing is "
            f"{_show(uniform)}, {'a gain' if gains else 'no gain'} by the rule. On a scale from 0, the same mean "
            "weights for every modality, to 1, an expert of its own for each, heterogeneous routing is at "
            f"{_show(index['heterogeneous'], PLAIN)}, homogeneous at {_show(index['homogeneous'], PLAIN)}. Learned "
            f"minus top-1 routing: {_show(over['top-1 routing'])}; minus the oracle, which is told the modality and "
            f"gives each an expert of its own: {_show(over['oracle routing'])}. n = {_n(over)}."
        )
    return Question(
        "Does routing specialise or only mix?",
        "It specialises, if in every modality one expert has a majority of the mean weight (95 % interval above 50 %) "
        f"and learned routing gains at least {POINTS.show(MARGIN)} over equal weights (interval above 0); it only "
        "mixes, if neither is so in any modality.",
        answer,
    )


def additions(controls: list[Row]) -> Question:
    how, drops = leave_one_out(controls)
    adds = _estimates(drops)
    right = _estimates({e: complementary(controls, f"right_where_wrong_{e}") for e in EXPERTS})
    wrong = _estimates({e: complementary(controls, f"wrong_where_right_{e}") for e in EXPERTS})
    covered = _estimates({"any": complementary(controls, "accuracy_of_any_alone")})
    mixture = _estimates({"mixture": accuracy(controls, "heterogeneous")})
    if len(adds) < len(EXPERTS) or len(right) < len(EXPERTS) or not covered:
        answer = _unanswered("heterogeneous", *(f"{e} alone" for e in EXPERTS), *(f"without {e}" for e in EXPERTS))
    else:
        by_size = sorted(EXPERTS, key=lambda e: -adds[e].mean)
        sure = [e for e in EXPERTS if adds[e].low > 0]
        opening = f"{len(sure)} of {len(EXPERTS)} experts add something that these seeds can tell"
        named = {e: adds[e] for e in by_size}
        also = _estimates({e: muted(controls, e) for e in by_size}) if how == "trained anew" else {}
        caution = " Muting may overstate: the others were trained beside it." if how == "muted" else ""
        if_muted = f"; with the expert muted in the trained mixture {_list(also, POINTS)}" if also else ""
        both = ", ".join(f"{e} {SHARE.show(right[e].mean)} and {SHARE.show(wrong[e].mean)}" for e in EXPERTS)
        any_alone, together = (SHARE.show(of.mean) for of in (covered["any"], mixture["mixture"]))
        answer = (
            f"{opening}: accuracy with all four minus accuracy without ({how}) {_list(named, POINTS)}{if_muted}."
            f"{caution} Of the inputs that an expert alone, with the whole budget, gets wrong, the mixture gets right, "
            f"and of those that it gets right, the mixture gets wrong: {both}. At least one of the four alone is right "
            f"for {any_alone} of the inputs, the mixture for {together}. n = {_n(adds)}."
        )
    return Question(
        "What does each expert add?",
        "An expert adds something, if the accuracy with it minus that without it has its 95 % interval above 0.",
        answer,
    )


def frontier(rows: list[Row]) -> Question:
    """Unlike the others it is answered by a single seed too, and says so."""
    ahead = {c: e for c, gap in gaps(rows).items() if (e := estimate(gap))}
    missing = [c for c in CONFIGURATIONS if c not in ahead and c != "heterogeneous"]
    if "convolutional" not in ahead:
        answer = f"Not answered yet: this needs `{COMMAND} --configurations heterogeneous convolutional`."
    else:
        best = next(iter(ahead))
        if ahead[best].mean <= 0:
            opening = f"No, the mixture does not beat its best control, {best}"
        elif not missing and all(e.low > 0 for e in ahead.values()):
            opening = "Yes, the mixture beats every control"
        else:
            opening = "It looks so, but these seeds and controls do not settle it"
        by_modality = {m: e for m in MODALITIES if (e := estimate(gaps(rows, m)[best]))}
        drops = {e: drop for e in EXPERTS if (drop := estimate(muted(rows, e)))}
        without = f" Muting an expert after training costs {_list(drops, POINTS)}." if drops else ""
        not_run = f" Not run yet: {', '.join(missing)}." if missing else ""
        answer = (
            f"{opening}: accuracy of heterogeneous minus that of {_list(ahead, POINTS)}. By modality, heterogeneous "
            f"minus {best}: {_list(by_modality, POINTS)}.{without}{not_run} n = {_n(ahead)}."
        )
    return Question(
        "Is it still the experts, in the frontier family?",
        "Yes, if the mixture is more accurate than every control of its size and training (one convolutional net, "
        "hybrid, homogeneous), every 95 % interval above 0; no, if one of them is as accurate in the mean; in between "
        "it is not settled, as with a single seed or with a control missing.",
        answer,
    )


def _estimates(by_name: Mapping[str, BySeed]) -> dict[str, Estimate]:
    """Of those that two seeds at least have measured."""
    return {name: e for name, by_seed in by_name.items() if (e := estimate(by_seed)) and e.n > 1}


def _unanswered(*names: str) -> str:
    return f"Not answered yet: this needs two seeds at least of `{command(*names)}`."


def _show(e: Estimate, unit: Unit = POINTS) -> str:
    return with_interval(e, unit)


def _list(estimates: Mapping[str, Estimate], unit: Unit) -> str:
    return ", ".join(f"{name} {with_interval(e, unit)}" for name, e in estimates.items())


def _n(estimates: Mapping[str, Estimate]) -> int:
    return min(e.n for e in estimates.values())
