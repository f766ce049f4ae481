"""Models that only the controls need, on the vocabulary of hetmoe.model and hetmoe.experts.

Axis legend: B batch, N = 1024 inputs, E experts, C outputs, W width, F features.
"""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetmoe.experts import GRID, Expert, register_expert
from hetmoe.model import HetMoE, MoEOutput


class Oracle(HetMoE):
    """Routing by a label of modality: expert i answers the inputs of modality i, alone, in training and in the test.

    It bounds what hard specialisation can reach, and computes one expert an input. Its configuration has uniform
    routing, for it needs no router, and the experts in the order of hetmoe.encoding.MODALITIES.
    """

    def forward(self, x: Tensor, modality: Tensor | None = None) -> MoEOutput:
        """(B, 1024) standardised inputs, (B,) indices into MODALITIES -> MoEOutput.

        Logits of experts that were not asked are 0. Without `modality` every expert is computed for every input, as
        the multiply-adds of all four are counted.
        """
        if modality is None:
            return super().forward(x)
        answers = x.new_zeros(x.shape[0], len(self.experts), self.config.n_outputs)  # B E C
        for i, expert in enumerate(self.experts):
            mine = (modality == i).nonzero()[:, 0]
            if len(mine):
                answers[mine, i] = expert(x[mine])
        return MoEOutput(answers.sum(1), F.one_hot(modality, len(self.experts)).to(x.dtype), answers, {})


class Ensemble(HetMoE):
    """A deep ensemble: members trained each on its own loss, their probabilities averaged (Lakshminarayanan 2017).

    They are trained as one model and so share the limit on the gradient's norm, the one thing that ties them.
    """

    def forward(self, x: Tensor) -> MoEOutput:
        """(B, 1024) standardised inputs -> MoEOutput, with the logarithm of the mean probabilities as logits."""
        output = super().forward(x)
        mean = output.expert_logits.log_softmax(-1).logsumexp(1) - log(len(self.experts))
        return output._replace(logits=mean)


def ensemble_loss(output: MoEOutput, target: Tensor) -> Tensor:
    """The sum over the members of their own cross-entropies: no member's gradient depends on another."""
    members = output.expert_logits.shape[1]
    return members * F.cross_entropy(output.expert_logits.flatten(0, 1), target.repeat_interleave(members))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016): (B, C_in, S, S) -> (B, C_out, S / stride, S / stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(c_in, c_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x))


@register_expert("resnet")
class ResNet(Expert):
    """A plain residual network on the input as a 32x32 grid: what one would take if experts had never been heard of.

    A strided stem and three residual blocks of W, 2W and 4W channels, at 16x16, 8x8 and 4x4; global average.
    """

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(4 * width, hidden, n_outputs)
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.Sequential(
            ResidualBlock(width, width, 1), ResidualBlock(width, 2 * width, 2), ResidualBlock(2 * width, 4 * width, 2)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(self.stem(x.view(-1, 1, GRID, GRID))).mean((2, 3))
