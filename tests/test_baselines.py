"""The controls' models: an oracle asks one expert an input, an ensemble's members learn alone, a net is residual."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.encoding import MODALITIES, N_INPUTS
from hetmoe.model import HetMoE, count_multiply_adds, count_parameters
from tests.tiny import tiny_config
from training.baselines import Ensemble, Oracle, ResidualBlock, ResNet, ensemble_loss

UNIFORM = replace(tiny_config(), routing="uniform")


# The oracle


@pytest.fixture
def oracle() -> Oracle:
    torch.manual_seed(0)
    model = Oracle(UNIFORM)
    for expert in model.experts:
        expert(2 * torch.randn(8, N_INPUTS) + 1)  # settles the batch normalisations
    return model.eval()


def test_the_oracles_experts_are_in_the_order_of_the_modalities(oracle):
    assert oracle.config.expert_labels() == MODALITIES


@pytest.mark.parametrize("i", range(4))
def test_for_one_modality_the_oracle_is_that_modalitys_expert(oracle, i):
    x = torch.randn(5, N_INPUTS)
    output = oracle(x, torch.full((5,), i))
    assert torch.equal(output.logits, oracle.experts[i](x))
    assert torch.equal(output.routing_weights, torch.eye(4)[i].expand(5, 4))
    assert output.auxiliary_losses == {}


def test_in_a_mixed_batch_each_input_is_answered_by_its_own_expert_and_no_other(oracle):
    modality = torch.tensor([3, 0, 2, 1, 0, 3, 3])
    x = torch.randn(7, N_INPUTS)
    heard: dict[int, Tensor] = {}
    for i, expert in enumerate(oracle.experts):
        expert.register_forward_pre_hook(lambda _, inputs, i=i: heard.update({i: inputs[0]}))
    output = oracle(x, modality)
    assert torch.equal(output.routing_weights, torch.eye(4)[modality])
    for i in range(4):
        assert torch.equal(heard[i], x[modality == i])
        assert not output.expert_logits[modality != i, i].any()
        torch.testing.assert_close(output.logits[modality == i], oracle.experts[i](x[modality == i]))
        assert torch.equal(output.expert_logits[modality == i, i], output.logits[modality == i])


def test_an_expert_that_is_not_asked_is_not_computed_and_does_not_learn(oracle):
    oracle.train()
    before = {name: buffer.clone() for name, buffer in oracle.named_buffers()}
    output = oracle(torch.randn(6, N_INPUTS), torch.tensor([1, 2, 2, 1, 1, 2]))
    F.cross_entropy(output.logits, torch.arange(6)).backward()
    for asked, expert in zip([False, True, True, False], oracle.experts, strict=True):
        assert all((p.grad is not None and bool(p.grad.any())) == asked for p in expert.parameters())
    changed = {name.split(".")[1] for name, buffer in oracle.named_buffers() if not torch.equal(buffer, before[name])}
    assert changed == {"1", "2"}  # batch normalisation takes note of the inputs of its modality alone


def test_each_experts_gradient_is_that_of_its_own_inputs(oracle):
    x, target, modality = torch.randn(6, N_INPUTS), torch.arange(6), torch.tensor([0, 3, 0, 3, 0, 0])
    own = list(oracle.experts[3].parameters())
    together = F.cross_entropy(oracle(x, modality).logits, target, reduction="sum")
    alone = F.cross_entropy(oracle.experts[3](x[modality == 3]), target[modality == 3], reduction="sum")
    for one, other in zip(torch.autograd.grad(together, own), torch.autograd.grad(alone, own), strict=True):
        torch.testing.assert_close(one, other)


def test_without_modalities_the_oracle_computes_all_experts_as_its_cost_counts_them(oracle):
    plain, x = HetMoE(UNIFORM).eval(), torch.randn(3, N_INPUTS)
    plain.load_state_dict(oracle.state_dict())
    for one, other in zip(oracle(x)[:3], plain(x)[:3], strict=True):
        assert torch.equal(one, other)
    assert count_multiply_adds(oracle) == count_multiply_adds(plain)


# The ensemble


def constant_ensemble(*probabilities: list[float]) -> Ensemble:
    """Members that give the same probabilities for every input; their logits are ln p + 7 i."""
    members = (ExpertConfig("ffn", 1, 1),) * len(probabilities)
    model = Ensemble(ModelConfig(members, n_outputs=len(probabilities[0]), routing="uniform"))
    for i, (member, p) in enumerate(zip(model.experts, probabilities, strict=True)):
        for parameter in member.parameters():
            nn.init.zeros_(parameter)
        last = member.get_submodule("readout.2")
        assert isinstance(last, nn.Linear)
        last.bias.data = torch.tensor(p).log() + 7 * i
    return model


BY_HAND = ([0.5, 0.3, 0.2], [0.1, 0.3, 0.6])  # mean 0.3, 0.3, 0.4
X = torch.zeros(2, N_INPUTS)


def test_the_ensembles_answer_is_the_logarithm_of_the_mean_probability():
    output = constant_ensemble(*BY_HAND)(X)
    torch.testing.assert_close(output.logits.exp(), torch.tensor([[0.3, 0.3, 0.4]] * 2))
    torch.testing.assert_close(output.logits, output.logits.log_softmax(-1))  # normalised as it is
    torch.testing.assert_close(output.expert_logits.softmax(-1), torch.tensor([BY_HAND] * 2))
    assert torch.equal(output.routing_weights, torch.full((2, 2), 0.5))


def test_probabilities_are_averaged_and_not_logits():
    """Of the logits' mean, the softmax is the geometric mean: a member that excludes a class would veto it."""
    output = constant_ensemble([0.98, 0.01, 0.01], [1e-6, 0.51, 0.489999])(X)
    assert output.logits.argmax(-1).tolist() == [0, 0]
    assert output.expert_logits.mean(1).argmax(-1).tolist() == [1, 1]


def test_the_ensembles_loss_by_hand():
    """Targets 0 and 2: the members' mean losses are -(ln 0.5 + ln 0.2) / 2 = 1.151293 and -(ln 0.1 + ln 0.6) / 2 =
    1.406705; their sum is 2.557998. That of the mean probabilities, -(ln 0.3 + ln 0.4) / 2 = 1.060132, is another.
    """
    output = constant_ensemble(*BY_HAND)(X)
    assert ensemble_loss(output, torch.tensor([0, 2])).item() == pytest.approx(2.557998, abs=1e-5)
    assert F.cross_entropy(output.logits, torch.tensor([0, 2])).item() == pytest.approx(1.060132, abs=1e-5)


def test_each_member_of_an_ensemble_gets_the_gradient_that_it_gets_alone():
    torch.manual_seed(0)
    config = ModelConfig((ExpertConfig("spatial", 2, 4), ExpertConfig("temporal", 4, 4)), routing="uniform")
    model, x, target = Ensemble(config), torch.randn(6, N_INPUTS), torch.tensor([1, 0, 9, 3, 3, 7])

    def gradients(loss: Tensor, member: int) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(model.experts[member].parameters())))

    for i in range(2):
        together = gradients(ensemble_loss(model(x), target), i)
        alone = gradients(F.cross_entropy(model.experts[i](x), target), i)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    before = gradients(ensemble_loss(model(x), target), 0)
    of_the_mixture = gradients(F.cross_entropy(model(x).logits, target), 0)
    with torch.no_grad():
        for parameter in model.experts[1].parameters():
            parameter.add_(torch.randn_like(parameter))
    for one, other in zip(before, gradients(ensemble_loss(model(x), target), 0), strict=True):
        assert torch.equal(one, other)
    after = gradients(F.cross_entropy(model(x).logits, target), 0)
    assert any(not torch.allclose(a, b) for a, b in zip(of_the_mixture, after, strict=True))  # which does depend on it


# The residual network; test_experts has what it shares with all experts


def test_the_networks_parameters_by_hand():
    """Width 4, readout 8. Convolutions: stem 9 W, blocks (9 + 9) W², (18 + 36 + 2) W² and (72 + 144 + 8) W²; two
    normalising parameters for each of the 15 W channels; readout from 4 W features."""
    convolutions = 9 * 4 + (18 + 56 + 224) * 16
    assert count_parameters(ResNet(4, 8, 10)) == convolutions + 2 * 15 * 4 + (16 * 8 + 8) + (8 * 10 + 10) == 5_150


def test_the_networks_maps():
    network, sizes = ResNet(4, 8, 10), []
    for layer in (network.stem, *network.blocks):
        layer.register_forward_hook(lambda *arguments: sizes.append(tuple(arguments[2].shape[1:])))
    features = network.features(torch.randn(2, N_INPUTS))
    assert sizes == [(4, 16, 16), (4, 16, 16), (8, 8, 8), (16, 4, 4)]
    assert features.shape == (2, 16)


def test_the_stem_sees_the_input_as_a_grid_of_32_rows():
    """Output (5, 9) sees pixels (9 to 11, 17 to 19)."""
    stem, x = ResNet(4, 8, 10).eval().stem, torch.randn(1, N_INPUTS, requires_grad=True)
    stem[0](x.view(1, 1, 32, 32))[0, :, 5, 9].sum().backward()
    assert x.grad is not None
    assert sorted(x.grad[0].nonzero()[:, 0].tolist()) == [
        32 * row + column for row in (9, 10, 11) for column in (17, 18, 19)
    ]


@pytest.mark.parametrize(("c_out", "stride"), [(4, 1), (8, 2)])
def test_a_block_whose_layers_say_nothing_is_its_shortcut(c_out, stride):
    torch.manual_seed(0)
    block, x = ResidualBlock(4, c_out, stride).eval(), torch.rand(2, 4, 8, 8)
    answered = block(x)
    last = block.layers[4]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    shortcut = block(x)
    assert not torch.allclose(answered, shortcut)
    if stride == 1:
        assert torch.equal(shortcut, x)
    else:
        assert isinstance(block.shortcut, nn.Conv2d)
        by_hand = torch.einsum("bchw,oc->bohw", x[..., ::2, ::2], block.shortcut.weight[:, :, 0, 0])
        torch.testing.assert_close(shortcut, by_hand.relu())
