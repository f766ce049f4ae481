"""Configurations and parameter matching."""

import json
import re
from typing import Any, get_args

import pytest
import torch

from hetmoe import config
from hetmoe.config import CONFIGURATIONS, CannotMatch, ExpertConfig, ModelConfig, Routing, match_parameters
from hetmoe.experts import EXPERTS
from hetmoe.model import HetMoE, count_parameters

FFN = ExpertConfig("ffn", 4, 4)


def test_the_papers_configurations():
    assert CONFIGURATIONS == {
        "homogeneous": ("ffn",) * 4,
        "heterogeneous": ("spatial", "temporal", "spectral", "relational"),
        "hybrid": ("ffn", "spatial", "temporal", "spectral"),
    }


# Matching


@pytest.mark.parametrize("budget", [100_000, 223_000, 368_000, 530_000, 690_000, 1_400_000])
@pytest.mark.parametrize(("n_outputs", "task"), [(10, "classification"), (1, "regression")])
def test_all_configurations_match_the_budget(budget, n_outputs, task):
    """Fault 5 of the original: 367,816 / 220,280 / 248,990 parameters passed for matched."""
    routers = set()
    for configuration, names in CONFIGURATIONS.items():
        matched = match_parameters(configuration, budget, n_outputs, task)
        assert tuple(expert.name for expert in matched.experts) == names
        assert (matched.n_outputs, matched.task) == (n_outputs, task)
        with torch.device("meta"):
            model = HetMoE(matched)
        assert abs(count_parameters(model) - budget) <= 0.005 * budget
        routers.add(count_parameters(model.router))
    assert len(routers) == 1


@pytest.mark.parametrize("names", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_tuple_of_experts_is_matched_as_the_configuration_of_that_name(names):
    (name,) = (c for c in CONFIGURATIONS if CONFIGURATIONS[c] == names)
    assert match_parameters(names, 223_000) == match_parameters(list(names), 223_000) == match_parameters(name, 223_000)


@pytest.mark.parametrize("names", [("spatial",), ("relational",), ("temporal",) * 3, ("spectral", "ffn", "spectral")])
@pytest.mark.parametrize("routing", get_args(Routing))
def test_any_experts_match_the_budget(names, routing):
    matched = match_parameters(names, 100_000, routing=routing)
    assert tuple(expert.name for expert in matched.experts) == names
    assert matched.routing == routing
    with torch.device("meta"):
        model = HetMoE(matched)
    assert abs(count_parameters(model) - 100_000) <= 0.005 * 100_000


def test_without_a_router_the_experts_get_its_share():
    routings: tuple[Routing, ...] = ("learned", "top-1", "uniform")
    learned, hard, uniform = (match_parameters("homogeneous", 223_000, routing=routing) for routing in routings)
    assert hard.experts == learned.experts
    with torch.device("meta"):
        with_router, without = HetMoE(learned), HetMoE(uniform)
    router = 1024 * 16 + 16 + 16 * 4 + 4
    gained = count_parameters(without.experts) - count_parameters(with_router.experts)
    assert gained == pytest.approx(router, abs=0.01 * 223_000)


def test_matching_is_deterministic():
    assert match_parameters("heterogeneous", 223_000) == match_parameters("heterogeneous", 223_000)


def test_experts_get_equal_shares():
    with torch.device("meta"):
        model = HetMoE(match_parameters("heterogeneous", 223_000))
    shares = [count_parameters(expert) for expert in model.experts]
    assert max(shares) < 1.02 * min(shares)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("budget", [-5, 0, 1_000, 17_000, 20_000])
def test_too_small_a_budget(configuration, budget):
    with pytest.raises(
        CannotMatch, match=r"the smallest (ffn|spatial) expert has [\d,]+ parameters, its share is -?[\d,]+"
    ):
        match_parameters(configuration, budget)


def test_a_miss_is_said_and_not_passed_off_as_a_match(monkeypatch):
    monkeypatch.setattr(config, "TOLERANCE", 1e-7)
    with pytest.raises(CannotMatch, match=re.escape("comes to 222,528 parameters at best")):
        match_parameters("heterogeneous", 223_000)


def test_a_narrower_last_expert_is_tried_where_the_widest_is_too_coarse():
    """Spectral alone has 1028 W + (64 W + 11) H + 10 parameters. The widest is W = 72, at best with H = 32: 221,834,
    0.52 % off the budget; one filter fewer leaves room for H = 33: 223,313, 0.14 % off."""
    assert [1028 * w + (64 * w + 11) * h + 10 for w, h in ((72, 32), (71, 33))] == [221_834, 223_313]
    assert match_parameters(("spectral",), 223_000, routing="uniform").experts == (ExpertConfig("spectral", 71, 33),)


def test_only_the_last_expert_is_narrowed():
    """What an earlier one leaves over, those after it take."""
    first, last = match_parameters(("spectral", "ffn"), 446_000, routing="uniform").experts
    assert (first.width, first.hidden) == (72, 32)
    assert last.name == "ffn"


def test_unknown_configuration():
    with pytest.raises(KeyError, match="homogenous"):
        match_parameters("homogenous", 223_000)


# ModelConfig


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experts": ()}, "at least one expert"),
        ({"experts": (ExpertConfig("conv", 4, 4),)}, "unknown expert 'conv'; registered are ffn, relational"),
        ({"experts": (ExpertConfig("relational", 6, 4),)}, "width of relational must be a multiple of 4, not 6"),
        ({"experts": (ExpertConfig("spatial", 3, 4),)}, "width of spatial must be a multiple of 2, not 3"),
        ({"experts": (ExpertConfig("ffn", 0, 4),)}, "ffn.width must be a positive integer, not 0"),
        ({"experts": (ExpertConfig("ffn", -4, 4),)}, "ffn.width must be a positive integer, not -4"),
        ({"experts": (ExpertConfig("ffn", 4, 0),)}, "ffn.hidden must be a positive integer, not 0"),
        ({"experts": (ExpertConfig("ffn", 4, 2.0),)}, "ffn.hidden must be a positive integer, not 2.0"),  # type: ignore[arg-type]
        ({"router_hidden": 0}, "router_hidden must be a positive integer, not 0"),
        ({"n_outputs": 0}, "n_outputs must be a positive integer, not 0"),
        ({"n_outputs": 10.0}, "n_outputs must be a positive integer, not 10.0"),
        ({"routing": "random"}, "routing must be one of ('learned', 'thresholded', 'top-1', 'uniform'), not 'random'"),
        ({"router": "labels"}, "router must be one of ('inputs', 'summary'), not 'labels'"),
        ({"task": "ranking"}, "task must be one of ('classification', 'regression'), not 'ranking'"),
    ],
)
def test_invalid_configurations(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        ModelConfig(**{"experts": (FFN,), **arguments})


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("routing", get_args(Routing))
def test_round_trip_through_json(configuration, routing):
    original = match_parameters(configuration, 223_000, 7, "regression", router_hidden=8, routing=routing)
    assert original.routing == routing
    assert ModelConfig.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def test_a_configuration_from_before_there_was_a_choice_of_routing_is_learned():
    """So are the published checkpoints."""
    older = ModelConfig((FFN,), routing="top-1").to_dict()
    del older["routing"]
    assert ModelConfig.from_dict(older) == ModelConfig((FFN,), routing="learned")


def test_the_router_is_kept_and_in_a_configuration_from_before_there_was_a_choice_is_the_papers():
    original = ModelConfig((FFN,), routing="thresholded", router="summary")
    described = json.loads(json.dumps(original.to_dict()))
    assert ModelConfig.from_dict(described) == original
    del described["router"]
    assert ModelConfig.from_dict(described) == ModelConfig((FFN,), routing="thresholded", router="inputs")


def test_two_experts_of_a_kind_may_differ_in_size():
    original = ModelConfig((FFN, ExpertConfig("ffn", 9, 2)))
    assert ModelConfig.from_dict(original.to_dict()) == original
    assert HetMoE(original)(torch.zeros(2, 1024)).expert_logits.shape == (2, 2, 10)


@pytest.mark.parametrize(
    "change",
    [
        {"experts": None},
        {"experts": [{"name": "ffn"}]},
        {"experts": [{"name": "ffn", "width": 4, "hidden": 4, "depth": 2}]},
        {"experts": [{"name": "ffn", "width": "4", "hidden": 4}]},
        {"temperature": 2},
        {"n_outputs": "10"},
    ],
)
def test_what_is_no_configuration_is_refused(change):
    with pytest.raises((TypeError, KeyError, ValueError)):
        ModelConfig.from_dict(ModelConfig((FFN,)).to_dict() | change)


def test_expert_labels():
    def labels(*names: str) -> tuple[str, ...]:
        return ModelConfig(tuple(ExpertConfig(name, 4, 4) for name in names)).expert_labels()

    assert labels(*CONFIGURATIONS["homogeneous"]) == ("ffn 1", "ffn 2", "ffn 3", "ffn 4")
    assert labels(*CONFIGURATIONS["heterogeneous"]) == ("spatial", "temporal", "spectral", "relational")
    assert labels("ffn", "spatial", "ffn") == ("ffn 1", "spatial", "ffn 2")


def test_the_2d_spectral_expert_goes_by_the_name_of_what_it_is():
    names = ("spatial", "temporal", "spectral-2d", "relational")
    experts = [ExpertConfig(name, EXPERTS[name].width_step, 4) for name in names]
    assert ModelConfig(tuple(experts)).expert_labels() == CONFIGURATIONS["heterogeneous"]
    both = ModelConfig((ExpertConfig("spectral", 4, 4), FFN, ExpertConfig("spectral-2d", 3, 4)))
    assert both.expert_labels() == ("spectral 1", "ffn", "spectral 2")
