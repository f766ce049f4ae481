"""The mixture: parity with its parts, and what it costs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hetmoe.config import CONFIGURATIONS, ExpertConfig, ModelConfig, Routing, match_parameters
from hetmoe.experts import FFN, Relational, Spectral, Spectral2D
from hetmoe.model import HetMoE, MoEOutput, count_multiply_adds, count_parameters
from hetmoe.routing import Router, SummaryRouter, entropy_loss, load_balance_loss
from tests.tiny import tiny_config, tiny_frontier_config, tiny_model

every_configuration = pytest.mark.parametrize("configuration", sorted(CONFIGURATIONS))


@every_configuration
@pytest.mark.parametrize(("batch", "n_outputs"), [(1, 10), (3, 1), (8, 35)])
def test_one_forward_gives_all(configuration, batch, n_outputs):
    model = tiny_model(configuration, n_outputs)
    calls: list[str] = []
    for name, part in (("router", model.router), *((f"expert {i}", e) for i, e in enumerate(model.experts))):
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    output = model(torch.randn(batch, 1024))
    assert calls == ["router", "expert 0", "expert 1", "expert 2", "expert 3"]
    assert isinstance(output, MoEOutput)
    assert output._fields == ("logits", "routing_weights", "expert_logits", "auxiliary_losses")
    assert output.logits.shape == (batch, n_outputs)
    assert output.routing_weights.shape == (batch, 4)
    assert output.expert_logits.shape == (batch, 4, n_outputs)
    assert list(output.auxiliary_losses) == ["load_balance", "entropy"]
    assert all(loss.shape == () for loss in output.auxiliary_losses.values())


@every_configuration
def test_logits_are_the_weighted_sum_of_the_experts(configuration):
    model, x = tiny_model(configuration), torch.randn(5, 1024)
    output = model(x)
    expected = sum(model.router(x)[:, i, None] * expert(x) for i, expert in enumerate(model.experts))
    torch.testing.assert_close(output.logits, expected)
    for i, expert in enumerate(model.experts):
        assert torch.equal(output.expert_logits[:, i], expert(x))
    assert torch.equal(output.routing_weights, model.router(x))


def test_auxiliary_losses_are_those_of_the_routing_weights_and_reach_the_router_alone():
    model = tiny_model()
    output = model(torch.randn(6, 1024))
    assert torch.equal(output.auxiliary_losses["load_balance"], load_balance_loss(output.routing_weights))
    assert torch.equal(output.auxiliary_losses["entropy"], entropy_loss(output.routing_weights))
    for loss in output.auxiliary_losses.values():
        model.zero_grad()
        loss.backward(retain_graph=True)
        assert all(p.grad is not None and p.grad.any() for p in model.router.parameters())
        assert all(p.grad is None for p in model.experts.parameters())


def last_layer(model: HetMoE) -> nn.Linear:
    assert isinstance(model.router, Router)
    layer = model.router.mlp[2]
    assert isinstance(layer, nn.Linear)
    return layer


def test_with_equal_experts_the_router_is_irrelevant():
    model, x = tiny_model("homogeneous"), torch.randn(5, 1024)
    for expert in model.experts[1:]:
        expert.load_state_dict(model.experts[0].state_dict())
    for seed in range(3):
        torch.manual_seed(seed)
        nn.init.normal_(last_layer(model).weight, std=5)
        output = model(x)
        assert output.routing_weights.std() > 0.1
        torch.testing.assert_close(output.logits, model.experts[0](x))


@every_configuration
@pytest.mark.parametrize("chosen", range(4))
def test_a_one_hot_router_gives_exactly_that_expert(configuration, chosen):
    model, x = tiny_model(configuration), torch.randn(5, 1024)
    with torch.no_grad():
        last_layer(model).weight.zero_()
        last_layer(model).bias.copy_(1000 * torch.eye(4)[chosen])
    output = model(x)
    assert torch.equal(output.routing_weights, torch.eye(4)[chosen].expand(5, 4))
    assert torch.equal(output.logits, model.experts[chosen](x))


@pytest.mark.parametrize("expert", tiny_config().experts, ids=lambda e: e.name)
def test_one_expert_is_the_plain_network(expert):
    torch.manual_seed(0)
    model, x = HetMoE(ModelConfig((expert,))).eval(), torch.randn(5, 1024)
    output = model(x)
    assert torch.equal(output.logits, model.experts[0](x))
    assert [loss.item() for loss in output.auxiliary_losses.values()] == [0, 0]


# Thresholded routing: in training, an expert of weight 0 is not computed


class Table(nn.Module):
    """A router that says what it is told."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x: Tensor) -> Tensor:
        return self.weights


WEIGHTS = [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.985, 0.015, 0, 0], [0.3, 0.3, 0.4, 0]]
MIXED = [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [1.0, 0, 0, 0], [0.3, 0.3, 0.4, 0]]
ASKED = [[0, 1, 2, 3], [1, 3], [3], []]  # the rows of the batch that each expert is asked about


def sparse(configuration: str = "heterogeneous", routing: Routing = "thresholded") -> HetMoE:
    """In training mode, its router told WEIGHTS."""
    torch.manual_seed(0)
    model = HetMoE(replace(tiny_config(configuration), routing=routing))
    model.router = Table(WEIGHTS)  # type: ignore[assignment] # a part that the type does not foresee
    return model


def listening(model: HetMoE) -> list[list[Tensor]]:
    """What each expert is given, call by call."""
    heard: list[list[Tensor]] = [[] for _ in model.experts]
    for expert, inputs in zip(model.experts, heard, strict=True):
        expert.register_forward_pre_hook(lambda _, arguments, inputs=inputs: inputs.append(arguments[0]))
    return heard


@pytest.mark.parametrize("configuration", ["heterogeneous", "homogeneous"])
def test_in_training_an_expert_is_given_only_the_inputs_it_is_asked_about(configuration):
    model, x = sparse(configuration), torch.randn(4, 1024)
    heard = listening(model)
    output = model(x)
    assert [len(calls) for calls in heard] == [1, 1, 1, 0]
    for calls, rows in zip(heard, ASKED, strict=True):
        assert all(torch.equal(given, x[rows]) for given in calls)
    torch.testing.assert_close(output.routing_weights, torch.tensor(MIXED))
    for i, rows in enumerate(ASKED):
        others = [row for row in range(4) if row not in rows]
        assert not output.expert_logits[others, i].any()
    assert output.auxiliary_losses == {}


def test_the_mixture_is_that_of_all_experts_with_the_same_weights():
    """For experts without batch normalisation, whose answers do not depend on the other inputs."""
    model, x = sparse("homogeneous"), torch.randn(4, 1024)
    dense = torch.stack([expert(x) for expert in model.experts], 1)
    expected = torch.einsum("be,bec->bc", torch.tensor(MIXED), dense)
    torch.testing.assert_close(model(x).logits, expected)
    torch.testing.assert_close(model.eval()(x).logits, expected)


@pytest.mark.parametrize("configuration", ["heterogeneous", "homogeneous"])
def test_evaluation_computes_all_experts_for_all_inputs(configuration):
    model, x = sparse(configuration).eval(), torch.randn(4, 1024)
    heard = listening(model)
    output = model(x)
    assert all(len(calls) == 1 and torch.equal(calls[0], x) for calls in heard)
    assert output.expert_logits.all()
    torch.testing.assert_close(output.routing_weights, torch.tensor(MIXED))
    torch.testing.assert_close(output.logits, torch.einsum("be,bec->bc", torch.tensor(MIXED), output.expert_logits))
    assert output.auxiliary_losses == {}


def test_what_learns_from_a_batch_is_what_was_asked():
    model = sparse()
    model(torch.randn(4, 1024)).logits.square().sum().backward()
    for i, expert in enumerate(model.experts):
        assert all((p.grad is not None) == bool(ASKED[i]) for p in expert.parameters()), i
    weights = model.router.weights
    assert isinstance(weights, nn.Parameter) and weights.grad is not None
    assert (weights.grad.abs() > 1e-6).tolist() == [
        [False] * 4,
        [True, True, False, False],
        [False] * 4,
        [True] * 3 + [False],
    ]


def test_a_frontier_model_learns_and_answers():
    torch.manual_seed(0)
    model, x = HetMoE(tiny_frontier_config()), torch.randn(6, 1024)
    assert isinstance(model.router, SummaryRouter)
    output = model(x)
    assert torch.equal(output.routing_weights, torch.full((6, 4), 1 / 4))
    output.logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(x[:1]).logits.shape == (1, 10)
    assert model(x).auxiliary_losses == {}


# The controls' routing


def routed(routing: Routing) -> HetMoE:
    """The tiny heterogeneous model with other routing, its weights those of the learned one as far as it has them."""
    model = HetMoE(replace(tiny_config(), routing=routing))
    model.load_state_dict(tiny_model().state_dict(), strict=routing != "uniform")
    return model.eval()


def test_uniform_routing_is_the_mean_of_the_experts_without_a_router():
    model, x = routed("uniform"), torch.randn(5, 1024)
    output = model(x)
    torch.testing.assert_close(output.logits, torch.stack([expert(x) for expert in model.experts]).mean(0))
    assert torch.equal(output.routing_weights, torch.full((5, 4), 1 / 4))
    assert [loss.item() for loss in output.auxiliary_losses.values()] == pytest.approx([0, 0], abs=1e-7)
    assert {name.partition(".")[0] for name in model.state_dict()} == {"experts"}
    learned = tiny_model()
    assert count_parameters(model) == count_parameters(learned) - count_parameters(learned.router)


def test_top_one_routing_answers_with_the_likeliest_expert_alone():
    model, x = routed("top-1"), torch.randn(40, 1024)
    with torch.no_grad():
        last_layer(model).weight.mul_(20)  # so that the inputs differ in their likeliest expert
    output = model(x)
    chosen = model.router(x).argmax(-1)
    assert len(chosen.unique()) > 1
    assert torch.equal(output.routing_weights, torch.eye(4)[chosen])
    torch.testing.assert_close(output.logits, output.expert_logits[torch.arange(40), chosen], rtol=0, atol=0)


def test_top_one_routing_has_the_auxiliary_losses_of_the_soft_weights():
    """Those of the hard ones would be constant in the router, and entropy at its maximum."""
    hard, soft, x = routed("top-1"), routed("learned"), torch.randn(6, 1024)
    assert hard(x).auxiliary_losses == soft(x).auxiliary_losses
    weights = soft(x).routing_weights
    assert torch.equal(hard(x).auxiliary_losses["entropy"], entropy_loss(weights))
    assert not torch.equal(entropy_loss(weights), entropy_loss(hard(x).routing_weights))
    sum(hard(x).auxiliary_losses.values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in hard.router.parameters())


def test_top_one_routing_learns_from_the_experts_that_were_not_chosen():
    """The gradient of the router's weight for expert i is f_i(x): by the loss y_0 it is f_i(x)_0, for all four."""
    model, x = routed("top-1"), torch.randn(1, 1024)
    output = model(x)
    output.routing_weights.retain_grad()
    output.logits[0, 0].backward()
    assert output.routing_weights.grad is not None
    torch.testing.assert_close(output.routing_weights.grad[0], output.expert_logits[0, :, 0])
    assert all(p.grad is not None and p.grad.any() for p in model.router.parameters())


@pytest.mark.parametrize("shape", [(1024,), (2, 1023), (2, 1, 1024), (2, 32, 32), (0,)])
def test_a_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"inputs must have shape \(B, 1024\), not \("):
        tiny_model()(torch.zeros(shape))


@every_configuration
def test_same_seed_same_model(configuration):
    first, again, other = (tiny_model(configuration, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


# Cost


@pytest.mark.parametrize(("width", "hidden", "n_outputs"), [(48, 41, 10), (3, 5, 1)])
def test_multiply_adds_of_ffn_by_hand(width, hidden, n_outputs):
    expert = FFN(width, hidden, n_outputs)
    assert count_multiply_adds(expert) == 1024 * width + width * hidden + hidden * n_outputs


def test_multiply_adds_of_a_mixture_by_hand():
    model = HetMoE(ModelConfig((ExpertConfig("ffn", 6, 5),) * 4, router_hidden=7))
    experts = 4 * (1024 * 6 + 6 * 5 + 5 * 10)
    router = 1024 * 7 + 7 * 4
    mixing = 4 * 10
    assert count_multiply_adds(model) == experts + router + mixing


def test_multiply_adds_of_attention_by_hand():
    """The counter does not see q k^T (32 x 32 x D) and the weighted sum of v (as much again), in two blocks."""
    expert = Relational(8, 5, 10)
    attention = 2 * (32 * 32 * 8 + 32 * 32 * 8)
    assert expert.uncounted_multiply_adds() == attention == 32_768
    blocks = 2 * 32 * (8 * 24 + 8 * 8 + 8 * 16 + 16 * 8)  # per token: q, k and v; projection; MLP of width 2 D
    readout = 32 * 8 * 5 + 5 * 10
    assert count_multiply_adds(expert) == 32 * 32 * 8 + blocks + readout + attention


def test_multiply_adds_of_fft_by_hand():
    """5 N log2 N / 2 = 25,600 for N = 1024: one transform, an inverse per filter; 4 per complex product, 513 bins."""
    expert = Spectral(3, 5, 10)
    transforms = 25_600 * (1 + 3)
    products = 4 * 3 * 513
    assert expert.uncounted_multiply_adds() == transforms + products == 108_556
    assert count_multiply_adds(expert) == 108_556 + 3 * 64 * 5 + 5 * 10


def test_multiply_adds_of_a_2d_fft_by_hand():
    """5 N log2 N / 2 is 25,600 for 32x32 cells and 5,120 for 16x16: one transform of the input and an inverse for each
    of two filters; then one and its inverse for each of six channels; 4 for a complex product."""
    expert = Spectral2D(6, 5, 10)
    transforms = 25_600 * (1 + 2) + 5_120 * (6 + 6)
    products = 4 * 2 * 32 * 17 + 4 * 6 * 16 * 9
    assert expert.uncounted_multiply_adds() == transforms + products == 146_048
    convolutions = 16 * 16 * (2 * 4 * 6 + 6 * 12 + 12 * 6)
    assert count_multiply_adds(expert) == transforms + products + convolutions + 6 * 16 * 5 + 5 * 10


def test_the_cost_of_a_mixture_with_a_router_on_a_summary_by_hand():
    """All experts count, though training may leave some out."""
    config = ModelConfig((ExpertConfig("ffn", 6, 5),) * 4, router_hidden=7, routing="thresholded", router="summary")
    assert count_multiply_adds(HetMoE(config)) == 4 * (1024 * 6 + 6 * 5 + 5 * 10) + (21 * 7 + 7 * 4) + 4 * 10


def test_the_cost_of_a_mixture_without_a_router_by_hand():
    model = HetMoE(ModelConfig((ExpertConfig("ffn", 6, 5),) * 4, routing="uniform"))
    assert count_multiply_adds(model) == 4 * (1024 * 6 + 6 * 5 + 5 * 10) + 4 * 10


@every_configuration
def test_counting_changes_nothing(configuration):
    torch.manual_seed(0)
    model = HetMoE(tiny_config(configuration))  # in training mode, where batch normalisation would take notes
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = count_multiply_adds(model)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with torch.inference_mode():
        assert count_multiply_adds(model.eval()) == first
    assert not model.training


@every_configuration
def test_the_cost_of_the_published_size(configuration):
    """Faults 5 and 6 of the original: 14.36 M multiply-adds, and 59 % of the parameters in the router."""
    model = HetMoE(match_parameters(configuration, 223_000))
    assert count_multiply_adds(model) <= 6_000_000
    assert count_parameters(model.router) < 0.10 * count_parameters(model)
