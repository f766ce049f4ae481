"""The controls: what is held equal is equal, and what the mixture knows beyond its experts is counted right."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hetmoe.checkpoint import write_tensors
from hetmoe.config import CONFIGURATIONS, CannotMatch, match_parameters
from hetmoe.encoding import MODALITIES
from hetmoe.model import HetMoE, count_multiply_adds, count_parameters
from tests.tiny import copy_of_data
from training import __main__ as cli
from training import classification, controls
from training.baselines import Ensemble, Oracle, ensemble_loss
from training.classification import BUDGET, cross_entropy
from training.controls import ALONE, COMPLEMENTARITY, CONTROLS, HETEROGENEOUS, complementarity, config_of, runs
from training.data import load_splits
from training.grid import Finished, Settings
from training.loop import Recipe
from training.results import Run, per_seed, read, run_of

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")

COMPUTE_MATCHED = "compute-matched homogeneous"
matched_in_parameters = pytest.mark.parametrize("name", [name for name in CONTROLS if name != COMPUTE_MATCHED])


# What they are


def test_the_controls():
    assert set(CONTROLS) == {
        *CONFIGURATIONS,
        *(f"without {name}" for name in HETEROGENEOUS),
        *(f"{name} alone" for name in ("spatial", "temporal", "spectral", "relational", "ffn")),
        *("uniform routing", "top-1 routing", "oracle routing"),
        *("ensemble of four spatial", "convolutional net", COMPUTE_MATCHED),
    }
    for name, experts in CONFIGURATIONS.items():
        assert CONTROLS[name].experts == experts
    for name in HETEROGENEOUS:
        assert {*CONTROLS[f"without {name}"].experts, name} == set(HETEROGENEOUS)
        assert len(CONTROLS[f"without {name}"].experts) == 3
    assert all(CONTROLS[f"{name} alone"].experts == (name,) for name in ALONE)
    routing = {name: control.routing for name, control in CONTROLS.items() if control.routing != "learned"}
    assert routing.pop("top-1 routing") == "top-1"
    one_expert = {"convolutional net", *(f"{name} alone" for name in ALONE)}
    assert set(routing) == {"uniform routing", "ensemble of four spatial", "oracle routing", *one_expert}
    models = {name: (c.model, c.loss) for name, c in CONTROLS.items() if (c.model, c.loss) != (HetMoE, cross_entropy)}
    assert models == {
        "ensemble of four spatial": (Ensemble, ensemble_loss),
        "oracle routing": (Oracle, cross_entropy),
    }


def test_the_oracles_experts_are_those_of_the_modalities_in_their_order():
    assert CONTROLS["oracle routing"].experts == MODALITIES


@matched_in_parameters
def test_every_control_has_as_many_parameters(name):
    control = CONTROLS[name]
    config = config_of(control, BUDGET)
    with torch.device("meta"):
        model = control.model(config)
    assert abs(count_parameters(model) - 223_000) <= 0.005 * 223_000
    assert tuple(expert.name for expert in config.experts) == control.experts
    assert config.routing == control.routing
    assert (config.n_outputs, config.task) == (10, "classification")


def test_the_compute_matched_control_has_as_many_multiply_adds_as_heterogeneous_and_so_more_parameters():
    matched = HetMoE(config_of(CONTROLS[COMPUTE_MATCHED], BUDGET))
    target = count_multiply_adds(HetMoE(match_parameters("heterogeneous", 223_000)))
    assert abs(count_multiply_adds(matched) - target) <= 0.005 * target
    assert matched.config.expert_labels() == ("ffn 1", "ffn 2", "ffn 3", "ffn 4")
    assert count_parameters(matched) > 10 * 223_000


def test_multiply_adds_that_cannot_be_matched_are_not_passed_off_as_a_match(monkeypatch):
    monkeypatch.setattr(controls, "TOLERANCE", 1e-9)
    with pytest.raises(CannotMatch, match="does not come within 0.5 % of [0-9,]+ multiply-adds"):
        config_of(CONTROLS[COMPUTE_MATCHED], 60_000)


# What is run


def test_runs_are_seed_by_seed_in_the_order_of_the_controls():
    assert runs(["homogeneous", "top-1 routing", "heterogeneous"], [42, 7]) == [
        Run("controls", "replica", name, "223000", seed)
        for seed, name in product(("42", "7"), ("heterogeneous", "top-1 routing", "homogeneous"))
    ]
    assert [run.configuration for run in runs(list(CONTROLS), [1])] == list(CONTROLS)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", ["ensemble of four spatial", "oracle routing"])
def test_a_run_is_told_its_model_its_loss_and_its_recipe(name, quick, monkeypatch, tmp_path):
    told: list[Any] = []
    monkeypatch.setattr(classification, "plan", lambda *arguments: told.append(arguments))
    run, settings = Run("controls", "replica", name, "223000", "7"), Settings(None, tmp_path, "cpu", 1, "c", quick)
    controls.plan(run, settings)
    ((*same, config, recipe, command, model, loss),) = told
    assert same == [run, settings]
    assert config == config_of(CONTROLS[name], 223_000)
    assert (recipe.epochs, recipe.steps, recipe.batch_size) == ((1, 100, 64) if quick else (8, 500, 64))
    assert command == f'python -m training controls --configurations "{name}" --seeds 7'
    assert (model, loss) == (CONTROLS[name].model, CONTROLS[name].loss)


# Complementarity by hand, for five inputs of class 3

MIXTURE = (1, 1, 1, 0, 0)  # right or wrong
EXPERTS = {  # right or wrong; how often the mixture is right where it is wrong, wrong where it is right
    "spatial": ((1, 0, 0, 1, 0), 2 / 3, 1 / 2),
    "temporal": ((0, 1, 0, 0, 0), 1 / 2, 0),
    "spectral": ((1, 1, 1, 1, 0), 0, 1 / 4),
    "relational": ((0, 0, 0, 1, 0), 3 / 4, 1),
}
NEVER = (0, 0, 0, 0, 0)


def made_up(folder: Path, name: str, right: Mapping[str, tuple[int, ...]], seed: str) -> Finished:
    """A finished run that answers 3 where it is right, and otherwise 8."""
    answers = {m: torch.eye(10)[[3 if r else 8 for r in of_m]] for m, of_m in right.items()}
    write_tensors(folder / f"{name} {seed}" / "predictions.safetensors", answers, {})
    return Finished(Run("controls", "replica", name, "223000", seed), [], [], folder / f"{name} {seed}")


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    class Labels:
        class test:
            labels = dict.fromkeys(MODALITIES, np.full(5, 3))

    monkeypatch.setattr(controls, "load_splits", lambda data_dir: Labels)
    return Settings(None, tmp_path, "cpu", 1, "unknown")


def made_up_seed(folder: Path, seed: str) -> list[Finished]:
    """For pictures and sounds as above; of digits the mixture knows none."""
    mixture = {m: NEVER if m == "relational" else MIXTURE for m in MODALITIES}
    finished = [made_up(folder, "heterogeneous", mixture, seed)]
    for name, (right, *_) in EXPERTS.items():
        finished.append(made_up(folder, f"{name} alone", dict.fromkeys(MODALITIES, right), seed))
    finished.append(made_up(folder, "ffn alone", dict.fromkeys(MODALITIES, (1, 1, 1, 1, 1)), seed))  # is not its expert
    return finished


def test_complementarity_by_hand(settings, tmp_path):
    ((run, rows),) = complementarity(reversed(made_up_seed(tmp_path, "42")), settings)
    assert run == Run("controls", "replica", COMPLEMENTARITY, "223000", "42")
    found = {(row["modality"], row["metric"]): float(row["value"]) for row in rows}
    expected = {}
    for modality in MODALITIES:
        expected[modality, "accuracy_of_any_alone"] = 4 / 5
        for name, (_, right_where_wrong, wrong_where_right) in EXPERTS.items():
            knows = modality != "relational"
            expected[modality, f"right_where_wrong_{name}"] = right_where_wrong if knows else 0
            expected[modality, f"wrong_where_right_{name}"] = wrong_where_right if knows else 1
    assert found == pytest.approx(expected)
    assert len(rows) == len(expected) == 4 * 9


def test_complementarity_of_every_seed_that_has_the_mixture_and_all_four_alone(settings, tmp_path):
    first, second = made_up_seed(tmp_path, "42"), made_up_seed(tmp_path, "7")
    assert [run.seed for run, _ in complementarity(first + second, settings)] == ["42", "7"]
    without = [f for f in first if f.run.configuration != "temporal alone"]
    assert [run.seed for run, _ in complementarity(without + second, settings)] == ["7"]
    assert complementarity([f for f in first if f.run.configuration != "heterogeneous"], settings) == []
    assert complementarity([], settings) == []


# From the command to the results


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered in scalar divide")
def test_the_command(monkeypatch, tmp_path):
    data_dir = copy_of_data(tmp_path)
    load_splits(data_dir, download=False)
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    monkeypatch.setattr(cli, "available_cores", lambda: 1)
    monkeypatch.setattr(controls, "BUDGET", 60_000)
    monkeypatch.setattr(controls, "QUICK", Recipe(epochs=1, steps=2, batch_size=8))
    threads = torch.get_num_threads()
    needed = ["heterogeneous", *(f"{name} alone" for name in HETEROGENEOUS)]
    arguments = ["controls", "--quick", "--device", "cpu", "--jobs", "1", "--data-dir", str(data_dir)]
    try:
        assert cli.main([*arguments, "--configurations", *needed]) == 0
        results = tmp_path / "runs" / "quick" / "training" / "results"
        rows = read(results / "controls.csv")
        assert cli.main([*arguments, "--configurations", *needed]) == 0
    finally:
        torch.set_num_threads(threads)
    assert read(results / "controls.csv") == rows  # nothing trained again, nothing doubled
    expected = {Run("controls", "replica", name, "60000", "42") for name in (*needed, COMPLEMENTARITY)}
    assert {run_of(row) for row in rows} == expected
    assert (results / "controls_curves.csv").is_file()
    assert not (tmp_path / "runs" / "quick" / "weights").exists()  # controls are not published

    for modality in MODALITIES:
        alone = [per_seed(rows, f"{name} alone", "accuracy", modality)[42] for name in HETEROGENEOUS]
        any_alone = per_seed(rows, COMPLEMENTARITY, "accuracy_of_any_alone", modality)[42]
        assert max(alone) <= any_alone <= sum(alone)
