"""The router and its auxiliary losses, with numbers worked out by hand."""

from collections.abc import Callable
from math import log

import pytest
import torch
from torch import Tensor

from hetmoe.routing import (
    Router,
    SummaryRouter,
    UniformRouter,
    entropy_loss,
    load_balance_loss,
    summary,
    thresholded,
    top_one,
)

LOSSES = {"load_balance": load_balance_loss, "entropy": entropy_loss}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())

TABLE = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])  # three inputs, two experts


def highest(loss: Callable[[Tensor], Tensor], n_experts: int) -> float:
    """The documented upper end of a loss."""
    return 0.1 * (n_experts - 1) if loss is load_balance_loss else 0.02 * log(n_experts)


@pytest.mark.parametrize(("batch", "n_experts"), [(1, 4), (5, 1), (7, 3)])
def test_routing_weights_are_positive_and_sum_to_one(batch, n_experts):
    torch.manual_seed(0)
    weights = Router(16, n_experts)(torch.randn(batch, 1024))
    assert weights.shape == (batch, n_experts)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(batch))


def test_the_router_is_a_two_layer_mlp():
    parameters = sum(p.numel() for p in Router(16, 4).parameters())
    assert parameters == (1024 * 16 + 16) + (16 * 4 + 4)


# The frontier's: on a summary, without small weights


def grid(value: Callable[[int, int], float]) -> Tensor:
    return torch.tensor([[value(row, column) for column in range(32)] for row in range(32)]).view(1, 1024)


def test_summary_by_hand():
    """Mean, log variance (0.01 is added to it), correlation with the right, the lower and the mirrored neighbour, 4x4
    means. Of the 31 pairs in a row of an edge in the middle, 30 are alike and one is not."""
    even, edge = grid(lambda row, column: 3.0), grid(lambda row, column: 2.0 * (column >= 16))
    board = grid(lambda row, column: (-1.0) ** (row + column))
    expected = [
        [3, log(0.01), 0, 0, 0, *[3] * 16],
        [1, log(1.01), 29 / 31 / 1.01, 1 / 1.01, 0, *[0, 0, 2, 2] * 4],
        [0, log(1.01), -1 / 1.01, -1 / 1.01, 1 / 1.01, *[0] * 16],
    ]
    found = summary(torch.cat([even, edge, board]))
    assert found.shape == (3, 21)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_a_summary_tells_rows_from_columns():
    """Turned by a quarter, the edge correlates to the right as it did below, and its blocks are in rows."""
    turned = summary(grid(lambda row, column: 2.0 * (row >= 16)))[0]
    torch.testing.assert_close(turned[2:4], torch.tensor([1 / 1.01, 29 / 31 / 1.01]), rtol=1e-4, atol=0)
    assert turned[5:].tolist() == [0] * 8 + [2] * 8


def settled() -> SummaryRouter:
    """In evaluation mode, no longer with equal weights."""
    torch.manual_seed(0)
    router = SummaryRouter(16, 4)
    torch.nn.init.normal_(router.mlp[2].weight)  # type: ignore[arg-type] # a Linear's
    router(2 * torch.randn(50, 1024) + 1)
    return router.eval()


def test_the_summary_router_is_small_and_begins_with_equal_weights():
    router = SummaryRouter(16, 4)
    assert sum(p.numel() for p in router.parameters()) == (21 * 16 + 16) + (16 * 4 + 4) == 420
    assert torch.equal(router(torch.randn(7, 1024)), torch.full((7, 4), 1 / 4))


@pytest.mark.parametrize("x", [torch.randn(5, 1024), torch.zeros(3, 1024), 1e4 * torch.randn(4, 1024)])
def test_the_weights_of_the_summary_router(x):
    weights = settled()(x)
    assert weights.shape == (len(x), 4)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(len(x)))


def test_the_summary_router_answers_one_input_alone_as_in_a_batch():
    router, x = settled(), torch.randn(5, 1024)
    torch.testing.assert_close(torch.cat([router(one[None]) for one in x]), router(x))
    assert router(x).std(0).min() > 1e-3  # inputs differ in their weights


def test_the_summary_is_normalised_over_the_batch():
    router = settled().train()
    torch.testing.assert_close(router.norm(summary(torch.randn(50, 1024))).mean(0), torch.zeros(21), rtol=0, atol=1e-5)


def test_thresholded_by_hand():
    """0.19 + 0.3 + 0.5 = 0.99; weights of 5 % are kept."""
    table = torch.tensor([[0.5, 0.3, 0.19, 0.01], [0.01, 0.97, 0.01, 0.01], [0.25] * 4, [0.05, 0.05, 0.05, 0.85]])
    kept = [[50 / 99, 30 / 99, 19 / 99, 0], [0, 1, 0, 0], [0.25] * 4, [0.05, 0.05, 0.05, 0.85]]
    torch.testing.assert_close(thresholded(table), torch.tensor(kept))
    assert (thresholded(table) == 0).sum(-1).tolist() == [1, 3, 0, 0]  # exactly 0: those experts are not computed


def test_thresholded_rows_sum_to_one():
    torch.manual_seed(0)
    weights = thresholded((3 * torch.randn(1000, 4)).softmax(-1))
    torch.testing.assert_close(weights.sum(-1), torch.ones(1000))
    assert (weights == 0).any(0).all()
    assert weights[weights > 0].min() >= 0.05


def test_the_gradient_of_thresholded_weights_goes_through_the_kept_ones_alone():
    """By hand: of y = sum_i k_i d_i / S over the kept k, the derivative is (d_i - y) / S, and 0 for the others."""
    weights = torch.tensor([[0.5, 0.3, 0.19, 0.01]], requires_grad=True)
    downstream = torch.tensor([[1.0, 2.0, 4.0, 1000.0]])
    (thresholded(weights) * downstream).sum().backward()
    y = (0.5 * 1 + 0.3 * 2 + 0.19 * 4) / 0.99
    expected = [[(1 - y) / 0.99, (2 - y) / 0.99, (4 - y) / 0.99, 0]]
    assert weights.grad is not None
    torch.testing.assert_close(weights.grad, torch.tensor(expected))
    assert weights.grad[0, 3] == 0


# The controls' routing


@pytest.mark.parametrize(("batch", "n_experts"), [(1, 4), (5, 1), (7, 3)])
def test_uniform_routing_is_one_e_th_for_each_whatever_the_input(batch, n_experts):
    router = UniformRouter(n_experts)
    for x in (torch.randn(batch, 1024), torch.full((batch, 1024), 1e6)):
        assert torch.equal(router(x), torch.full((batch, n_experts), 1 / n_experts))
    assert list(router.parameters()) == []
    assert router(torch.zeros(2, 1024, dtype=torch.float64)).dtype == torch.float64


def test_top_one_is_exactly_one_hot():
    table = torch.tensor([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2], [0.1, 0.3, 0.6]])
    assert top_one(table).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert top_one(table).dtype == torch.float32
    torch.manual_seed(0)
    hard = top_one((10 * torch.randn(1000, 4)).softmax(-1))
    assert ((hard == 0) | (hard == 1)).all()  # no rounding error is left of the soft weights
    assert torch.equal(hard.sum(-1), torch.ones(1000))


def test_top_one_of_a_tie_is_one_expert():
    assert top_one(torch.full((3, 4), 1 / 4)).sum(-1).tolist() == [1, 1, 1]


def test_top_one_has_the_gradient_of_the_soft_weights():
    """Straight-through: d top_one / d g is the identity, as if the soft weights themselves had been mixed."""
    torch.manual_seed(0)
    scores, downstream = torch.randn(5, 4), torch.randn(5, 4)

    def gradient(route: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        at = at.clone().requires_grad_()
        return torch.autograd.grad((route(at) * downstream).sum(), at)[0]

    assert torch.equal(gradient(top_one, scores.softmax(-1)), downstream)
    soft = gradient(lambda logits: logits.softmax(-1), scores)
    assert torch.equal(gradient(lambda logits: top_one(logits.softmax(-1)), scores), soft)
    assert soft.abs().min() > 0


# The auxiliary losses


def test_load_balance_by_hand():
    # mean weights: (0.9 + 0.6 + 0.3) / 3 = 0.6 and 0.4; 0.1 * (2 * (0.36 + 0.16) - 1) = 0.1 * 0.04 = 0.004
    assert load_balance_loss(TABLE).item() == pytest.approx(0.004, abs=1e-7)


def test_entropy_by_hand():
    # H(0.9, 0.1) = 0.9 * 0.105361 + 0.1 * 2.302585 = 0.325083
    # H(0.6, 0.4) = 0.6 * 0.510826 + 0.4 * 0.916291 = 0.673012
    # H(0.3, 0.7) = 0.3 * 1.203973 + 0.7 * 0.356675 = 0.610864
    # mean 0.536320; 0.02 * (ln 2 - 0.536320) = 0.02 * (0.693147 - 0.536320) = 0.00313655
    assert entropy_loss(TABLE).item() == pytest.approx(0.00313655, abs=1e-7)


@every_loss
def test_each_loss_alone_is_lower_for_uniform_routing_than_for_a_dead_expert(loss):
    """Fault 3 of the original: uniform routing cost 0.02773, one dead expert 0.02614."""
    uniform = torch.full((6, 4), 1 / 4)
    dead = torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]).expand(6, 4)
    assert loss(uniform).item() == pytest.approx(0, abs=1e-7)
    assert loss(dead).item() > 1e-3


def test_what_a_dead_expert_costs_by_hand():
    dead = torch.tensor([0, 1 / 3, 1 / 3, 1 / 3]).expand(6, 4)
    assert load_balance_loss(dead).item() == pytest.approx(0.1 * (4 * 3 / 9 - 1), abs=1e-6)
    assert entropy_loss(dead).item() == pytest.approx(0.02 * (log(4) - log(3)), abs=1e-6)


def test_load_balance_is_of_the_batch_and_leaves_each_input_free():
    specialists = torch.eye(4).repeat(3, 1)  # every input has one expert, every expert as many inputs
    assert load_balance_loss(specialists).item() == pytest.approx(0, abs=1e-7)
    assert entropy_loss(specialists).item() == pytest.approx(0.02 * log(4), abs=1e-7)


@every_loss
def test_the_collapse_onto_one_expert_costs_most(loss):
    collapsed = torch.tensor([1.0, 0, 0, 0]).expand(5, 4)
    assert loss(collapsed).item() == pytest.approx(
        {"load_balance_loss": 0.1 * 3, "entropy_loss": 0.02 * log(4)}[loss.__name__]
    )


@every_loss
@pytest.mark.parametrize("n_experts", [1, 2, 4, 7])
def test_ranges(loss, n_experts):
    torch.manual_seed(0)
    for sharpness in (0.1, 1.0, 10.0, 1000.0):
        value = loss((sharpness * torch.randn(16, n_experts)).softmax(-1))
        assert value.shape == ()
        assert -1e-7 <= value.item() <= highest(loss, n_experts) + 1e-7


@every_loss
def test_gradients_are_finite_at_exactly_one_hot_weights(loss):
    logits = torch.tensor([[200.0, 0, 0, 0], [0, 0, 200.0, 0]], requires_grad=True)
    weights = logits.softmax(-1)
    weights.retain_grad()
    assert weights[0].tolist() == [1, 0, 0, 0]
    loss(weights).backward()
    for gradient in (weights.grad, logits.grad):
        assert gradient is not None
        assert gradient.isfinite().all()


@every_loss
def test_a_step_against_the_gradient_wakes_a_neglected_expert(loss):
    logits = torch.tensor([[1.0, 1.0, 1.0, -3.0]] * 4, requires_grad=True)
    loss(logits.softmax(-1)).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 3] < 0).all()  # descending raises its logit
    assert (logits.grad[:, :3] > 0).all()
