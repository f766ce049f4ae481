"""One run on real data: its rows worked out by hand, what it leaves in its folder, and that it is not trained twice."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hetmoe.checkpoint import load_checkpoint, read_tensors
from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.encoding import MODALITIES
from hetmoe.model import HetMoE
from tests.tiny import STATISTICS, copy_of_data, tiny_config, tiny_frontier_config, tiny_model
from training import classification
from training.baselines import Ensemble, Oracle, ensemble_loss
from training.calibration import temperature
from training.classification import classification_task, predicted
from training.data import LABELS, Composition, Data, augmented_batches, load_splits, mixed_batches, statistics
from training.grid import Finished, Settings
from training.loop import Batch, Evaluation, Progress, Recipe, evaluate
from training.plan import Plan, curve_rows, execute
from training.results import Row, Run

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")

RECIPE = Recipe(epochs=2, steps=2, batch_size=8)


def number(rows: list[Row], modality: str, metric: str) -> float:
    (found,) = (row["value"] for row in rows if (row["modality"], row["metric"]) == (modality, metric))
    return float(found)


# Rows by hand

THREE = ModelConfig(tuple(ExpertConfig(name, 4, 4) for name in ("ffn", "spatial", "temporal")))
SURE = (4, 4, 8)  # the logit of each expert's answer; all others are 0
WEIGHTS = (0.5, 0.3, 0.2)
RIGHT = ({0, 1, 2, 3}, {4, 5, 6}, {0, 4, 5, 7, 8})  # labels that each expert knows; of others it says one of its own


def by_hand() -> Evaluation:
    """One input of each class. The answers weigh 2.0, 1.2 and 1.6. So the first expert decides (0 to 3 are right),
    unless the second and the third agree, which they do when both are right (4 and 5): 6 of 10.
    """
    labels = np.arange(10)
    expert_logits = np.zeros((10, 3, 10), np.float32)
    for i, (right, sure) in enumerate(zip(RIGHT, SURE, strict=True)):
        for label in labels:
            expert_logits[label, i, label if label in right else (label + 1 + i) % 10] = sure
    weights = np.tile(np.array(WEIGHTS, np.float32), (10, 1))
    return Evaluation(np.einsum("ne,nec->nc", weights, expert_logits), weights, expert_logits, labels)


def rows_of(e: Evaluation, config: ModelConfig = THREE, model_class: type[HetMoE] = HetMoE) -> list[Row]:
    return classification._rows(config, model_class, dict.fromkeys(MODALITIES, e))


@pytest.mark.parametrize("modality", MODALITIES)
def test_accuracy_of_the_mixture_of_each_expert_and_without_each(modality):
    """Without the first expert the third decides; without the second or the third, the first."""
    rows = rows_of(by_hand())
    found = {row["metric"]: float(row["value"]) for row in rows if row["modality"] == modality}
    assert found["accuracy"] == 0.6
    assert [found[f"accuracy_of_{e}"] for e in THREE.expert_labels()] == [0.4, 0.3, 0.5]
    assert [found[f"accuracy_without_{e}"] for e in THREE.expert_labels()] == [0.5, 0.4, 0.4]
    assert [found[f"routing_{e}"] for e in THREE.expert_labels()] == pytest.approx(WEIGHTS)
    assert [found[f"accuracy_{name}"] for name in LABELS[modality]] == [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert found["loss"] == pytest.approx(by_hand().loss)


def test_overall_accuracy_is_the_mean_over_the_modalities_whatever_their_sizes():
    right, e = by_hand(), by_hand()
    twice = Evaluation(*(np.concatenate([a, a]) for a in (e.logits, e.routing_weights, e.expert_logits, e.labels)))
    wrong = replace(twice, labels=(twice.labels + 5) % 10)
    rows = classification._rows(THREE, HetMoE, {m: wrong if m == "spatial" else right for m in MODALITIES})
    assert number(rows, "spatial", "accuracy") == wrong.correct.mean() != 0.6
    assert number(rows, "all", "accuracy") == pytest.approx((3 * 0.6 + wrong.correct.mean()) / 4)


def test_the_weights_for_airplanes_are_those_of_airplanes():
    e = by_hand()
    weights = e.routing_weights.copy()
    weights[LABELS["spatial"].index("airplane")] = (0.1, 0.2, 0.7)
    rows = rows_of(replace(e, routing_weights=weights))
    found = [number(rows, "spatial", f"routing_of_airplane_{e}") for e in THREE.expert_labels()]
    assert found == pytest.approx([0.1, 0.2, 0.7])
    assert number(rows, "spatial", "routing_ffn") == pytest.approx((9 * 0.5 + 0.1) / 10)


def test_what_is_left_without_an_expert_of_nearly_all_the_weight_is_no_rounding_error():
    """In single precision 1 - 1e-9 is 1, and the other's part is lost in the mixture's logits."""
    e = by_hand()
    weights = np.tile(np.array([1 - 1e-9, 1e-9, 0], np.float32), (10, 1))
    rows = rows_of(Evaluation(np.einsum("ne,nec->nc", weights, e.expert_logits), weights, e.expert_logits, e.labels))
    assert number(rows, "spatial", "accuracy") == 0.4
    assert number(rows, "spatial", "accuracy_without_ffn") == 0.3


@pytest.mark.parametrize(
    ("config", "model_class", "kinds"),
    [
        (THREE, HetMoE, {"accuracy_of_", "accuracy_without_"}),
        (replace(THREE, routing="uniform"), HetMoE, {"accuracy_of_", "accuracy_without_"}),
        (replace(THREE, routing="top-1"), HetMoE, {"accuracy_of_"}),  # without the one that answers, nothing is left
        (replace(THREE, routing="uniform"), Ensemble, {"accuracy_of_"}),  # mixes probabilities
        (replace(THREE, routing="uniform"), Oracle, set()),  # computes one expert for an input
    ],
)
def test_the_experts_parts_are_given_where_they_mean_something(config, model_class, kinds):
    metrics = {row["metric"] for row in rows_of(by_hand(), config, model_class)}
    given = {f"{kind}{e}" for kind in kinds for e in config.expert_labels()}
    assert {m for m in metrics if m.startswith(("accuracy_of_", "accuracy_without_"))} == given


def test_a_single_expert_has_no_parts():
    e = by_hand()
    one = Evaluation(e.expert_logits[:, 0], e.routing_weights[:, :1], e.expert_logits[:, :1], e.labels)
    metrics = {row["metric"] for row in rows_of(one, ModelConfig((ExpertConfig("ffn", 4, 4),), routing="uniform"))}
    assert not any(metric.startswith(("accuracy_of_", "accuracy_without_")) for metric in metrics)
    assert "routing_ffn" in metrics


def test_curve_rows_by_hand():
    curve = [
        {"epoch": 1, "loss": 2.5, "validation": {"spatial": 0.25, "temporal": 0.75}},
        {"epoch": 2, "loss": 1.5, "validation": {"spatial": 0.5, "temporal": 1.0}},
    ]
    rows = curve_rows(Progress(8, 1.0, 0.0, curve), "mse")
    assert [tuple(row.values()) for row in rows] == [
        ("1", "all", "train_loss", "2.5"),
        ("1", "all", "mse", "0.5"),
        ("1", "spatial", "mse", "0.25"),
        ("1", "temporal", "mse", "0.75"),
        ("2", "all", "train_loss", "1.5"),
        ("2", "all", "mse", "0.75"),
        ("2", "spatial", "mse", "0.5"),
        ("2", "temporal", "mse", "1.0"),
    ]
    assert list(rows[0]) == ["epoch", "modality", "metric", "value"]


# The task


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("classification")
    return Settings(copy_of_data(folder), folder / "runs", "cpu", threads=1, commit="c0ffee")


@pytest.fixture(scope="module")
def data(settings) -> Data:
    with warnings.catch_warnings(action="ignore"):
        return load_splits(settings.data_dir, download=False)


@pytest.fixture(scope="module")
def frontier_data(settings) -> Data:
    with warnings.catch_warnings(action="ignore"):
        return load_splits(settings.data_dir, download=False, family="frontier")


def test_the_tasks_batches_are_the_mixed_batches_of_the_recipe(data):
    task = classification_task(data, STATISTICS, RECIPE, tiny_model)
    expected = mixed_batches(data.train, STATISTICS, seed=3, epoch=1, steps=2, batch_size=8, start=1)
    for one, other in zip(list(task.batches(3, 1, 1)), list(expected), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert task.build is tiny_model


def test_with_a_composition_the_tasks_batches_are_augmented(frontier_data):
    of_each = Composition(picture=2, sound=1, digit=1)
    task = classification_task(frontier_data, STATISTICS, RECIPE, tiny_model, of_each=of_each)
    expected = augmented_batches(frontier_data, STATISTICS, seed=3, epoch=1, steps=2, of_each=of_each, start=1)
    for one, other in zip(list(task.batches(3, 1, 1)), list(expected), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_curve_is_accuracy_on_the_first_validation_inputs(data, monkeypatch):
    monkeypatch.setattr(classification, "CURVE_INPUTS", 3)
    model = tiny_model()
    expected = evaluate(model, data.validation, STATISTICS, at_most=3)
    assert all(len(e.labels) == 3 for e in expected.values())
    found = classification_task(data, STATISTICS, RECIPE, tiny_model).validate(model)
    assert found == {m: e.correct.mean() for m, e in expected.items()}


# A whole run


def run_of(configuration: str = "heterogeneous", seed: int = 42, family: str = "replica") -> Run:
    return Run("controls", family, configuration, "20000", str(seed))


def classified(settings: Settings, run: Run, config: ModelConfig | None = None, **changes: Any) -> Finished:
    def plan(run: Run, settings: Settings) -> Plan:
        recipe = changes.pop("recipe", RECIPE)
        return classification.plan(run, settings, config or tiny_config(), recipe, "the command", **changes)

    return execute(plan, run, settings)


@pytest.fixture(scope="module")
def finished(settings) -> Finished:
    with warnings.catch_warnings(action="ignore"):
        return classified(settings, run_of())


@pytest.fixture
def trained(monkeypatch) -> list[int]:
    """Gets an entry for every batch that is trained on."""
    batches, steps = classification.mixed_batches, []

    def counted(*args: Any, **kwargs: Any) -> Iterator[Batch]:
        for batch in batches(*args, **kwargs):
            steps.append(kwargs["epoch"])
            yield batch

    monkeypatch.setattr(classification, "mixed_batches", counted)
    return steps


def test_the_predictions_are_those_that_the_rows_count(finished, data):
    _, logits = read_tensors(finished.folder / "predictions.safetensors")
    classes = predicted(finished.folder)
    assert set(logits) == set(classes) == set(MODALITIES)
    for modality in MODALITIES:
        labels = data.test.labels[modality]
        assert logits[modality].shape == (len(labels), 10)
        assert np.array_equal(classes[modality], logits[modality].argmax(1).numpy())
        assert np.mean(classes[modality] == labels) == number(finished.rows, modality, "accuracy")
        loss = torch.nn.functional.cross_entropy(logits[modality], torch.from_numpy(labels)).item()
        assert loss == pytest.approx(number(finished.rows, modality, "loss"))
        for label, name in enumerate(LABELS[modality]):
            right = classes[modality][labels == label] == label
            assert np.mean(right) == number(finished.rows, modality, f"accuracy_{name}")


def test_the_checkpoint_is_the_model_that_was_tested(finished, data):
    checkpoint = load_checkpoint(finished.folder / "model.safetensors")
    assert checkpoint.statistics == statistics(data.train)
    _, logits = read_tensors(finished.folder / "predictions.safetensors")
    for modality, e in evaluate(checkpoint.model, data.test, checkpoint.statistics).items():
        np.testing.assert_array_equal(e.logits, logits[modality].numpy())
    assert checkpoint.metrics == {f"test/{r['modality']}/{r['metric']}": float(r["value"]) for r in finished.rows}
    expected = {"command": "the command", "experiment": "controls", "family": "replica", "budget": 20_000}
    expected |= {"configuration": "heterogeneous"}
    expected |= {"seed": 42, "steps": 4, "commit": "c0ffee", "device": "cpu", "data_fingerprint": data.fingerprint}
    assert expected.items() <= checkpoint.provenance.items()
    assert checkpoint.provenance["recipe"]["epochs"] == 2


def test_the_checkpoints_temperatures_are_those_of_the_validation_inputs(finished, data):
    checkpoint = load_checkpoint(finished.folder / "model.safetensors")
    assert checkpoint.family == "replica"
    validation = evaluate(checkpoint.model, data.validation, checkpoint.statistics)
    assert checkpoint.temperatures == {modality: temperature(e) for modality, e in validation.items()}
    tested = evaluate(checkpoint.model, data.test, checkpoint.statistics)
    assert checkpoint.temperatures != {modality: temperature(e) for modality, e in tested.items()}


def test_a_run_of_the_frontier_family(settings, frontier_data):
    of_each = Composition(picture=2, sound=1, digit=1)
    recipe = replace(RECIPE, epochs=1, muon_rate=2e-2, warmup=0.5)
    run = run_of(family="frontier")
    frontier = classified(settings, run, tiny_frontier_config(), recipe=recipe, of_each=of_each)
    checkpoint = load_checkpoint(frontier.folder / "model.safetensors")
    assert (checkpoint.family, checkpoint.provenance["family"]) == ("frontier", "frontier")
    assert checkpoint.statistics == statistics(frontier_data.train)
    assert checkpoint.provenance["data_fingerprint"] == frontier_data.fingerprint
    assert checkpoint.provenance["recipe"]["muon_rate"] == 2e-2
    _, logits = read_tensors(frontier.folder / "predictions.safetensors")
    for modality, e in evaluate(checkpoint.model, frontier_data.test, checkpoint.statistics).items():
        np.testing.assert_array_equal(e.logits, logits[modality].numpy())
    assert {f"accuracy_without_{e}" for e in MODALITIES} <= {row["metric"] for row in frontier.rows}
    others = [
        classified(settings, run, tiny_frontier_config(), recipe=recipe),  # mixed batches
        classified(settings, run, tiny_frontier_config(), recipe=replace(recipe, warmup=0.0), of_each=of_each),
        classified(settings, run, tiny_frontier_config(), recipe=recipe, of_each=of_each._replace(digit=2)),
    ]
    assert len({frontier.folder, *(other.folder for other in others)}) == 4


def test_an_unknown_family_is_refused_before_any_data_are_read(settings):
    with pytest.raises(ValueError, match="tuple.index"):
        classified(replace(settings, data_dir=None), run_of(family="original"))


def test_a_run_leaves_its_outcome_and_no_state(finished):
    names = {path.name for path in finished.folder.iterdir()}
    assert {"finished.json", "predictions.safetensors", "model.safetensors", "curve.jsonl"} <= names
    assert not names & {"state.safetensors", "running.json"}
    assert finished.folder.name.startswith("controls-replica-heterogeneous-20000-42-")
    assert [row["epoch"] for row in finished.curve if row["metric"] == "train_loss"] == ["1", "2"]
    assert number(finished.rows, "all", "steps") == 4


def test_a_finished_run_is_not_trained_or_tested_again(finished, settings, trained, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.iterdir()}
    monkeypatch.setattr(classification, "evaluate", lambda *_: pytest.fail("tested again"))
    assert classified(settings, run_of()) == finished
    assert trained == []
    assert {path: path.stat().st_mtime_ns for path in finished.folder.iterdir()} == before


def test_another_seed_recipe_size_or_model_is_another_run(finished, settings, trained):
    uniform = replace(tiny_config(), routing="uniform")
    others = [
        classified(settings, run_of(seed=43)),
        classified(settings, run_of(), recipe=replace(RECIPE, epochs=1)),
        classified(settings, run_of(), tiny_config("hybrid"), recipe=replace(RECIPE, epochs=1)),
        classified(settings, run_of(), uniform, recipe=replace(RECIPE, epochs=1)),
        classified(settings, run_of(), uniform, recipe=replace(RECIPE, epochs=1), model_class=Oracle),
    ]
    assert trained == [0, 0, 1, 1] + 4 * [0, 0]
    assert len({finished.folder, *(other.folder for other in others)}) == 6


def test_a_model_that_no_checkpoint_can_describe_leaves_predictions_alone(settings):
    uniform = replace(tiny_config("homogeneous"), routing="uniform")
    ensemble = classified(settings, run_of("ensemble"), uniform, model_class=Ensemble, loss=ensemble_loss)
    assert not (ensemble.folder / "model.safetensors").exists()
    assert set(predicted(ensemble.folder)) == set(MODALITIES)
    # its loss, of four members, is about four times that of one
    first = next(float(row["value"]) for row in ensemble.curve if row["metric"] == "train_loss")
    assert 3 * np.log(10) < first < 6 * np.log(10)


def test_an_interrupted_run_goes_on_and_comes_to_the_same(finished, settings, trained, monkeypatch, tmp_path):
    elsewhere = replace(settings, runs=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(classification, "_rows", lambda *_: 1 / 0)  # after training, in the test
        with pytest.raises(ZeroDivisionError):
            classified(elsewhere, run_of())
    assert trained == [0, 0, 1, 1]
    again = classified(elsewhere, run_of())
    assert trained == [0, 0, 1, 1]
    assert without_seconds(again.rows) == without_seconds(finished.rows)
    assert again.curve == finished.curve


def without_seconds(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["metric"] != "seconds"]
