"""The router and its auxiliary losses. Axis legend: B batch, N = 1024 inputs, E experts."""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetmoe.encoding import N_INPUTS

LOAD_BALANCE_COEFFICIENT = 0.1  # HetMoE, "Routing" (the original code used 0.05)
ENTROPY_COEFFICIENT = 0.02


class Router(nn.Module):
    """Dense soft routing, g(x) = softmax(MLP2(x)): (B, 1024) -> (B, E), rows sum to 1 (HetMoE, "Routing")."""

    def __init__(self, hidden: int, n_experts: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(N_INPUTS, hidden), nn.GELU(), nn.Linear(hidden, n_experts))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x).softmax(-1)


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
