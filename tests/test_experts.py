"""Every registered expert keeps the promises of `Expert`; each primitive is what its name says."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import training.baselines  # noqa: F401 - registers "resnet", which other tests may or may not have imported before
from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.encoding import N_INPUTS
from hetmoe.experts import (
    EXPERTS,
    Expert,
    Relational,
    Spatial,
    Spectral,
    Spectral2D,
    Temporal,
    register_expert,
    spectral_filter,
    spectral_filter_2d,
)
from hetmoe.model import HetMoE

every_expert = pytest.mark.parametrize("name", sorted(EXPERTS))


def build(name: str, n_outputs: int = 10, seed: int = 0) -> Expert:
    torch.manual_seed(seed)
    expert = EXPERTS[name]
    # On one thread, torch 2.11 ends the process in the backward pass of a resnet with two channels.
    return expert(8 if name == "resnet" else 2 * expert.width_step, 8, n_outputs)


def settled(name: str) -> Expert:
    """In evaluation mode, its batch normalisations with statistics that are not their initial 0 and 1."""
    expert = build(name)
    for _ in range(20):
        expert(3 * torch.randn(16, N_INPUTS) + 1)
    return expert.eval()


# Every expert


@every_expert
@pytest.mark.parametrize("n_outputs", [1, 10, 37])
@pytest.mark.parametrize("batch", [2, 7])
def test_shapes(name, n_outputs, batch):
    output = build(name, n_outputs)(torch.randn(batch, N_INPUTS))
    assert output.shape == (batch, n_outputs)
    assert output.dtype == torch.float32


@every_expert
@pytest.mark.parametrize("x", [torch.zeros(4, N_INPUTS), 1e4 * torch.ones(4, N_INPUTS), torch.randn(4, N_INPUTS)])
def test_no_nan(name, x):
    expert = build(name)
    assert expert(x).isfinite().all()
    assert expert.eval()(x).isfinite().all()


@every_expert
def test_a_gradient_for_every_parameter(name):
    expert = build(name)
    expert(torch.randn(16, N_INPUTS)).square().sum().backward()
    for parameter_name, parameter in expert.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@every_expert
def test_one_input_alone_is_as_in_a_batch(name):
    expert, x = settled(name), torch.randn(5, N_INPUTS)
    together = expert(x)
    for i in range(5):
        alone = expert(x[i : i + 1])
        assert alone.shape == (1, 10)
        torch.testing.assert_close(alone[0], together[i], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(EXPERTS) - {"resnet"}))  # whose last maps are 1x1 when it is this narrow
def test_one_input_alone_is_learned_from(name):
    """Of a batch, thresholded routing may ask an expert about one input only."""
    output = build(name)(torch.randn(1, N_INPUTS))
    output.square().sum().backward()
    assert output.isfinite().all()


@every_expert
def test_same_seed_same_initialisation(name):
    first, again, other = (build(name, seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_expert
def test_different_inputs_have_different_outputs(name):
    output = settled(name)(torch.randn(2, N_INPUTS))
    assert not torch.equal(output[0], output[1])


# The registry


@pytest.fixture
def toy() -> Iterator[type[Expert]]:
    @register_expert("toy")
    class Toy(Expert):
        """One decorated class is all that a new expert takes."""

        def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
            super().__init__(width, hidden, n_outputs)
            self.project = nn.Linear(N_INPUTS, width)

        def features(self, x: Tensor) -> Tensor:
            return self.project(x).sin()

    yield Toy
    del EXPERTS["toy"]


def test_a_new_expert_is_one_decorated_class(toy):
    model = HetMoE(ModelConfig((ExpertConfig("toy", 3, 4), ExpertConfig("ffn", 2, 4)), n_outputs=6))
    assert isinstance(model.experts[0], toy)
    assert model(torch.randn(5, N_INPUTS)).expert_logits.shape == (5, 2, 6)
    assert model.config.expert_labels() == ("toy", "ffn")


def test_a_name_is_registered_once(toy):
    with pytest.raises(ValueError, match="'toy' is already registered: Toy"):
        register_expert("toy")(toy)
    with pytest.raises(ValueError, match="'temporal' is already registered: Temporal"):
        register_expert("temporal")(toy)
    assert EXPERTS["temporal"] is Temporal


def test_an_unregistered_expert_is_unknown():
    with pytest.raises(ValueError, match="unknown expert 'toy'; registered are ffn, relational, resnet, spatial"):
        ModelConfig((ExpertConfig("toy", 3, 4),))


# Temporal: causal. The original's "causal" convolution was padded on both sides.

POSITIONS = (0, 1, 15, 16, 17, 300, 511, 512, 1007, 1008)


@pytest.fixture(scope="module")
def temporal() -> Temporal:
    expert = settled("temporal")
    assert isinstance(expert, Temporal)
    return expert


@pytest.fixture(scope="module")
def positive() -> Temporal:
    """With positive weights on positive inputs no ReLU is closed and nothing cancels: what is seen shows."""
    expert = build("temporal").eval()
    assert isinstance(expert, Temporal)
    with torch.no_grad():
        for name, parameter in expert.layers.named_parameters():
            if name.endswith("conv.weight"):
                parameter.abs_()
    return expert


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("change", [3.0, -100.0])
def test_no_earlier_output_sees_a_future_sample(temporal, position, change):
    x = torch.randn(3, N_INPUTS)
    changed = x.clone()
    changed[:, position] += change
    before, after = temporal.sequence(x), temporal.sequence(changed)
    first = -(-position // 16)  # step t has seen the samples up to 16 t, so this is the first that sees `position`
    assert before.shape[::2] == (3, 64)
    assert torch.equal(before[..., :first], after[..., :first])
    assert not torch.equal(before[..., first:], after[..., first:])


@pytest.mark.parametrize("position", [*POSITIONS, *range(100, 117)])
def test_the_first_output_that_may_see_a_sample_does(positive, position):
    x = torch.rand(1, N_INPUTS)
    changed = x.clone()
    changed[:, position] += 1
    differs = (positive.sequence(x) != positive.sequence(changed)).any(1)[0]
    assert differs.nonzero()[0].item() == -(-position // 16)


def test_moving_a_future_stretch_changes_no_earlier_output(temporal):
    x = torch.randn(2, N_INPUTS)
    moved = torch.cat((x[:, :641], x[:, 641:].roll(50, dims=1)), 1)  # samples up to 640 = 16 * 40 stay
    before, after = temporal.sequence(x), temporal.sequence(moved)
    assert torch.equal(before[..., :41], after[..., :41])
    assert not torch.equal(before[..., 41:], after[..., 41:])


@pytest.mark.parametrize("step", [0, 1, 30, 62, 63])
def test_no_gradient_flows_to_future_samples(temporal, step):
    x = torch.randn(1, N_INPUTS, requires_grad=True)
    temporal.sequence(x)[..., step].sum().backward()
    assert x.grad is not None
    assert not x.grad[0, 16 * step + 1 :].any()
    assert x.grad[0, : 16 * step + 1].any()


@pytest.mark.parametrize("step", [30, 40, 63])
def test_receptive_field_of_481_samples_without_a_gap(positive, step):
    x = torch.rand(1, N_INPUTS, requires_grad=True)
    positive.sequence(x)[..., step].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].nonzero()[:, 0]
    assert seen.tolist() == list(range(16 * step - 480, 16 * step + 1))
    assert len(seen) == positive.receptive_field()


# Spectral: FFT, filter, inverse FFT. The original's had no FFT.

N_BINS = N_INPUTS // 2 + 1


def tones(bins: list[int]) -> Tensor:
    """(len(bins), 1024) cosines of amplitude 1."""
    return torch.cos(2 * torch.pi * torch.tensor(bins)[:, None] * torch.arange(N_INPUTS) / N_INPUTS)


def test_a_filter_of_ones_is_the_identity():
    x = torch.randn(3, N_INPUTS)
    y = spectral_filter(x, torch.ones(2, N_BINS, dtype=torch.complex64))
    assert y.shape == (3, 2, N_INPUTS)
    torch.testing.assert_close(y, x[:, None, :].expand(-1, 2, -1), rtol=0, atol=1e-5)

    expert = settled("spectral")
    assert isinstance(expert, Spectral)
    with torch.no_grad():
        expert.response.copy_(torch.tensor([1.0, 0.0]).expand_as(expert.response))  # 1 + 0i
    torch.testing.assert_close(expert.filtered(x), y, rtol=0, atol=1e-5)


def test_a_tone_excites_its_own_bin_and_no_other():
    bins = [0, 1, 2, 100, 511, 512]
    single = torch.eye(N_BINS, dtype=torch.complex64)[bins]  # filter i lets only bin i through
    x = tones(bins)
    energy = spectral_filter(x, single).square().mean(-1)  # (tone, filter)
    # A cosine's mean square is 1/2; that of bins 0 (constant) and 512 (alternating +1 and -1) is 1.
    torch.testing.assert_close(energy, torch.diag(torch.tensor([1.0, 0.5, 0.5, 0.5, 0.5, 1.0])), rtol=0, atol=1e-4)
    assert torch.fft.rfft(x).abs().argmax(-1).tolist() == bins


def test_filtering_is_circular_convolution():
    """A response of exp(-2 pi i k s / N) delays the signal by s samples, by the shift theorem."""
    x = torch.randn(2, N_INPUTS)
    delay = torch.exp(-2j * torch.pi * torch.arange(N_BINS) * 5 / N_INPUTS)[None]
    torch.testing.assert_close(spectral_filter(x, delay)[:, 0], x.roll(5, dims=1), rtol=0, atol=1e-4)


def test_the_experts_forward_goes_through_its_response():
    """Shifting the response along frequency changes the output; an expert deaf to one bin does not hear its tone."""
    expert, x = settled("spectral"), torch.randn(2, N_INPUTS)
    assert isinstance(expert, Spectral)
    before = expert(x)
    with torch.no_grad():
        expert.response.copy_(expert.response.roll(7, dims=1))
    assert (expert(x) - before).abs().max() > 1e-3

    tone, silence = 20 * tones([100]), expert(torch.zeros(1, N_INPUTS))
    assert (expert(tone) - silence).abs().max() > 1e-2
    with torch.no_grad():
        expert.response[:, 100] = 0
    torch.testing.assert_close(expert(tone), silence, rtol=0, atol=1e-4)


def test_the_magnitude_response_is_the_gain_of_a_tone():
    """From the constant, bin 0, to the alternating signal, bin 512; also after training has moved the phases."""
    expert, bins = settled("spectral"), [0, 1, 2, 100, 511, 512]
    assert isinstance(expert, Spectral)
    with torch.no_grad():
        expert.response[:, 1:-1] = torch.randn_like(expert.response[:, 1:-1])
        gain = (expert.filtered(tones(bins)).square().mean(-1) / tones(bins).square().mean(-1, keepdim=True)).sqrt()
    assert expert.magnitude_response().shape == (2, N_BINS)
    torch.testing.assert_close(gain, expert.magnitude_response()[:, bins].T.detach(), rtol=1e-3, atol=1e-4)


def test_the_initial_filters_cover_the_frequencies_in_order():
    torch.manual_seed(0)
    expert = Spectral(16, 8, 10)
    loudest = [int(expert.filtered(tones([k])).square().mean(-1).argmax()) for k in (0, 2, 8, 32, 128, 512)]
    assert loudest == sorted(set(loudest))
    assert (loudest[0], loudest[-1]) == (0, 15)


# Spectral in two dimensions


def waves(rows: int, columns: int) -> Tensor:
    """(1, 32, 32) a cosine of that many cycles down and across."""
    phase = rows * torch.arange(32)[:, None] + columns * torch.arange(32)
    return torch.cos(2 * torch.pi * phase / 32)[None]


def test_a_2d_filter_of_ones_is_the_identity():
    x = torch.randn(3, 1, 32, 32)
    y = spectral_filter_2d(x, torch.ones(2, 32, 17, dtype=torch.complex64))
    assert y.shape == (3, 2, 32, 32)
    torch.testing.assert_close(y, x.expand(-1, 2, -1, -1), rtol=0, atol=1e-5)


def test_2d_filtering_is_circular_convolution_each_grid_with_its_own_filter():
    """exp(-2 pi i (k s + l t) / N) moves a grid down by s and to the right by t, by the shift theorem."""
    x = torch.randn(2, 3, 16, 16)
    down, right = torch.tensor([0, 5, 1]), torch.tensor([0, 2, 9])
    turns = down[:, None, None] * torch.arange(16)[:, None] + right[:, None, None] * torch.arange(9)
    y = spectral_filter_2d(x, torch.exp(-2j * torch.pi * turns / 16))
    moved = [x[:, i].roll((int(down[i]), int(right[i])), (1, 2)) for i in range(3)]
    torch.testing.assert_close(y, torch.stack(moved, 1), rtol=0, atol=1e-4)


@pytest.fixture
def spectral_2d() -> Spectral2D:
    expert = settled("spectral-2d")
    assert isinstance(expert, Spectral2D)
    return expert


def test_the_2d_magnitude_response_is_the_gain_of_a_wave(spectral_2d):
    assert spectral_2d.magnitude_response().shape == (2, 32, 17)
    for rows, columns in ((0, 3), (4, 1), (-5, 7), (31, 2)):
        filtered = spectral_2d.filters(waves(rows, columns)[None])[0]
        gain = (filtered.square().mean((1, 2)) / waves(rows, columns).square().mean()).sqrt()
        expected = spectral_2d.magnitude_response()[:, rows, columns]
        torch.testing.assert_close(gain, expected, rtol=1e-4, atol=1e-5)


def test_a_2d_filter_deaf_to_a_wave_does_not_hear_it(spectral_2d):
    wave, silence = 5 * waves(4, 3).view(1, N_INPUTS), spectral_2d(torch.zeros(1, N_INPUTS))
    assert (spectral_2d(wave) - silence).abs().max() > 1e-2
    with torch.no_grad():
        spectral_2d.filters.response[:, 4, 3] = 0
    torch.testing.assert_close(spectral_2d(wave), silence, rtol=0, atol=1e-4)


def test_the_block_of_the_2d_spectral_expert_filters_at_half_the_size(spectral_2d):
    seen: list[Tensor] = []
    spectral_2d.block_filters.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(2, N_INPUTS)
    before = spectral_2d(x)
    assert seen[0].shape == (2, 6, 16, 16)
    assert spectral_2d.features(x).shape == (2, 6 * 16)
    with torch.no_grad():
        spectral_2d.block_filters.response.mul_(-1)
    assert (spectral_2d(x) - before).abs().max() > 1e-3


# Spatial: local


@pytest.mark.parametrize("pixel", [(0, 0), (31, 31), (13, 22), (16, 16), (5, 0)])
def test_a_pixel_changes_only_nearby_outputs(pixel):
    """Outputs i of the stem see pixels i-1 to i+1, of the next layer 2i-2 to 2i+2, of the third 4i-4 to 4i+4."""
    expert = settled("spatial")
    assert isinstance(expert, Spatial)
    x = torch.randn(1, N_INPUTS)
    changed = x.clone().view(32, 32)
    changed[pixel] += 50
    before, after = x.view(1, 1, 32, 32), changed.view(1, 1, 32, 32)
    for layer, stride, reach in ((expert.stem, 1, 1), (expert.down[0], 2, 2), (expert.down[1], 4, 4)):
        before, after = layer(before), layer(after)
        differs = (before != after).any(1)[0].nonzero()
        assert len(differs) > 0
        assert ((stride * differs - torch.tensor(pixel)).abs() <= reach).all()


def test_the_convolutions_see_the_input_as_a_grid_of_32_rows():
    """In the expert's own forward, the same pixel one row further down moves the stem's answer one row further down."""
    expert = settled("spatial")
    assert isinstance(expert, Spatial)
    answers: list[Tensor] = []
    expert.stem.register_forward_hook(lambda *arguments: answers.append(arguments[2]))
    x = torch.zeros(2, N_INPUTS)
    x[0, 10 * 32 + 7] = x[1, 11 * 32 + 7] = 1
    expert(x)
    first, second = answers[0]
    assert first.shape[1:] == (32, 32)
    assert torch.equal(first[:, 8:13], second[:, 9:14])
    assert not torch.equal(first, second)


# Relational: attention over 32 tokens with positions


@pytest.fixture
def relational() -> Relational:
    expert = settled("relational")
    assert isinstance(expert, Relational)
    return expert


def test_attention_over_32_tokens_each_seeing_each(relational):
    seen: list[Tensor] = []
    relational.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    relational(torch.randn(3, N_INPUTS))
    assert seen[0].shape == (3, 32, 8)
    tokens = seen[0].detach().requires_grad_()
    relational.blocks[0](tokens)[0, 4].sum().backward()  # token 4 of input 0
    assert tokens.grad is not None
    assert (tokens.grad[0].abs().sum(-1) > 0).all()
    assert not tokens.grad[1:].any()


def test_positions_are_added_and_the_order_of_rows_matters(relational):
    x = torch.randn(2, N_INPUTS)
    permuted = x.view(2, 32, 32)[:, torch.randperm(32)].reshape(2, N_INPUTS)
    assert (relational(x) - relational(permuted)).abs().max() > 1e-3
    before = relational(x)
    with torch.no_grad():
        relational.position.add_(torch.randn_like(relational.position))
    assert (relational(x) - before).abs().max() > 1e-3


def test_without_positions_the_blocks_only_permute(relational):
    tokens, order = torch.randn(2, 32, 8), torch.randperm(32)
    torch.testing.assert_close(relational.blocks(tokens[:, order]), relational.blocks(tokens)[:, order])


def test_the_attention_shown_is_the_attention_used(relational):
    """With it in place of the fused kernel, a block's output is the same."""
    x = torch.randn(3, N_INPUTS)
    tokens, shown = relational.tokens(x), relational.attention(x)
    assert shown.shape == (3, 2, 32, 32)
    torch.testing.assert_close(shown.sum(-1), torch.ones(3, 2, 32))
    for i, block in enumerate(relational.blocks):
        attention = block.attention(tokens)  # B H T T
        torch.testing.assert_close(attention.mean(1), shown[:, i])
        mixed = tokens + block.project((attention @ block.heads(tokens)[2]).transpose(1, 2).flatten(2))
        tokens, by_hand = block(tokens), mixed + block.mlp(block.norm_mlp(mixed))
        torch.testing.assert_close(tokens, by_hand)


def test_equal_keys_get_equal_attention(relational):
    attention = relational.blocks[0].attention(torch.randn(1, 1, 8).expand(1, 32, 8))
    torch.testing.assert_close(attention, torch.full((1, 4, 32, 32), 1 / 32))
