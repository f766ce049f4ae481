"""The fairness audit measures what it says it measures, and judges by it."""

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from hetmoe.checkpoint import Checkpoint, CheckpointError, save_checkpoint
from hetmoe.encoding import FAMILIES, MODALITIES, Family
from hetmoe.model import HetMoE
from tests.evaluations import CLASSES, EXPERTS, RUN, evaluation, repeated, rows_of
from tests.tiny import copy_of_data, tiny_checkpoint, tiny_config
from training.audit.command import audit_command, audit_table
from training.audit.measures import Measurement, audit, calibration_error, measurements, parts
from training.audit.verdicts import (
    CALIBRATED,
    CHECKS,
    CLASSES_ALIKE,
    EVERY_CLASS,
    INFORMATIVE,
    NO_DEAD,
    NO_DOMINANT,
    NO_DOMINATED,
    Check,
    Verdict,
    judge,
    verdicts,
)
from training.loop import Evaluation
from training.results import Row, of_family, read, replace_run

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")


def measured(e: Evaluation) -> dict[str, Measurement]:
    return measurements(rows_of(e))["spatial"]


def verdict(rows: list[Row], check: Check) -> Verdict:
    (found,) = (v for v in verdicts(rows) if v.check == check)
    return found


def test_tiny_example_by_hand() -> None:
    # confidences 0.9, 0.9, 0.7, 0.7; right, wrong, right, right; routed 0.7 / 0.3 three times, once the other way
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.7, 0.3]]
    m = measured(evaluation(probabilities, [0, 1, 1, 0], [[0.7, 0.3], [0.7, 0.3], [0.7, 0.3], [0.3, 0.7]]))
    assert m["accuracy"].value == 0.75
    assert m["confidence"].value == pytest.approx(0.8)
    assert m["ece"].value == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1 - 0.7)) / 4, rel=1e-5)
    assert m["loss"].value == pytest.approx(-(log(0.9) + log(0.1) + 2 * log(0.7)) / 4, rel=1e-5)
    assert (m["accuracy_cat"].value, m["accuracy_dog"].value) == (1.0, 0.5)
    assert (m["class_gap"].value, m["class_ratio"].value) == (0.5, 0.5)
    assert m["loss_cat"].value == pytest.approx(-(log(0.9) + log(0.7)) / 2, rel=1e-5)
    # three are taken for a cat, with 0.9, 0.9 (one right) and 0.7 (right); one for a dog, with 0.7 (right)
    assert m["ece_cat"].value == pytest.approx((2 * 0.4 + 0.3) / 3, rel=1e-5)
    assert m["ece_dog"].value == pytest.approx(0.3, rel=1e-5)
    assert {b: c.value for b, c in parts(m, "reliability_count").items() if c.value} == {"11": 2, "14": 2}
    assert m["reliability_accuracy_14"].value == 0.5
    assert m["reliability_confidence_14"].value == pytest.approx(0.9)
    assert "reliability_accuracy_01" not in m  # an empty bin has no accuracy
    assert [m[f"routing_{e}"].value for e in EXPERTS[:2]] == pytest.approx([0.6, 0.4])
    assert [m[f"load_{e}"].value for e in EXPERTS[:2]] == [0.75, 0.25]
    assert m["entropy"].value == pytest.approx(-(0.7 * log(0.7) + 0.3 * log(0.3)), rel=1e-5)


def test_certainty_is_in_the_last_bin() -> None:
    counts = parts(measured(evaluation([[0.5, 0.5], [1.0, 1e-9]], [0, 0])), "reliability_count")
    assert [b for b, c in counts.items() if c.value] == ["08", "15"]


def test_a_calibrated_and_an_overconfident_model() -> None:
    calibrated, overconfident = repeated([0.9, 0.1], 450, 50), repeated([0.9, 0.1], 300, 200)
    assert measured(calibrated)["ece"].value == pytest.approx(0, abs=1e-6)
    assert measured(overconfident)["ece"].value == pytest.approx(0.3)
    assert calibration_error(overconfident) == pytest.approx(0.3)
    assert verdict(rows_of(calibrated), CALIBRATED).outcome == "pass"
    found = verdict(rows_of(calibrated, temporal=overconfident), CALIBRATED)
    assert (found.outcome, found.where, found.failed, found.candidates) == ("fail", "temporal", 1, 4)


def test_the_temperature_calibrates_and_changes_nothing_else() -> None:
    m = measured(repeated([0.9, 0.1], 300, 100))  # 0.9 sure, at TEMPERATURE 0.75, and right as often
    assert m["ece"].value == pytest.approx(0.15)
    assert m["calibrated_ece"].value == pytest.approx(0, abs=1e-6)
    assert m["confidence"].value == pytest.approx(0.9)
    calibrated = measured(repeated([0.9, 0.1], 240, 160))["calibrated_ece"]
    assert calibrated.value == pytest.approx(0.15)
    assert 0 <= calibrated.low <= calibrated.value <= calibrated.high


def test_routing_entropy_is_between_0_and_ln_e() -> None:
    even = measured(evaluation([[0.6, 0.4]] * 2, [0, 1]))
    assert even["entropy"].value == pytest.approx(log(4), rel=1e-5)
    assert even["entropy_fraction"].value == pytest.approx(1, rel=1e-5)
    assert [even[f"load_{e}"].value for e in EXPERTS] == [0.25] * 4  # ties count in parts
    assert measured(evaluation([[0.6, 0.4]] * 2, [0, 1], [[1, 0, 0, 0]] * 2))["entropy"].value == 0


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    covered = {"accuracy": 0, "ece": 0}
    for _ in range(60):
        right = int(generator.binomial(100, 0.7))
        e = repeated([0.9, 0.1], right, 100 - right)
        m = measurements(audit({"spatial": e}, EXPERTS, {"spatial": CLASSES}, {"spatial": 1.0}))["spatial"]
        covered["accuracy"] += m["accuracy"].low <= 0.7 <= m["accuracy"].high
        covered["ece"] += m["ece"].low <= 0.2 <= m["ece"].high
    assert all(53 <= count < 60 for count in covered.values()), covered


def test_interval_is_the_binomial_one_and_the_same_every_time() -> None:
    e = repeated([0.9, 0.1], 300, 100)
    value, low, high = measured(e)["accuracy"]
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert (value, low, high) == pytest.approx((0.75, 0.75 - half, 0.75 + half), abs=0.003)
    assert rows_of(e) == rows_of(e)


def test_inputs_of_the_same_place_are_drawn_together() -> None:
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    labels = [0] * 200
    first = evaluation([right] * 100 + [wrong] * 100, labels)
    opposite = evaluation([wrong] * 100 + [right] * 100, labels)
    classes: dict[str, tuple[str, ...]] = {"a": CLASSES, "b": CLASSES}
    temperatures = {"a": 1.0, "b": 1.0}
    same = measurements(audit({"a": first, "b": first}, EXPERTS, classes, temperatures))["all"]
    other = measurements(audit({"a": first, "b": opposite}, EXPERTS, classes, temperatures))["all"]
    assert same["accuracy"].high - same["accuracy"].low == pytest.approx(2 * 1.96 * (0.25 / 200) ** 0.5, rel=0.1)
    assert other["accuracy"].low == other["accuracy"].high == 0.5  # what one loses the other gains


def test_the_whole_is_the_mean_over_modalities() -> None:
    half, good = repeated([0.9, 0.1], 50, 50), repeated([0.9, 0.1], 90, 10)
    overall = measurements(rows_of(good, temporal=half))["all"]
    assert overall["accuracy"].value == pytest.approx((3 * 0.9 + 0.5) / 4)
    assert overall["modality_gap"].value == pytest.approx(0.4)
    assert overall["modality_ratio"].value == pytest.approx(5 / 9, rel=1e-5)
    assert overall["routing_spatial"].value == 0.25


def test_expert_that_is_never_asked_is_dead_and_dominated() -> None:
    probabilities, labels = [[0.6, 0.4]] * 4, [0, 1, 0, 1]
    rows = rows_of(evaluation(probabilities, labels, [[0.4, 0.35, 0.249, 0.001], [0.1, 0.45, 0.449, 0.001]] * 2))
    assert (verdict(rows, NO_DEAD).outcome, verdict(rows, NO_DEAD).where) == ("fail", "relational")
    dominated = verdict(rows, NO_DOMINATED)
    assert (dominated.outcome, dominated.failed) == ("fail", 2)  # spectral never has the largest weight either
    assert verdict(rows, NO_DOMINANT).outcome == "pass"


def test_expert_of_one_modality_is_neither_dead_nor_dominated() -> None:
    probabilities, labels = [[0.6, 0.4]] * 40, [0, 1] * 20
    elsewhere = evaluation(probabilities, labels, [[0.6, 0.4, 0, 0], [0.4, 0.6, 0, 0]] * 20)
    rows = rows_of(
        elsewhere,
        spectral=evaluation(probabilities, labels, [[0, 0, 1, 0]] * 40),
        relational=evaluation(probabilities, labels, [[0, 0, 0, 1]] * 40),
    )
    assert (verdict(rows, NO_DEAD).outcome, verdict(rows, NO_DOMINATED).outcome) == ("pass", "pass")


def test_expert_that_takes_nearly_all_is_dominant() -> None:
    rows = rows_of(evaluation([[0.6, 0.4]] * 4, [0, 1, 0, 1], [[0.1, 0.7, 0.1, 0.1]] * 4))
    found = verdict(rows, NO_DOMINANT)
    assert (found.outcome, found.where, found.measured.value) == ("fail", "temporal", pytest.approx(0.7))


def test_single_expert_is_not_judged_as_an_expert() -> None:
    rows = rows_of(evaluation([[0.6, 0.4]] * 4, [0, 1, 0, 1], [[1.0]] * 4))
    assert [v.check for v in verdicts(rows)] == list(CHECKS[:5])


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most"),
    [
        (0.2, 0.4, "fail", "pass"),
        (0.6, 0.8, "pass", "fail"),
        (0.4, 0.6, "undecided", "undecided"),
        (0.5, 0.6, "undecided", "undecided"),  # it contains its ends
        (0.5, 0.5, "undecided", "undecided"),
        (0.0, 0.0, "fail", "pass"),
    ],
)
def test_outcome(low: float, high: float, at_least: str, at_most: str) -> None:
    measurement = Measurement((low + high) / 2, low, high)
    assert judge(Check("", "", 0.5, True, True, ""), measurement) == at_least
    assert judge(Check("", "", 0.5, False, True, ""), measurement) == at_most


def test_verdict_is_about_the_worst() -> None:
    fair = evaluation([[0.9, 0.1], [0.1, 0.9]] * 100, [0, 1] * 100)
    unfair = evaluation([[0.999, 0.001]] * 200, [0, 1] * 100)  # never says "dog"
    rows = rows_of(fair, relational=unfair)
    assert verdict(rows, CLASSES_ALIKE).where == "relational: dog / cat"
    worst = verdict(rows, EVERY_CLASS)
    assert (worst.outcome, worst.where, worst.measured.value) == ("fail", "relational: dog", 0)
    assert (worst.failed, worst.candidates) == (1, 8)
    assert verdict(rows, INFORMATIVE).outcome == "fail"  # -ln(0.001)/2 = 3.45 nats > ln 10
    assert verdict(rows_of(fair), INFORMATIVE).outcome == "pass"


def test_model_that_is_always_wrong_serves_nobody() -> None:
    rows = rows_of(evaluation([[0.9, 0.1], [0.1, 0.9]] * 2, [1, 0] * 2))
    assert (verdict(rows, CLASSES_ALIKE).outcome, verdict(rows, CLASSES_ALIKE).measured.value) == ("fail", 0)


def test_verdicts_come_from_the_file_alone(tmp_path: Path) -> None:
    rows = rows_of(repeated([0.9, 0.1], 70, 30), temporal=repeated([0.8, 0.2], 20, 80))
    replace_run(tmp_path / "audit.csv", RUN, rows)
    from_file = read(tmp_path / "audit.csv")
    assert verdicts(from_file) == verdicts(rows)
    text = audit_table(from_file)
    for v in verdicts(rows):
        assert f"| {v.check.name} |" in text
        assert v.check.reason in text
        assert f"**{v.outcome}**" in text
    assert "| heterogeneous: temporal | 100 | 20.0 % (" in text
    tables = [t.splitlines() for t in text.split("\n\n") if t.startswith("|")]
    assert all(len({line.count("|") for line in one}) == 1 for one in tables)


def test_table_tells_runs_apart(tmp_path: Path) -> None:
    rows = rows_of(repeated([0.9, 0.1], 7, 3))
    for run in (RUN, RUN._replace(seed="123"), RUN._replace(configuration="hybrid")):
        replace_run(tmp_path / "audit.csv", run, rows)
    header = audit_table(read(tmp_path / "audit.csv")).splitlines()[0]
    assert header == ("| check | threshold | heterogeneous, seed 123 | heterogeneous, seed 42 | hybrid, seed 42 |")
    replace_run(tmp_path / "other.csv", RUN, rows)
    replace_run(tmp_path / "other.csv", RUN._replace(experiment="controls"), rows)
    header = audit_table(read(tmp_path / "other.csv")).splitlines()[0]
    assert header == "| check | threshold | heterogeneous, controls | heterogeneous, realdata |"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return copy_of_data(tmp_path)


def auditable(configuration: str = "heterogeneous", family: Family = "replica") -> Checkpoint:
    provenance = {"family": family, "configuration": configuration, "budget": 223_000, "seed": 42}
    return replace(tiny_checkpoint(configuration, family=family), provenance=provenance)


def test_command_audits_checkpoints(tmp_path: Path, data: Path) -> None:
    paths = [tmp_path / f"{c}.safetensors" for c in ("homogeneous", "heterogeneous")]
    for path in paths:
        save_checkpoint(path, auditable(path.stem))
    text = audit_command(paths, data, "cpu", tmp_path / "results")
    rows = read(tmp_path / "results" / "audit.csv")
    assert {row["configuration"] for row in rows} == {"homogeneous", "heterogeneous"}
    assert {row["modality"] for row in rows} == {*MODALITIES, "all"}
    assert text == audit_table(rows)
    assert "| homogeneous: input | ffn 1 | ffn 2 | ffn 3 | ffn 4 |" in text


def test_each_family_is_given_its_own_encodings(tmp_path: Path, data: Path) -> None:
    paths = [tmp_path / f"{family}.safetensors" for family in FAMILIES]
    for path, family in zip(paths, FAMILIES, strict=True):
        one = auditable()
        save_checkpoint(path, replace(one, family=family, provenance=one.provenance | {"family": family}))
    text = audit_command(paths, data, "cpu", tmp_path / "results")
    assert "| frontier, heterogeneous: input |" in text
    rows = read(tmp_path / "results" / "audit.csv")
    losses = [{m: of["loss"].value for m, of in measurements(of_family(rows, f)).items()} for f in FAMILIES]
    same = [m for m in MODALITIES if losses[0][m] == losses[1][m]]
    assert same == ["spatial"]  # the same weights; but sound and digits are encoded otherwise


def test_the_same_run_of_another_experiment_is_another_run(tmp_path: Path, data: Path) -> None:
    of_controls = replace(auditable(), provenance=auditable().provenance | {"experiment": "controls"})
    for name, checkpoint in {"published": auditable(), "control": of_controls}.items():
        path = tmp_path / f"{name}.safetensors"
        save_checkpoint(path, checkpoint)
        audit_command([path], data, "cpu", tmp_path / "results")
    rows = read(tmp_path / "results" / "audit.csv")
    assert {row["experiment"] for row in rows} == {"realdata", "controls"}


def refused(checkpoint: Checkpoint, folder: Path) -> str:
    path = folder / "model.safetensors"
    save_checkpoint(path, checkpoint)
    with pytest.raises(CheckpointError) as error:
        audit_command([path], None, "cpu", folder / "results")
    assert not (folder / "results").exists()
    return str(error.value)


def test_command_refuses_what_it_cannot_judge(tmp_path: Path) -> None:
    regression = HetMoE(replace(tiny_config(n_outputs=10), task="regression"))
    assert "regression model" in refused(replace(auditable(), model=regression), tmp_path)
    assert "family, configuration, budget" in refused(tiny_checkpoint(), tmp_path)
    labels = auditable().labels | {"relational": tuple("abcdefghij")}
    assert "other labels" in refused(replace(auditable(), labels=labels), tmp_path)


def test_command_refuses_two_of_the_same_run(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for path in paths:
        save_checkpoint(path, auditable())
    with pytest.raises(CheckpointError, match="same run"):
        audit_command(paths, None, "cpu", tmp_path / "results")
