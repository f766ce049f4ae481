"""The router and its auxiliary losses. Axis legend: B batch, N = 1024 inputs, E experts."""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetmoe.encoding import N_INPUTS

LOAD_BALANCE_COEFFICIENT = 0.1  # HetMoE, "Routing" (the original code used 0.05)
ENTROPY_COEFFICIENT = 0.02

N_SUMMARY = 21
FLOOR = 0.05  # of thresholded routing


class Router(nn.Module):
    """Dense soft routing, g(x) = softmax(MLP2(x)): (B, 1024) -> (B, E), rows sum to 1 (HetMoE, "Routing")."""

    def __init__(self, hidden: int, n_experts: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(N_INPUTS, hidden), nn.GELU(), nn.Linear(hidden, n_experts))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x).softmax(-1)


class SummaryRouter(nn.Module):
    """Dense soft routing on a summary of the input, softmax(MLP2(summary(x))): (B, 1024) -> (B, E), rows sum to 1.

    For frontier models: a few hundred parameters instead of the paper's 131,716. All weights are equal at first, for
    the last layer starts at 0; the summary is normalised over the batch, without which the router hardly learned
    (training/RECORDS.md).
    """

    def __init__(self, hidden: int, n_experts: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(N_SUMMARY, affine=False)
        last = nn.Linear(hidden, n_experts)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(N_SUMMARY, hidden), nn.GELU(), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.norm(summary(x))).softmax(-1)


def summary(x: Tensor) -> Tensor:
    """(B, 1024) -> (B, 21): what can be told of an input as a 32x32 grid without knowing what it is.

    Its mean; the logarithm of its variance; how much its numbers correlate with their right neighbours, with those
    below, and with their mirror images at the diagonal; and the means of 4x4 blocks.
    """
    grid = x.view(-1, 1, 32, 32)
    centred = (grid - grid.mean((2, 3), keepdim=True))[:, 0]
    variance = centred.square().mean((1, 2)) + 1e-2  # of an even grid, too, a logarithm
    right = (centred[:, :, 1:] * centred[:, :, :-1]).mean((1, 2)) / variance
    below = (centred[:, 1:] * centred[:, :-1]).mean((1, 2)) / variance
    mirrored = (centred * centred.mT).mean((1, 2)) / variance
    told = torch.stack([x.mean(1), variance.log(), right, below, mirrored], 1)
    return torch.cat([told, F.avg_pool2d(grid, 8).flatten(1)], 1)


class UniformRouter(nn.Module):
    """Weight 1/E for every expert, whatever the input: the control without routing. (B, 1024) -> (B, E)."""

    def __init__(self, n_experts: int) -> None:
        super().__init__()
        self.n_experts = n_experts

    def forward(self, x: Tensor) -> Tensor:
        return x.new_full((x.shape[0], self.n_experts), 1 / self.n_experts)


def top_one(routing_weights: Tensor) -> Tensor:
    """The whole weight on the likeliest expert, (B, E) -> (B, E) of 0 and 1: the control of hard routing.

    The gradient is that of the soft weights (straight-through estimator; Bengio, Léonard and Courville 2013).
    """
    likeliest = F.one_hot(routing_weights.argmax(-1), routing_weights.shape[-1])
    return likeliest + (routing_weights - routing_weights.detach())


def thresholded(routing_weights: Tensor) -> Tensor:
    """Weights below 5 % become 0, and the others are scaled to sum to 1: (B, E) -> (B, E).

    An expert of weight 0 need not be computed, so training costs what the mixture uses; and it learns from no input
    that it is not asked about.
    """
    kept = torch.where(routing_weights < FLOOR, 0, routing_weights)
    return kept / kept.sum(-1, keepdim=True)


def load_balance_loss(routing_weights: Tensor) -> Tensor:
    """0.1 (E sum_i m_i^2 - 1), where m_i is expert i's mean weight over the batch: a scalar in [0, 0.1 (E - 1)].

    It is the squared coefficient of variation of the experts' shares. It pushes the *batch* towards equal shares
    (0 there), and leaves each single input free to choose. (B, E) -> ().
    """
    shares = routing_weights.mean(0)
    return LOAD_BALANCE_COEFFICIENT * (shares.numel() * shares.square().sum() - 1)


def entropy_loss(routing_weights: Tensor) -> Tensor:
    """0.02 (ln E - mean_b H(g_b)), H the entropy in nats: a scalar in [0, 0.02 ln E].

    It pushes *each input's* routing towards uniform (0 there), against the collapse onto one expert. The original code
    had the opposite sign, which rewards killing an expert. (B, E) -> ().
    """
    logs = routing_weights.clamp_min(torch.finfo(routing_weights.dtype).tiny).log()  # 0 log 0 = 0, gradient finite
    entropy = -(routing_weights * logs).sum(-1).mean()
    return ENTROPY_COEFFICIENT * (log(routing_weights.shape[-1]) - entropy)
