"""Verdicts follow the numbers: made-up results for which a claim holds, holds partly, does not hold."""

import re
import shlex
from collections.abc import Callable
from math import log2

import pytest

from hetmoe.encoding import MODALITIES
from tests.made_up import CONTROL_SEEDS, Accuracy, Error, about, control_rows, rows_of, synthetic_rows
from training.__main__ import parse
from training.report.claims import claims
from training.report.comparison import Results
from training.report.criteria import PERCENT, TIMES, Claim, Criterion, Outcome, criterion, varies_less, verdict
from training.report.findings import PAPER_REDUCTION
from training.report.questions import questions
from training.report.realdata_claims import specialisation
from training.results import Row, Run

NOTHING = Results([], [], [], [], [], [], [], [])


def wobble(seed: int) -> float:
    """A small effect of the seed, with mean 0 over the seeds 1 to 5."""
    return 1 + 0.01 * (seed - 3)


def synthetic(error: Error, *, long: bool = False, seeds: tuple[int, ...] = (1, 2, 3, 4, 5)) -> dict[str, Claim]:
    return judged(NOTHING._replace(synthetic=synthetic_rows(lambda *of: about(error(*of), *of), seeds, long)))


def judged(results: Results) -> dict[str, Claim]:
    return {claim.claim: claim for claim in claims(results)}


def find(claims: dict[str, Claim], words: str) -> Claim:
    (found,) = (claim for text, claim in claims.items() if words in text)
    return found


# The rule


@pytest.mark.parametrize(
    ("values", "size", "outcome"),
    [
        ((0.20, 0.21, 0.19), 0.15, "met"),
        ((0.20, 0.21, 0.19), 0.22, "met"),  # the interval, 0.175 to 0.225, reaches it
        ((0.20, 0.21, 0.19), 0.25, "in part"),  # beyond chance, but smaller than claimed
        ((0.20, 0.01, 0.02), 0.00, "in part"),  # in every seed, but not beyond chance
        ((0.20, -0.10, 0.02), 0.0, "not met"),
        ((-0.20, -0.21, -0.19), 0, "not met"),
        ((0.20,), 0, "missing"),
        ((), 0, "missing"),
    ],
)
def test_criterion(values: tuple[float, ...], size: float, outcome: Outcome) -> None:
    assert criterion("x", dict(enumerate(values)), PERCENT, size=size).outcome == outcome


def test_criterion_at_one_per_cent() -> None:
    clear = {1: 0.20, 2: 0.21, 3: 0.19}  # t = 34.6, p = 0.0008
    fair = {1: 0.20, 2: 0.30, 3: 0.16}  # t = 5.3, p = 0.03
    assert criterion("x", clear, PERCENT, p=0.01, in_every_seed=True).outcome == "met"
    assert criterion("x", fair, PERCENT).outcome == "met"
    assert criterion("x", fair, PERCENT, p=0.01, in_every_seed=True).outcome == "in part"


def test_criterion_shows_mean_and_interval_in_its_unit() -> None:
    assert criterion("x", {1: 0.20, 2: 0.21, 3: 0.19}, PERCENT).numbers == "+20.0 % (+17.5 to +22.5)"
    assert criterion("x", {1: 0.69, 2: 0.70, 3: 0.69}, TIMES).numbers == "2.00× (1.97 to 2.03)"


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["met", "met"], "holds"),
        (["met", "in part"], "holds partly"),
        (["met", "not met"], "holds partly"),
        (["in part"], "holds partly"),
        (["not met", "not met"], "does not hold"),
        (["met", "missing"], "not measured"),
        ([], "not measured"),
    ],
)
def test_verdict(outcomes: list[Outcome], expected: str) -> None:
    assert verdict([Criterion("x", outcome, "") for outcome in outcomes]) == expected


def test_variances_are_pooled() -> None:
    small, large = {1: 1.0, 2: 2.0, 3: 3.0}, {1: 10.0, 2: 20.0, 3: 30.0}  # variances 1 and 100
    assert varies_less("x", [(small, large)], str).outcome == "met"  # F(2, 2) = 100: p = 2 / 101
    assert varies_less("x", [(large, small)], str).outcome == "not met"
    middle = {1: 2.0, 2: 4.0, 3: 6.0}  # variance 4: p = 0.4
    assert varies_less("x", [(small, middle)], str).outcome == "in part"
    assert varies_less("x", [(middle, small)], str, or_similarly=True).outcome == "in part"
    assert varies_less("x", [(large, small)], str, or_similarly=True).outcome == "not met"
    both = varies_less("x", [(small, middle), (middle, small)], "{:.2f}".format)
    assert both.numbers == "1.58 against 1.58 (F-test with 4 and 4 degrees of freedom: p = 1)"
    assert varies_less("x", [(small, {1: 1.0})], str).outcome == "missing"


# The synthetic experiments


def better_by(*fractions: float) -> Error:
    """Heterogeneous errors lower by these fractions at 368K, 530K and 690K, in every seed about the same."""
    gains = dict(zip((368_000, 530_000, 690_000), fractions, strict=True))

    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        gain = gains.get(budget, 0) if configuration == "heterogeneous" else 0
        return 0.5 * (1 - gain * wobble(seed)) * wobble(seed) ** 2

    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (better_by(0.17, 0.25, 0.30), "holds"),
        (better_by(0.05, 0.25, 0.30), "holds partly"),
        (better_by(0.05, 0.05, 0.05), "holds partly"),  # all lower beyond chance, none by as much
        (better_by(-0.2, -0.2, -0.2), "does not hold"),
    ],
)
def test_lower_error_at_every_budget(error: Error, expected: str) -> None:
    found = synthetic(error)
    assert find(found, "lower error than homogeneous ones at every budget (400").verdict == expected
    assert find(found, "lower error than homogeneous ones at every budget (5,000").verdict == "not measured"


def test_what_was_measured_is_said() -> None:
    claim = find(synthetic(better_by(0.17, 0.25, 0.30)), "at every budget (400")
    assert claim.measured.startswith("Error lower at 368K by +17.0 % (")
    assert claim.measured.endswith("; n = 5.")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(better_by(0.16, 0.24, 0.29), "holds"), (better_by(0.29, 0.24, 0.16), "does not hold")],
)
def test_growing_gain(error: Error, expected: str) -> None:
    assert find(synthetic(error), "grows with the budget (400").verdict == expected


@pytest.mark.parametrize(("hybrid", "expected"), [(0.19, "holds"), (0.2001, "does not hold"), (0.3, "does not hold")])
def test_hybrid_is_compared_with_the_better_of_the_others(hybrid: float, expected: str) -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return {"hybrid": hybrid, "heterogeneous": 0.2}.get(configuration, 0.4)

    claim = find(synthetic(error), "Hybrid is the best overall (400")
    assert claim.verdict == expected
    assert claim.measured.startswith("Error of hybrid lower than that of heterogeneous by ")


def test_smaller_errors_vary_less_as_such() -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        noise = about(1, configuration, budget, seed, within=0.1)
        return noise * (0.1 if configuration == "heterogeneous" else 0.5)

    assert find(synthetic(error), "varies less over the seeds (400").verdict == "holds partly"


@pytest.mark.parametrize(
    ("beyond", "heterogeneous", "expected"),
    [
        (0.0, -0.3, "holds"),  # homogeneous flattens, heterogeneous does not
        (-0.3, -0.3, "does not hold"),  # neither flattens
        (0.0, 0.0, "holds partly"),  # both flatten
        (-0.6, -0.7, "holds partly"),  # steeper beyond, and flatter than heterogeneous all the same
    ],
)
def test_early_saturation_is_a_slope(beyond: float, heterogeneous: float, expected: str) -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        late = heterogeneous if configuration == "heterogeneous" else beyond
        slope = (-0.3 if budget < 368_000 else late) + 0.001 * (seed - 3) * (1 + (configuration == "homogeneous"))
        if budget < 368_000:
            slope += 0.001 * (seed == 4)
        return float((budget / 368_000) ** slope)

    assert find(synthetic(error), "saturate early (400").verdict == expected


def test_two_budgets_show_no_bend() -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return float((budget / 368_000) ** (-0.3 * wobble(seed) * (configuration == "heterogeneous")))

    assert find(synthetic(error, long=True), "saturate early (5,000").verdict == "holds partly"


@pytest.mark.parametrize(("factor", "expected"), [(2.3, "holds"), (1.5, "holds partly"), (0.9, "does not hold")])
def test_temporal_error_without_its_expert(factor: float, expected: str) -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        hurt = factor * wobble(seed) if (configuration, modality) == ("without temporal", "temporal") else 1
        return 0.1 * hurt * (1.1 - 0.1 * wobble(seed) if "homogeneous" in configuration else 1)

    assert find(synthetic(error), "2.2 times as large (400").verdict == expected


def test_the_reading_of_the_long_runs() -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return 0.3 * wobble(seed) if (configuration, modality) == ("heterogeneous", "temporal") else 0.1

    assert find(synthetic(error, long=True), "as large (5,000").verdict == "holds"
    assert "3.00×" in find(synthetic(error, long=True), "as large (5,000").measured


def test_mismatch_in_every_modality() -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        own = modality in configuration if "alone" in configuration else f"without {modality}" != configuration
        return 0.1 * (1 if own else 1.4 * wobble(seed))

    claim = find(synthetic(error), "mismatched bias hurts (400")
    assert claim.verdict == "holds"
    assert claim.measured.count("1.40×") == 8


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ((0.04, 0.05, 0.06, 0.05, 0.05), "holds"),
        ((0.01, 0.09, 0.02, 0.08, 0.01), "holds partly"),  # in every seed, p = 0.08
        ((-0.01, 0.09, -0.02, 0.08, 0.01), "does not hold"),
    ],
)
def test_wins_in_all_seeds(gaps: tuple[float, ...], expected: str) -> None:
    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return 0.5 - gaps[seed - 1] * (configuration == "heterogeneous")

    claim = find(synthetic(error), "wins in all seeds, with p < 0.01 (400")
    assert claim.verdict == expected
    assert "it cannot be below 0.0625" in claim.measured


def test_budgets_that_are_not_matched() -> None:
    rows = synthetic_rows(lambda *of: about(better_by(0.2, 0.2, 0.2)(*of), *of))
    assert find(judged(NOTHING._replace(synthetic=rows)), "number of parameters (400").verdict == "holds"
    for r in rows:
        if (r["configuration"], r["metric"], r["budget"]) == ("hybrid", "parameters", "368000"):
            r["value"] = "248990"  # the paper's
    claim = find(judged(NOTHING._replace(synthetic=rows)), "number of parameters (400")
    assert claim.verdict == "does not hold"
    assert "32.34 % off" in claim.measured


def test_one_seed_is_no_measurement() -> None:
    found = synthetic(better_by(0.17, 0.25, 0.30), seeds=(1,))
    claim = find(found, "lower error than homogeneous ones at every budget (400")
    assert claim.verdict == "not measured"
    assert claim.measured.startswith("Runs are missing: a verdict takes two seeds")


def test_the_paper_is_quoted_as_it_is() -> None:
    table = {368_000: (0.0185, 0.0155), 530_000: (0.0195, 0.0148), 690_000: (0.0201, 0.0142)}
    for budget, (homogeneous, heterogeneous) in table.items():
        assert pytest.approx(1 - heterogeneous / homogeneous, abs=5e-4) == PAPER_REDUCTION[budget]


# Real data and controls


def reference(heterogeneous: float, homogeneous: float, weight: float = 0.4) -> list[Row]:
    """Runs of the three configurations; hybrid lies in between. weight: the largest, of every modality's expert."""
    rows = []
    for seed, effect in zip(CONTROL_SEEDS, (0.001, 0.0, -0.002), strict=True):
        level = {
            "heterogeneous": heterogeneous + effect,
            "homogeneous": homogeneous - effect / 2,
            "hybrid": (heterogeneous + homogeneous) / 2,
        }
        for c, value in level.items():
            values = {(m, "accuracy"): value for m in (*MODALITIES, "all")} | {("all", "parameters"): 223_000.0}
            for m in MODALITIES:
                values |= {(m, f"routing_{e}"): weight if e == m else (1 - weight) / 3 for e in MODALITIES}
                values[m, f"routing_{m}"] += effect
            values["spatial", "routing_of_airplane_spatial"] = weight + effect
            rows += rows_of(Run("realdata", "replica", c, "223000", str(seed)), values)
    return rows


@pytest.mark.parametrize(
    ("heterogeneous", "homogeneous", "expected"),
    [(0.56, 0.40, "holds"), (0.50, 0.40, "holds partly"), (0.40, 0.50, "does not hold")],
)
def test_gain_on_real_data(heterogeneous: float, homogeneous: float, expected: str) -> None:
    found = judged(NOTHING._replace(realdata=reference(heterogeneous, homogeneous)))
    assert find(found, "53.46 against 39.02").verdict == expected
    assert find(found, "in every modality").verdict == ("holds" if heterogeneous > homogeneous else "does not hold")


@pytest.mark.parametrize(
    ("weight", "specialised", "airplane"), [(0.4, "holds", "holds partly"), (0.8, "does not hold", "holds")]
)
def test_routing_weights(weight: float, specialised: str, airplane: str) -> None:
    found = judged(NOTHING._replace(realdata=reference(0.5, 0.4, weight)))
    assert find(found, "does not specialise").verdict == specialised
    assert find(found, "74.3 %").verdict == airplane
    assert f"{100 * weight - 0.03:.1f} %" in find(found, "74.3 %").measured


def test_scale_of_specialisation() -> None:
    def at_seed_123(weight: float) -> float:
        return specialisation(reference(0.5, 0.4, weight), "heterogeneous")[123]  # the seed without an effect

    assert at_seed_123(0.25) == pytest.approx(0)
    assert at_seed_123(1) == pytest.approx(1)
    half = 1 + (0.5 * log2(0.5) + 0.5 * log2(0.5 / 3)) / 2  # 2 bits − the entropy of (1/2, 1/6, 1/6, 1/6), of 2 bits
    assert at_seed_123(0.5) == pytest.approx(half)


def accuracies(**level: float) -> Accuracy:
    """Of a control (its name with _ for spaces and hyphens; others: 0.5), give or take 1 %."""

    def accuracy(configuration: str, seed: int, modality: str) -> float:
        name = configuration.replace(" ", "_").replace("-", "_")
        return about(level.get(name, 0.5), configuration, seed, within=0.01)

    return accuracy


DIVERSE = {"heterogeneous": 0.7, "uniform_routing": 0.6, "oracle_routing": 0.8}
CONVOLUTIONAL = {**DIVERSE, "spatial_alone": 0.8}


@pytest.mark.parametrize(
    ("level", "diversity", "answer"),
    [
        (DIVERSE, "holds", "Diversity adds to convolution:"),
        (CONVOLUTIONAL, "does not hold", "Just convolution:"),
        ({**DIVERSE, "spatial_alone": 0.699}, "does not hold", "Convolution alone does as well,"),
    ],
)
def test_diversity_or_convolution(level: dict[str, float], diversity: str, answer: str) -> None:
    results = NOTHING._replace(controls=control_rows(accuracies(**level)))
    assert find(judged(results), "not due to compute").verdict == "holds"
    claim = find(judged(results), "not to convolution")
    assert claim.verdict == diversity
    assert ("spatial alone" in claim.measured) == ("spatial_alone" in level)  # the best of them
    assert questions(results)[0].answer.startswith(answer)


def test_compute_may_explain_the_gain() -> None:
    level = {**DIVERSE, "compute_matched_homogeneous": 0.701}
    results = NOTHING._replace(controls=control_rows(accuracies(**level)))
    assert find(judged(results), "not due to compute").verdict == "does not hold"
    assert "Compute may explain it" in questions(results)[0].answer


def test_complementarity_by_mixtures_trained_anew_or_muted() -> None:
    anew = NOTHING._replace(controls=control_rows(accuracies(**DIVERSE)))
    claim = find(judged(anew), "complement one another")
    assert claim.verdict == "holds"
    assert len(re.findall(r"\(trained anew\) \+(?:19|20)\.", claim.measured)) == 4
    assert '"without spatial"' in claim.command
    muted = NOTHING._replace(controls=control_rows(accuracies(**DIVERSE), without=False))
    claim = find(judged(muted), "complement one another")
    assert len(re.findall(r"\(muted\) \+(?:34|35)\.", claim.measured)) == 4
    assert '"without spatial"' not in claim.command
    worse = NOTHING._replace(controls=control_rows(accuracies(**CONVOLUTIONAL)))
    assert find(judged(worse), "complement one another").verdict == "holds partly"


@pytest.mark.parametrize(
    ("weight", "uniform", "answer"),
    [(0.8, 0.6, "It specialises:"), (0.4, 0.699, "It only mixes:"), (0.8, 0.699, "Something of both:")],
)
def test_specialise_or_mix(weight: float, uniform: float, answer: str) -> None:
    controls = control_rows(accuracies(**{**DIVERSE, "uniform_routing": uniform}))
    results = NOTHING._replace(realdata=reference(0.5, 0.4, weight), controls=controls)
    assert questions(results)[1].answer.startswith(answer)


def test_what_each_expert_adds() -> None:
    controls = control_rows(accuracies(**{**DIVERSE, "without_temporal": 0.698, "without_spatial": 0.71}))
    answer = questions(NOTHING._replace(controls=controls))[2].answer
    assert answer.startswith("2 of 4 experts add something that these seeds can tell: accuracy with all four")
    assert "temporal 30.0 % and 10.0 %" in answer
    assert "right for 80.0 % of the inputs, the mixture for" in answer


def test_questions_without_results_name_the_runs() -> None:
    *of_controls, of_frontier = questions(NOTHING._replace(controls=control_rows(accuracies(), seeds=(42,))))
    for question in of_controls:
        assert question.answer.startswith("Not answered yet: this needs two seeds at least of `python -m training con")
    assert of_frontier.answer.startswith("Not answered yet: this needs `python -m training frontier ")


@pytest.mark.parametrize("results", [lambda: NOTHING, lambda: NOTHING._replace(controls=control_rows(accuracies()))])
def test_every_command_is_one_of_ours(results: Callable[[], Results]) -> None:
    for claim in claims(results()):
        python, m, training, *arguments = shlex.split(claim.command)
        assert (python, m, training) == ("python", "-m", "training")
        parse(arguments)  # exits if it does not know them
