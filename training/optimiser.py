"""Optimisers: AdamW, as in the paper, or Muon for the convolutions' kernels beside it, for the frontier family."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from hetmoe.model import HetMoE

NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315  # Jordan 2024: brings every singular value near 1, within about 0.3
ITERATIONS = 4


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are orthogonalised (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
    networks"), for kernels (c_out, c_in, ...), taken as matrices (c_out, the rest).

    torch.optim.Muon takes matrices alone, and computes in bfloat16, for which most CPUs have no instructions.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override] # no closure
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:  # of an expert that nobody asked
                    continue
                state = self.state[kernel]
                buffer = state.setdefault("momentum_buffer", torch.zeros_like(kernel))
                buffer.mul_(group["momentum"]).add_(kernel.grad)
                direction = orthogonalised((kernel.grad + group["momentum"] * buffer).flatten(1))
                rate = group["lr"] * max(1, direction.shape[0] / direction.shape[1]) ** 0.5
                kernel.sub_(rate * direction.view(kernel.shape))


def orthogonalised(matrix: Tensor) -> Tensor:
    """(m, n) -> (m, n) with the same singular vectors and singular values near 1, by Newton-Schulz iterations."""
    a, b, c = NEWTON_SCHULZ
    x = matrix / (matrix.norm() + 1e-7)
    if is_tall := x.shape[0] > x.shape[1]:
        x = x.T
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if is_tall else x


class AdamWAndMuon:
    """What a model is trained with, as one optimiser: AdamW, and, if `muon_rate` is given, Muon for the kernels.

    rate: of AdamW; the router's own is `router_rate`, if given.
    `schedule` scales all rates. The state has the parameters numbered, AdamW's first.
    """

    def __init__(
        self, model: HetMoE, rate: float, weight_decay: float, muon_rate: float | None, router_rate: float | None
    ) -> None:
        if muon_rate is None:
            self.parts: list[torch.optim.Optimizer] = [
                torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=weight_decay)
            ]
        else:
            router = list(model.router.parameters())
            kernels = [m.weight for m in model.experts.modules() if isinstance(m, (nn.Conv1d, nn.Conv2d))]
            apart = {id(p) for p in router + kernels}
            others = [p for p in model.parameters() if id(p) not in apart]
            groups = [{"params": others, "lr": rate}, {"params": router, "lr": router_rate or rate}]
            adamw = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=weight_decay, fused=True)
            self.parts = [adamw, *([Muon(kernels, muon_rate)] if kernels else [])]
        self.peaks = [[group["lr"] for group in part.param_groups] for part in self.parts]

    def schedule(self, factor: float) -> None:
        for part, peaks in zip(self.parts, self.peaks, strict=True):
            for group, peak in zip(part.param_groups, peaks, strict=True):
                group["lr"] = peak * factor

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def _first_numbers(self) -> list[int]:
        sizes = [sum(len(group["params"]) for group in part.param_groups) for part in self.parts]
        return [sum(sizes[:i]) for i in range(len(sizes))]

    def state(self) -> dict[int, dict[str, Tensor]]:
        """Of each parameter that has one, by its number."""
        return {
            first + i: state
            for first, part in zip(self._first_numbers(), self.parts, strict=True)
            for i, state in part.state_dict()["state"].items()
        }

    def load_state(self, state: dict[int, dict[str, Tensor]]) -> None:
        for first, part in zip(self._first_numbers(), self.parts, strict=True):
            groups = part.state_dict()["param_groups"]
            mine = {i: state[first + i] for group in groups for i in group["params"] if first + i in state}
            part.load_state_dict({"state": mine, "param_groups": groups})
