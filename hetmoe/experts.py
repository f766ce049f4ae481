"""The five experts: networks of different architecture with one signature, (B, 1024) -> (B, C).

Axis legend: B batch, N = 1024 inputs, C outputs (classes, or 1 for regression), W width of the expert,
F features that the primitive hands to the readout, T time steps, K filters, D token dimension.

Each expert is a primitive (HetMoE, "Experts" table) that turns the input into F features, followed by the same
two-layer readout. Two integers size it: `width`, the primitive's own width, and `hidden`, the readout's, which is the
fine knob of parameter matching (hetmoe.config). Strides keep the convolutions cheap: the paper's primitives at full
length spend 14.4 M multiply-adds an input, these a fraction of it.

To add an expert, subclass `Expert`, implement `features`, and decorate the class with `@register_expert("name")`.
"""

from collections.abc import Callable
from math import log2

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hetmoe.encoding import N_INPUTS

GRID = 32  # the 1024 inputs as a 32x32 grid (Spatial) or as 32 tokens of 32 values (Relational)

EXPERTS: dict[str, type["Expert"]] = {}


def register_expert(name: str) -> Callable[[type["Expert"]], type["Expert"]]:
    """Class decorator: makes an `Expert` available to configurations and checkpoints under `name`.

    Raises ValueError if the name is taken.
    """

    def register(expert: type["Expert"]) -> type["Expert"]:
        if name in EXPERTS:
            raise ValueError(f"an expert named {name!r} is already registered: {EXPERTS[name].__name__}")
        EXPERTS[name] = expert
        return expert

    return register


class Expert(nn.Module):
    """A primitive followed by a two-layer readout, (B, 1024) -> (B, C).

    Subclasses call `super().__init__(n_features, hidden, n_outputs)`, and implement `features`. Their own signature
    is `(width, hidden, n_outputs)`.

    Class attributes:
        label: what it is called beside others, if not by its registered name.
        width_step: widths are multiples of this.
        least_hidden: the readout that parameter matching leaves room for when it chooses the width.
    """

    label = ""
    width_step = 1
    least_hidden = 32

    def __init__(self, n_features: int, hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.readout = nn.Sequential(nn.Linear(n_features, hidden), nn.GELU(), nn.Linear(hidden, n_outputs))

    def features(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, F)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1024) standardised inputs -> (B, C) logits, or values for regression."""
        return self.readout(self.features(x))

    def uncounted_multiply_adds(self) -> int:
        """Multiply-adds per input that PyTorch's FLOP counter does not see (attention, FFT), by formula."""
        return 0


@register_expert("ffn")
class FFN(Expert):
    """Three-layer MLP with GELU: no inductive bias."""

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(width, hidden, n_outputs)
        self.first = nn.Linear(N_INPUTS, width)

    def features(self, x: Tensor) -> Tensor:
        return F.gelu(self.first(x))


@register_expert("spatial")
class Spatial(Expert):
    """3x3 2D convolutions on the input as a 32x32 grid: local grid structure.

    Five layers of 2W, 3W, 5W, 5W and 6W channels, at 32x32, 16x16, 8x8, 8x8 (residual) and 4x4. The last map is
    averaged to 2x2.
    """

    width_step = 2

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(6 * width * 4, hidden, n_outputs)
        self.stem = self._layer(1, 2 * width, stride=1)
        self.down = nn.Sequential(
            self._layer(2 * width, 3 * width, stride=2),
            self._layer(3 * width, 5 * width, stride=2),
        )
        self.residual = self._layer(5 * width, 5 * width, stride=1)
        self.last = self._layer(5 * width, 6 * width, stride=2)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it

    @staticmethod
    def _layer(c_in: int, c_out: int, stride: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(c_in, c_out, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )

    def maps(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, 5W, 8, 8): the residual layer, where each cell stands for 4x4 of the grid; at least 0."""
        y = self.down(self.stem(x.view(-1, 1, GRID, GRID)))
        return y + self.residual(y)

    def features(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.last(self.maps(x)), 2).flatten(1)


class CausalConv(nn.Module):
    """Dilated 1D convolution that looks back only, (B, C_in, T) -> (B, C_out, ceil(T / stride)).

    Output t depends on inputs up to t * stride: padding goes on the left alone. Where the shape stays, the layer is
    residual. Batch normalisation mixes no time steps at inference, so the whole layer is causal there (GroupNorm or
    LayerNorm over time would not be).
    """

    def __init__(self, c_in: int, c_out: int, kernel_size: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.left = (kernel_size - 1) * dilation
        self.residual = c_in == c_out and stride == 1
        self.conv = nn.Conv1d(c_in, c_out, kernel_size, stride, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(F.pad(x, (self.left, 0)))))
        return x + y if self.residual else y


@register_expert("temporal")
class Temporal(Expert):
    """Dilated causal 1D convolutions on the input as 1024 samples: multi-scale sequence structure.

    Three strided layers of W, W and 2W channels take the sequence to 256, 128 and 64 steps, three residual layers of
    dilation 2, 4 and 8 widen the view to 481 samples without a gap. The result is averaged over eight stretches of
    time.
    """

    width_step = 4
    least_hidden = 48
    stretches = 8

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(2 * width * self.stretches, hidden, n_outputs)
        self.layers = nn.Sequential(
            CausalConv(1, width, kernel_size=9, stride=4),
            CausalConv(width, width, kernel_size=3, stride=2),
            CausalConv(width, 2 * width, kernel_size=3, stride=2),
            *(CausalConv(2 * width, 2 * width, kernel_size=3, dilation=d) for d in (2, 4, 8)),
        )

    def sequence(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, 2W, 64): the last layer over time; step t has seen the samples up to 16 t and no later."""
        return self.layers(x[:, None, :])

    def features(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(self.sequence(x), self.stretches).flatten(1)

    def receptive_field(self) -> int:
        """How many samples one step of `sequence` sees, 481: step t those from 16 t - 480 to 16 t."""
        samples, stride = 1, 1
        for conv in self.layers.modules():
            if isinstance(conv, nn.Conv1d):
                samples += (conv.kernel_size[0] - 1) * conv.dilation[0] * stride
                stride *= conv.stride[0]
        return samples


def spectral_filter(x: Tensor, response: Tensor) -> Tensor:
    """Filters real signals in the frequency domain: FFT, multiply, inverse FFT.

    Args:
        x: (B, N) real signals.
        response: (K, N // 2 + 1) complex frequency responses; all ones is the identity.
    Returns:
        (B, K, N) real: each signal through each filter (a circular convolution).
    """
    return torch.fft.irfft(torch.fft.rfft(x)[:, None, :] * response, n=x.shape[-1])


@register_expert("spectral")
class Spectral(Expert):
    """FFT -> K = W learned complex filters -> inverse FFT: frequency domain.

    The filters start as a bank of bands spaced evenly in log frequency and are learned freely from there. Each
    filtered signal is normalised, rectified (GELU) and averaged over windows of 16 samples: its envelope at 64 points.
    """

    window = 16

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(width * (N_INPUTS // self.window), hidden, n_outputs)
        bins = torch.arange(N_INPUTS // 2 + 1)
        octaves = torch.log2(1.0 + bins)
        centres = torch.linspace(0.0, float(log2(N_INPUTS // 2 + 1)), width)[:, None]
        bandwidth = log2(N_INPUTS // 2 + 1) / width
        bands = torch.exp(-0.5 * ((octaves - centres) / bandwidth) ** 2)
        self.norm = nn.BatchNorm1d(width)
        self.response = nn.Parameter(torch.stack([bands, torch.zeros_like(bands)], -1))  # (K, N // 2 + 1, re and im)

    def filtered(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, K, 1024): the input through each learned filter."""
        return spectral_filter(x, torch.view_as_complex(self.response))

    def features(self, x: Tensor) -> Tensor:
        return F.avg_pool1d(F.gelu(self.norm(self.filtered(x))), self.window).flatten(1)

    def magnitude_response(self) -> Tensor:
        """(K, 513): |H_k(f)|, the gain of each learned filter at f = 0, 1, ..., 512 cycles in 1024 inputs."""
        return torch.view_as_complex(self.response).abs()

    def uncounted_multiply_adds(self) -> int:
        one_fft = 5 * N_INPUTS * log2(N_INPUTS) / 2  # floating-point operations of a complex FFT are 5 N log2 N
        filters = self.response.shape[0]
        product = 4 * filters * (N_INPUTS // 2 + 1)  # complex products
        return round(one_fft * (1 + filters) + product)


def spectral_filter_2d(x: Tensor, response: Tensor) -> Tensor:
    """Filters real grids in the frequency domain: 2D FFT, multiply, inverse FFT.

    Args:
        x: (B, 1 or K, S, S) real grids.
        response: (K, S, S // 2 + 1) complex frequency responses; all ones is the identity.
    Returns:
        (B, K, S, S) real: each grid through its filter (a circular convolution).
    """
    return torch.fft.irfft2(torch.fft.rfft2(x) * response, s=x.shape[-2:])


class GlobalFilter(nn.Module):
    """K learned complex filters of S x S grids, (B, 1 or K, S, S) -> (B, K, S, S) (Rao et al. 2021, "Global Filter
    Networks for Image Classification")."""

    def __init__(self, n_filters: int, side: int, mean: float, spread: float) -> None:
        super().__init__()
        response = spread * torch.randn(n_filters, side, side // 2 + 1, 2)
        response[..., 0] += mean
        self.side = side
        self.response = nn.Parameter(response)  # (K, S, S // 2 + 1, re and im)

    def forward(self, x: Tensor) -> Tensor:
        return spectral_filter_2d(x, torch.view_as_complex(self.response))

    def multiply_adds(self, n_inputs: int) -> float:
        """Per input, of which it transforms n_inputs grids and as many back as it has filters."""
        filters, cells = self.response.shape[0], self.side**2
        one_fft = 5 * cells * log2(cells) / 2
        return one_fft * (n_inputs + filters) + 4 * filters * self.side * (self.side // 2 + 1)


@register_expert("spectral-2d")
class Spectral2D(Expert):
    """2D FFT -> learned complex filters -> inverse FFT, on the input as a 32x32 grid: frequency domain.

    For spectrograms, in which a pattern stretches over time and frequency: in the frontier family. W / 3 filters of the
    whole grid, then, on W channels at 16x16, a residual block of a filter each and an MLP across channels; the result
    is averaged to 4x4.
    """

    label = "spectral"
    width_step = 3
    least_hidden = 24

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(width * 16, hidden, n_outputs)
        first = width // 3
        self.filters = GlobalFilter(first, GRID, mean=0.3, spread=0.2)
        self.norm = nn.BatchNorm2d(first)
        self.merge = nn.Conv2d(first, width, kernel_size=2, stride=2)
        self.block_filters = GlobalFilter(width, GRID // 2, mean=1.0, spread=0.02)
        self.block_norm = nn.BatchNorm2d(width)
        self.mlp = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Conv2d(2 * width, width, 1))
        self.last_norm = nn.BatchNorm2d(width)

    def features(self, x: Tensor) -> Tensor:
        y = self.merge(F.gelu(self.norm(self.filters(x.view(-1, 1, GRID, GRID)))))
        y = y + self.mlp(self.block_norm(self.block_filters(y)))
        return F.adaptive_avg_pool2d(F.gelu(self.last_norm(y)), 4).flatten(1)

    def magnitude_response(self) -> Tensor:
        """(K, 32, 17): the gain of each first filter at 0 to 15 and -16 to -1 cycles down, 0 to 16 across."""
        response = torch.view_as_complex(self.filters.response)
        # 0 and 16 cycles across are their own opposites: a real grid meets the mean of both ways down.
        ends = response[..., [0, -1]]
        first, last = ((ends + ends.flip(1).roll(1, 1).conj()) / 2).split(1, -1)
        return torch.cat([first, response[..., 1:-1], last], -1).abs()

    def uncounted_multiply_adds(self) -> int:
        return round(self.filters.multiply_adds(1) + self.block_filters.multiply_adds(self.merge.out_channels))


class AttentionBlock(nn.Module):
    """Pre-norm transformer block on (B, T, D): self-attention, then an MLP of width 2 D."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.project = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def heads(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (3, B, H, T, D/H): queries, keys and values of each head."""
        return self.qkv(self.norm_attention(x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)

    def attention(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, T): how much each token (row) attends to each other (column); rows sum to 1.

        The same softmax(q k^T / sqrt(D/H)) that `forward` leaves to a fused kernel, which does not give it away.
        """
        q, k, _ = self.heads(x)
        return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.heads(x)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.project(attended)
        return x + self.mlp(self.norm_mlp(x))


@register_expert("relational")
class Relational(Expert):
    """Self-attention over the input as 32 tokens of 32 values: pairwise structure.

    Tokens are embedded to D = W dimensions, learned positions are added, two transformer blocks follow; the readout
    sees all 32 tokens, so that it knows which row says what.
    """

    width_step = 4  # also the number of heads
    least_hidden = 24

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(GRID * width, hidden, n_outputs)
        self.embed = nn.Linear(GRID, width)
        self.position = nn.Parameter(0.02 * torch.randn(GRID, width))
        self.blocks = nn.Sequential(*[AttentionBlock(width, n_heads=self.width_step) for _ in range(2)])
        self.norm = nn.LayerNorm(width)

    def tokens(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, 32, D): the rows, embedded, each with its position."""
        return self.embed(x.view(-1, GRID, GRID)) + self.position

    def features(self, x: Tensor) -> Tensor:
        return self.norm(self.blocks(self.tokens(x))).flatten(1)

    def attention(self, x: Tensor) -> Tensor:
        """(B, 1024) -> (B, 2, 32, 32): per block, row t is what token t attends to; mean over heads, rows sum to 1."""
        tokens, maps = self.tokens(x), []
        for block in self.blocks:
            assert isinstance(block, AttentionBlock)  # for mypy: a Sequential holds modules of any kind
            maps.append(block.attention(tokens).mean(1))
            tokens = block(tokens)
        return torch.stack(maps, 1)

    def uncounted_multiply_adds(self) -> int:
        return len(self.blocks) * 2 * GRID * GRID * self.position.shape[1]  # q k^T and the weighted sum of v
