"""HetMoE: experts and a router, mixed densely. Axis legend: B batch, N = 1024 inputs, E experts, C outputs."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hetmoe.config import ModelConfig
from hetmoe.encoding import N_INPUTS
from hetmoe.experts import EXPERTS, Expert
from hetmoe.routing import (
    Router,
    SummaryRouter,
    UniformRouter,
    entropy_loss,
    load_balance_loss,
    thresholded,
    top_one,
)

ROUTERS: dict[str, type[Router] | type[SummaryRouter]] = {"inputs": Router, "summary": SummaryRouter}


class MoEOutput(NamedTuple):
    """All of one forward pass."""

    logits: Tensor  # (B, C) the mixture, y = sum_i g_i(x) f_i(x); values for regression
    routing_weights: Tensor  # (B, E) g(x), rows sum to 1
    expert_logits: Tensor  # (B, E, C) f_i(x), each expert alone
    auxiliary_losses: dict[str, Tensor]  # scalars, coefficients included: "load_balance" and "entropy", or none


class HetMoE(nn.Module):
    """A dense mixture, y = sum_i g_i(x) f_i(x), of the experts that `config` names (HetMoE, "Routing")."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        n_experts = len(config.experts)
        self.router = (
            UniformRouter(n_experts)
            if config.routing == "uniform"
            else ROUTERS[config.router](config.router_hidden, n_experts)
        )
        self.experts = nn.ModuleList(
            EXPERTS[expert.name](expert.width, expert.hidden, config.n_outputs) for expert in config.experts
        )

    def forward(self, x: Tensor) -> MoEOutput:
        """(B, 1024) standardised inputs -> MoEOutput. Raises ValueError for any other shape."""
        if x.ndim != 2 or x.shape[1] != N_INPUTS:
            raise ValueError(f"inputs must have shape (B, {N_INPUTS}), not {tuple(x.shape)}")
        soft_weights = self.router(x)  # B E
        if self.config.routing == "thresholded":
            routing_weights, auxiliary_losses = (
                thresholded(soft_weights),
                {},
            )  # which would keep experts from specialising
        else:
            routing_weights = top_one(soft_weights) if self.config.routing == "top-1" else soft_weights
            auxiliary_losses = {
                "load_balance": load_balance_loss(soft_weights),
                "entropy": entropy_loss(soft_weights),
            }
        if self.config.routing == "thresholded" and self.training:
            expert_logits = self._asked_alone(x, routing_weights > 0)
        else:
            expert_logits = torch.stack([expert(x) for expert in self.experts], 1)  # B E C
        logits = torch.einsum("be,bec->bc", routing_weights, expert_logits)
        return MoEOutput(logits, routing_weights, expert_logits, auxiliary_losses)

    def _asked_alone(self, x: Tensor, asked: Tensor) -> Tensor:
        """Logits of the experts that are asked, (B, E) bool, and 0 of the others, which are not computed: (B, E, C)."""
        answers = x.new_zeros(*asked.shape, self.config.n_outputs)
        for i, expert in enumerate(self.experts):
            mine = asked[:, i].nonzero()[:, 0]
            if len(mine):
                answers[mine, i] = expert(x[mine])
        return answers


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in module.parameters())


def count_multiply_adds(module: nn.Module) -> int:
    """Multiply-adds of one forward pass for one input.

    PyTorch's FLOP counter halved (it sees matrix products and convolutions), run with gradients enabled because the
    fused inference paths escape it, plus what experts state by formula for attention and FFT.
    """
    # A copy in evaluation mode, for batch normalisation would take note of the input; on the CPU, for on a GPU the
    # counter does see attention.
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(False), torch.enable_grad():
        module = deepcopy(module).cpu().eval()
        with counter:
            module(torch.zeros(1, N_INPUTS))
    counted = counter.get_total_flops() // 2
    return counted + sum(m.uncounted_multiply_adds() for m in module.modules() if isinstance(m, Expert))
