"""The frontier family: what its models are built from, which runs there are, and how each is trained."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from hetmoe.model import HetMoE, MoEOutput, count_multiply_adds, count_parameters
from training import classification, frontier
from training.frontier import OF_EACH, QUICK, RECIPE, runs, smoothed_cross_entropy
from training.grid import Settings
from training.results import Run

every_configuration = pytest.mark.parametrize("name", list(frontier.CONFIGURATIONS))


def test_the_mixture_and_its_controls():
    assert list(frontier.CONFIGURATIONS) == ["heterogeneous", "convolutional", "hybrid", "homogeneous"]
    labels = {name: config.expert_labels() for name, config in frontier.CONFIGURATIONS.items()}
    assert labels == {
        "heterogeneous": MODALITIES,
        "convolutional": ("spatial",),
        "hybrid": CONFIGURATIONS["hybrid"],
        "homogeneous": ("ffn 1", "ffn 2", "ffn 3", "ffn 4"),
    }


@every_configuration
def test_every_model_is_of_the_same_size_and_cheap(name):
    """As in the replica, within 0.5 % of 223,000 parameters; the mixture of four within 10 M multiply-adds."""
    model = HetMoE(frontier.CONFIGURATIONS[name])
    assert abs(count_parameters(model) - 223_000) <= 0.005 * 223_000
    assert count_multiply_adds(model) <= (10_000_000 if name == "heterogeneous" else 11_000_000)
    assert count_parameters(model.router) == (0 if name == "convolutional" else 420)


@every_configuration
def test_every_model_is_a_classifier_of_ten_classes_that_is_told_no_modality(name):
    config = frontier.CONFIGURATIONS[name]
    assert (config.n_outputs, config.task) == (10, "classification")
    if name == "convolutional":
        assert config.routing == "uniform"
    else:
        assert (config.routing, config.router) == ("thresholded", "summary")
    torch.manual_seed(0)
    output = HetMoE(config)(torch.randn(4, 1024))
    assert output.logits.shape == (4, 10)
    assert output.logits.isfinite().all()


def test_what_the_controls_share_with_the_mixture_is_of_the_same_size():
    mixture, hybrid = (frontier.CONFIGURATIONS[name].experts for name in ("heterogeneous", "hybrid"))
    assert hybrid[1:] == mixture[:3]


def test_the_runs_are_those_of_the_experiment_on_real_data():
    assert runs(["homogeneous", "heterogeneous"], [42, 7]) == [
        Run("realdata", "frontier", name, "223000", seed)
        for name in ("heterogeneous", "homogeneous")
        for seed in ("42", "7")
    ]
    assert len(runs(list(frontier.CONFIGURATIONS), [1, 2, 3])) == 12
    assert runs([], [42]) == []


def test_an_epoch_holds_every_training_picture_of_cifar_10_once():
    assert OF_EACH.picture * RECIPE.steps == 45_000
    assert OF_EACH.picture + 2 * OF_EACH.sound + OF_EACH.digit == RECIPE.batch_size  # a recording is two inputs


@pytest.mark.parametrize("quick", [False, True])
@every_configuration
def test_a_run_is_told_its_model_its_loss_and_its_recipe(name, quick, monkeypatch, tmp_path):
    told: list[Any] = []
    monkeypatch.setattr(classification, "plan", lambda *arguments, **named: told.append((arguments, named)))
    run, settings = Run("realdata", "frontier", name, "223000", "7"), Settings(None, tmp_path, "cpu", 1, "c", quick)
    frontier.plan(run, settings)
    ((arguments, named),) = told
    config, recipe = frontier.CONFIGURATIONS[name], QUICK if quick else RECIPE
    assert arguments == (run, settings, config, recipe, "python -m training frontier")
    assert named == {"loss": smoothed_cross_entropy, "of_each": OF_EACH}


def test_the_recipe():
    """A quick one differs in its length alone."""
    assert (RECIPE.epochs, RECIPE.steps, QUICK.epochs, QUICK.steps) == (8, 1250, 1, 500)
    assert RECIPE.muon_rate is not None
    shared = set(RECIPE.__dict__) - {"epochs", "steps"}
    assert all(getattr(QUICK, name) == getattr(RECIPE, name) for name in shared)


def test_label_smoothing_by_hand():
    """Nine tenths of the target are its own, and each of ten classes gets a hundredth."""
    torch.manual_seed(0)
    logits, target = torch.randn(3, 10), torch.tensor([2, 0, 9])
    output = MoEOutput(logits, torch.ones(3, 1), logits[:, None], {})
    wanted = 0.9 * F.one_hot(target, 10) + 0.01
    expected = -(wanted * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(smoothed_cross_entropy(output, target), expected)
    even = output._replace(logits=torch.zeros(3, 10))
    assert smoothed_cross_entropy(even, target).item() == pytest.approx(2.302585)
