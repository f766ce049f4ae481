"""The optimisers: Muon's steps by hand, which parameters it takes, and a state that goes on where it was."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.model import HetMoE
from tests.tiny import tiny_frontier_config
from training.optimiser import AdamWAndMuon, Muon, orthogonalised

# Muon


def near_one(singular_value: float) -> float:
    """What four Newton-Schulz iterations make of a singular value, in plain numbers."""
    x = singular_value
    for _ in range(4):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (1, 7), (24, 72)])
def test_orthogonalised_has_the_same_singular_vectors_and_values_near_1(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonalised(matrix) @ v.T
    expected = torch.tensor([near_one((value / matrix.norm()).item()) for value in s])
    torch.testing.assert_close(found, torch.diag(expected), rtol=1e-3, atol=1e-4)
    assert found.diagonal().min() > 0.5
    assert found.diagonal().max() < 1.3


def test_orthogonalised_does_not_depend_on_the_size_of_the_gradient():
    torch.manual_seed(0)
    matrix = torch.randn(4, 6)
    torch.testing.assert_close(orthogonalised(1000 * matrix), orthogonalised(matrix))
    assert not orthogonalised(torch.zeros(3, 2)).any()


def stepped(kernel: Tensor, *gradients: Tensor) -> Tensor:
    """The kernel after a Muon step of rate 0.1 for each gradient."""
    parameter = nn.Parameter(kernel.clone())
    optimiser = Muon([parameter], lr=0.1)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimiser.step()
    return parameter.detach()


def test_muon_by_hand():
    """Of diagonal gradients everything stays diagonal. The first is diag(3, 4): with momentum 0.9 the direction is 1.9
    times it, so its values are 3 and 4 fifths of its norm. The second is diag(5, 0): the momentum is diag(7.7, 3.6),
    the direction diag(5 + 0.9 7.7, 0.9 3.6) = diag(11.93, 3.24)."""
    start = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    first = start - 0.1 * torch.diag(torch.tensor([near_one(0.6), near_one(0.8)]))
    gradients = torch.diag(torch.tensor([3.0, 4.0])), torch.diag(torch.tensor([5.0, 0.0]))
    torch.testing.assert_close(stepped(start, gradients[0]), first)
    norm = (11.93**2 + 3.24**2) ** 0.5
    second = first - 0.1 * torch.diag(torch.tensor([near_one(11.93 / norm), near_one(3.24 / norm)]))
    torch.testing.assert_close(stepped(start, *gradients), second)


def test_muon_takes_a_kernel_as_a_matrix_of_its_outputs():
    """And steps further, by the root of how much higher than wide it is: eight outputs of two numbers, twice as far."""
    gradient = torch.zeros(8, 2, 1, 1)
    gradient[0, 0], gradient[1, 1] = 3, 4
    step = torch.zeros(8, 2, 1, 1)
    step[0, 0], step[1, 1] = -0.2 * near_one(0.6), -0.2 * near_one(0.8)
    torch.testing.assert_close(stepped(torch.zeros(8, 2, 1, 1), gradient), step)
    wide = gradient.view(8, 2).T.reshape(2, 2, 4)  # 2 outputs of 8 numbers
    assert stepped(torch.zeros(2, 2, 4), wide).norm() == pytest.approx(step.norm().item() / 2, rel=1e-5)


def test_a_kernel_in_channels_last_takes_the_same_steps():
    torch.manual_seed(0)
    kernel, gradient = torch.randn(4, 3, 3, 3), torch.randn(4, 3, 3, 3)
    last = stepped(kernel.to(memory_format=torch.channels_last), gradient.to(memory_format=torch.channels_last))
    assert torch.equal(last, stepped(kernel, gradient))


def test_muon_leaves_a_kernel_without_a_gradient_as_it_is():
    asked, not_asked = (nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    optimiser = Muon([asked, not_asked], lr=0.1)
    asked.grad = torch.eye(2)
    optimiser.step()
    assert torch.equal(not_asked, torch.ones(2, 2))
    assert not torch.equal(asked, torch.ones(2, 2))
    assert len(optimiser.state) == 1


# Both as one


def frontier_model(configuration: str = "heterogeneous") -> HetMoE:
    torch.manual_seed(0)
    return HetMoE(tiny_frontier_config(configuration))


def with_muon(model: HetMoE) -> AdamWAndMuon:
    return AdamWAndMuon(model, rate=4e-3, weight_decay=1e-4, muon_rate=2e-2, router_rate=1e-2)


def groups(model: HetMoE, optimiser: AdamWAndMuon) -> list[tuple[str, float, set[str]]]:
    """Which optimiser takes what at which rate."""
    names = {id(p): name for name, p in model.named_parameters()}
    return [
        (type(part).__name__, group["lr"], {names[id(p)] for p in group["params"]})
        for part in optimiser.parts
        for group in part.param_groups
    ]


def test_muon_takes_the_kernels_of_convolutions_and_the_router_has_a_rate_of_its_own():
    model = frontier_model()
    others, router, kernels = groups(model, with_muon(model))
    assert [(kind, rate) for kind, rate, _ in (others, router, kernels)] == [
        ("AdamW", 4e-3), ("AdamW", 1e-2), ("Muon", 2e-2)
    ]  # fmt: skip
    assert router[2] == {f"router.mlp.{layer}.{what}" for layer in (0, 2) for what in ("weight", "bias")}
    convolutions = {name for name, m in model.named_modules() if isinstance(m, (nn.Conv1d, nn.Conv2d))}
    assert kernels[2] == {f"{name}.weight" for name in convolutions}
    assert {name.split(".")[1] for name in kernels[2]} == {"0", "1", "2"}  # attention has none
    assert others[2] == {name for name, _ in model.named_parameters()} - router[2] - kernels[2]
    assert {"experts.2.filters.response", "experts.3.position", "experts.2.merge.bias"} < others[2]
    assert all(group["weight_decay"] == 1e-4 for group in with_muon(model).parts[0].param_groups)


def test_a_model_without_a_router_or_without_convolutions():
    convolutional = frontier_model("convolutional")
    assert [kind for kind, *_ in groups(convolutional, with_muon(convolutional))] == ["AdamW", "Muon"]
    plain = frontier_model("homogeneous")
    assert [(kind, rate) for kind, rate, _ in groups(plain, with_muon(plain))] == [("AdamW", 4e-3), ("AdamW", 1e-2)]


def test_without_a_rate_of_its_own_the_router_has_that_of_the_others():
    model = frontier_model()
    optimiser = AdamWAndMuon(model, 4e-3, 1e-4, muon_rate=2e-2, router_rate=None)
    assert [rate for _, rate, _ in groups(model, optimiser)] == [4e-3, 4e-3, 2e-2]


def test_without_muon_it_is_plain_adamw():
    """As in the published runs: the same steps, bit for bit."""
    model, twin, x = frontier_model(), frontier_model(), torch.randn(6, 1024)
    optimiser = AdamWAndMuon(model, 1e-2, 1e-4, muon_rate=None, router_rate=None)
    plain = torch.optim.AdamW(twin.parameters(), lr=1e-2, weight_decay=1e-4)
    ((kind, rate, names),) = groups(model, optimiser)
    assert (kind, rate, names) == ("AdamW", 1e-2, {name for name, _ in model.named_parameters()})
    for factor in (1.0, 0.5):
        optimiser.schedule(factor)
        plain.param_groups[0]["lr"] = 1e-2 * factor
        for one, its in ((model, optimiser), (twin, plain)):
            its.zero_grad()
            one(x).logits.square().sum().backward()
            its.step()
    assert_same(model, twin)


def assert_same(one: nn.Module, other: nn.Module) -> None:
    weights, others = one.state_dict(), other.state_dict()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []


def test_the_schedule_scales_every_peak():
    model = frontier_model()
    optimiser = with_muon(model)
    for factor in (0.5, 0.25, 1.0):
        optimiser.schedule(factor)
        assert [rate for _, rate, _ in groups(model, optimiser)] == [4e-3 * factor, 1e-2 * factor, 2e-2 * factor]


def step(model: HetMoE, optimiser: AdamWAndMuon, seed: int, asked: int | None = None) -> None:
    """On a batch of its own. asked: the only expert that is learned from, if not all."""
    torch.manual_seed(seed)
    x = torch.randn(6, 1024)
    logits = model(x).logits if asked is None else model.experts[asked](x)
    optimiser.zero_grad()
    logits.square().sum().backward()
    optimiser.step()


def test_all_parameters_move():
    model, before = frontier_model(), frontier_model()
    optimiser = with_muon(model)
    for seed in (1, 2):  # the router's last layer, 0 at first, hides its first one from the first gradient
        step(model, optimiser, seed)
    for (name, p), q in zip(model.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(p, q), name


@pytest.mark.parametrize("asked", [None, 0, 3])
@pytest.mark.parametrize("configuration", ["heterogeneous", "convolutional", "homogeneous"])
def test_the_state_goes_on_where_it_was_bit_for_bit(configuration, asked):
    """Also where an expert had no gradient yet, so that its parameters have no state."""
    if asked is not None and configuration == "convolutional":
        asked = 0
    whole, begun = frontier_model(configuration), frontier_model(configuration)
    optimiser, first = with_muon(whole), with_muon(begun)
    step(whole, optimiser, 1, asked)
    step(begun, first, 1, asked)
    state = {i: {key: t.clone() for key, t in of.items()} for i, of in first.state().items()}
    assert len(state) == sum(p.grad is not None for p in begun.parameters())
    assert set(state) <= set(range(len(list(begun.parameters()))))

    resumed = frontier_model(configuration)
    resumed.load_state_dict(begun.state_dict())
    second = with_muon(resumed)
    second.load_state(state)
    for one, its in ((whole, optimiser), (resumed, second)):
        step(one, its, 2)
        step(one, its, 3)
    assert_same(resumed, whole)


def test_a_state_has_the_momentum_of_kernels_and_both_moments_of_the_others():
    model = frontier_model()
    optimiser = with_muon(model)
    assert optimiser.state() == {}
    step(model, optimiser, 1)
    kinds = [set(state) for _, state in sorted(optimiser.state().items())]
    n_kernels = sum(isinstance(m, (nn.Conv1d, nn.Conv2d)) for m in model.modules())
    n_others = len(list(model.parameters())) - n_kernels
    assert kinds == [{"step", "exp_avg", "exp_avg_sq"}] * n_others + [{"momentum_buffer"}] * n_kernels


def test_another_mixture():
    """Every parameter is taken once, whatever the experts."""
    config = ModelConfig((ExpertConfig("temporal", 4, 4), ExpertConfig("spatial", 2, 4)), router="summary")
    model = HetMoE(replace(config, routing="thresholded"))
    taken = [name for *_, names in groups(model, with_muon(model)) for name in names]
    assert sorted(taken) == sorted(name for name, _ in model.named_parameters())
