"""What-ifs by hand, attributions that add up, and what the experts show of themselves."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hetmoe.analysis import WhatIf, attributions, contributions, energy, inside, remix
from hetmoe.encoding import FAMILIES, Family
from hetmoe.experts import GRID
from hetmoe.inference import Prediction, Predictor, default_checkpoint
from tests.media import SAMPLES
from tests.tiny import STATISTICS, tiny_checkpoint

PICTURE = sorted(SAMPLES.glob("cifar10-*.png"))[0]
DIGIT = sorted(SAMPLES.glob("mnist-*.png"))[0]
RECORDING = sorted(SAMPLES.glob("speech-*.wav"))[0]
EXPERTS = ("spatial", "temporal", "spectral", "relational")


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(tiny_checkpoint(), torch.device("cpu"))


def one_of_each(predictor: Predictor) -> list[Prediction]:
    return [predictor.picture(PICTURE), predictor.digit(DIGIT), *predictor.recording_file(RECORDING).values()]


def by_hand(*routing_weights: float) -> Prediction:
    """Expert i says i + 1 for the first class and nothing for the others."""
    g = np.array(routing_weights or (0.4, 0.3, 0.2, 0.1))
    logits = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0])
    return Prediction("spatial", np.zeros(1024, np.float32), EXPERTS, ("cat", "dog", "cow"), g, logits)


# What if


@pytest.mark.parametrize(
    ("what_if", "expected"),
    [
        (WhatIf(), [0.4, 0.3, 0.2, 0.1]),
        (WhatIf(temperature=0.5), [16 / 30, 9 / 30, 4 / 30, 1 / 30]),  # the squares
        (WhatIf(shares={"spatial": 0}), [0, 3 / 6, 2 / 6, 1 / 6]),  # muted
        (WhatIf(shares={"spatial": 0}, temperature=0.5), [0, 9 / 14, 4 / 14, 1 / 14]),
        (WhatIf(shares={"relational": 0.4}), [0.6 * 4 / 9, 0.6 * 3 / 9, 0.6 * 2 / 9, 0.4]),
        (WhatIf("uniform"), [0.25, 0.25, 0.25, 0.25]),
        (WhatIf("uniform", shares={"temporal": 0}), [1 / 3, 0, 1 / 3, 1 / 3]),
        (WhatIf("uniform", shares={"temporal": 0.7}), [0.1, 0.7, 0.1, 0.1]),
        (WhatIf("uniform", temperature=0.5), [0.25, 0.25, 0.25, 0.25]),  # it sharpens the learned routing only
        (WhatIf("top-1"), [1, 0, 0, 0]),
        (WhatIf("top-1", shares={"spatial": 0}), [0, 1, 0, 0]),
        (WhatIf("top-1", shares={"relational": 0.25, "spatial": 0}), [0, 0.75, 0, 0.25]),
        (WhatIf(shares={"spatial": 1}), [1, 0, 0, 0]),  # soloed
        (WhatIf(shares={"spatial": 1, "temporal": 0.6}), [1 / 1.6, 0.6 / 1.6, 0, 0]),  # more than there is
        (WhatIf(shares=dict.fromkeys(EXPERTS, 0.1)), [0.25, 0.25, 0.25, 0.25]),  # nobody to take the rest
        (WhatIf(shares=dict.fromkeys(EXPERTS, 1)), [0.25, 0.25, 0.25, 0.25]),
        (WhatIf(shares=dict.fromkeys(EXPERTS, 0)), [0, 0, 0, 0]),  # all muted: no answer
    ],
)
def test_remix_by_hand(what_if: WhatIf, expected: list[float]) -> None:
    mixed = remix(by_hand(), what_if)
    np.testing.assert_allclose(mixed.routing_weights, expected, rtol=1e-12)
    assert mixed.logits[0] == pytest.approx(np.dot(expected, [1, 2, 3, 4]))


def test_a_tie_goes_to_the_first() -> None:
    assert remix(by_hand(0.2, 0.3, 0.3, 0.2), WhatIf("top-1")).routing_weights.tolist() == [0, 1, 0, 0]


def test_temperature_from_one_extreme_to_the_other() -> None:
    for sharpest in (1e-300, 1e-5):
        assert remix(by_hand(), WhatIf(temperature=sharpest)).routing_weights.tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(remix(by_hand(), WhatIf(temperature=1e6)).routing_weights, 0.25, atol=1e-6)


def test_where_the_router_gives_the_free_nothing_they_are_equal() -> None:
    """A hard router, its choice muted: its weights do not say who is next."""
    muted = WhatIf(shares={"spatial": 0})
    np.testing.assert_allclose(remix(by_hand(1, 0, 0, 0), muted).routing_weights, [0, 1 / 3, 1 / 3, 1 / 3])


def test_remix_changes_nothing_but_the_routing_weights(predictor: Predictor) -> None:
    before = predictor.picture(PICTURE)
    logits, weights = before.logits.copy(), before.routing_weights.copy()
    after = remix(before, WhatIf("top-1"))
    assert (before.logits == logits).all() and (before.routing_weights == weights).all()
    assert after.expert_logits is before.expert_logits and after.encoding is before.encoding
    np.testing.assert_array_equal(after.logits, before.expert_logits[weights.argmax()])
    np.testing.assert_allclose(remix(before, WhatIf()).logits, logits, rtol=1e-5)
    json.dumps(after.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"routing": "random"}, "routing must be one of learned, top-1, uniform, not 'random'"),
        ({"temperature": 0}, "temperature must be a finite number above 0, not 0"),
        ({"temperature": -1}, "temperature must be"),
        ({"temperature": float("inf")}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"shares": {"spatial": 1.5}}, "share of spatial must be a number from 0 to 1, not 1.5"),
        ({"shares": {"spatial": -0.1}}, "share of spatial must be"),
        ({"shares": {"spatial": float("nan")}}, "share of spatial must be"),
    ],
)
def test_an_impossible_what_if(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WhatIf(**wrong)


def test_an_expert_that_is_not_there() -> None:
    expected = "there is no expert 'ffn'; the experts are spatial, temporal, spectral, relational"
    with pytest.raises(ValueError, match=expected):
        remix(by_hand(), WhatIf(shares={"ffn": 0}))


# Contributions and energy


def test_contributions_sum_to_the_logits(predictor: Predictor) -> None:
    assert contributions(by_hand())[:, 0].tolist() == pytest.approx([0.4, 0.6, 0.6, 0.4])
    for p in one_of_each(predictor):
        assert contributions(p).shape == (4, 10)
        np.testing.assert_allclose(contributions(p).sum(0), p.logits, rtol=1e-12)


def test_energy_by_hand() -> None:
    """-ln(1 + 2 + 5) = -ln 8; a constant more in every logit is that much less energy."""
    p = replace(by_hand(1, 0, 0, 0), expert_logits=np.log([[1.0, 2.0, 5.0]] * 4))
    assert energy(p) == pytest.approx(-np.log(8))
    assert energy(replace(p, expert_logits=p.expert_logits + 1000)) == pytest.approx(-1000 - np.log(8))


# Attributions


def with_experts(predictor: Predictor, *experts: nn.Module) -> Predictor:
    predictor.checkpoint.model.experts = nn.ModuleList(experts)
    return predictor


class Squares(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square()


def test_attributions_of_a_linear_and_a_quadratic_expert_by_hand(predictor: Predictor) -> None:
    """Of w x + b: w x. Of x_c squared: itself for input c, 0 for the others. The midpoint rule is exact for both."""
    linear = nn.Linear(1024, 10)
    p = with_experts(predictor, linear, Squares())
    encoding = np.random.default_rng(0).normal(size=1024).astype(np.float32)
    x = (encoding - STATISTICS["temporal"].mean) / STATISTICS["temporal"].std
    of_linear, of_squares = attributions(p, encoding, "temporal", 3)
    np.testing.assert_allclose(of_linear, linear.weight[3].detach().numpy() * x, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(of_squares, np.where(np.arange(1024) == 3, x**2, 0), rtol=1e-4)


def completeness(predictor: Predictor, p: Prediction, class_index: int) -> tuple[np.ndarray, np.ndarray]:
    """(E,) what the attributions sum to, and what they must: f_i[c](x) - f_i[c](0)."""
    summed = attributions(predictor, p.encoding, p.modality, class_index).sum(1)
    with torch.no_grad():
        baseline = predictor.checkpoint.model(torch.zeros(1, 1024)).expert_logits[0, :, class_index].numpy()
    return summed, p.expert_logits[:, class_index] - baseline


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("weights", ["tiny", "homogeneous", "heterogeneous", "hybrid"])
def test_attributions_sum_to_the_difference_from_the_baseline(weights: str, family: Family) -> None:
    if weights == "tiny":
        predictor = Predictor(tiny_checkpoint(family=family), torch.device("cpu"))
    else:
        predictor = Predictor.load(default_checkpoint(weights, family), "cpu")
    pairs = [completeness(predictor, p, c) for p in one_of_each(predictor) for c in (int(p.logits.argmax()), 5)]
    summed, expected = map(np.array, zip(*pairs, strict=True))  # (8, E) each
    missed = np.abs(summed - expected).mean(0) / np.abs(expected).mean(0)
    # Untrained attention bends more on the frontier's two kinds of distances than 64 steps follow.
    assert (missed < (0.1 if weights == "tiny" and family == "frontier" else 0.05)).all(), missed


def test_attributions_leave_the_model_as_it_is_and_need_no_gradient_mode(predictor: Predictor) -> None:
    p = predictor.picture(PICTURE)
    expected = attributions(predictor, p.encoding, "spatial", 0)
    assert expected.shape == (4, 1024) and np.isfinite(expected).all()
    for mode in (torch.inference_mode(), torch.no_grad()):
        with mode:
            np.testing.assert_array_equal(attributions(predictor, p.encoding, "spatial", 0), expected)
    assert all(parameter.grad is None for parameter in predictor.checkpoint.model.parameters())
    assert not np.allclose(attributions(predictor, p.encoding, "spatial", 1), expected)


def test_eight_threads_get_the_same_attributions(predictor: Predictor) -> None:
    predictions = one_of_each(predictor)

    def explain(i: int) -> np.ndarray:
        p = predictions[i % 4]
        return attributions(predictor, p.encoding, p.modality, i % 10)

    expected = [explain(i) for i in range(20)]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(explain, range(20)), expected, strict=True):
            np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-7)


def test_a_class_or_a_modality_that_is_not_there(predictor: Predictor) -> None:
    with pytest.raises(IndexError):
        attributions(predictor, np.zeros(1024), "spatial", 10)
    with pytest.raises(KeyError, match="smell"):
        inside(predictor, np.zeros(1024), "smell")


# Inside the experts


def test_inside_is_plain_data_of_the_shapes_it_promises(predictor: Predictor) -> None:
    for p in one_of_each(predictor):
        view = json.loads(json.dumps(inside(predictor, p.encoding, p.modality), allow_nan=False))
        assert tuple(view) == EXPERTS
        assert np.shape(view["spatial"]["activation"]) == (8, 8)
        assert np.shape(view["temporal"]["activation"]) == (64,)
        assert view["temporal"]["receptive_field"] == 481
        assert np.shape(view["spectral"]["magnitude_response"]) == (1, 513)
        assert np.shape(view["relational"]["attention"]) == (2, GRID, GRID)
        np.testing.assert_allclose(np.sum(view["relational"]["attention"], -1), 1, atol=1e-5)
        assert min(np.min(view["spatial"]["activation"]), np.min(view["temporal"]["activation"])) >= 0


def test_the_frontiers_spectral_expert_shows_the_gain_of_filters_of_the_grid() -> None:
    predictor = Predictor(tiny_checkpoint(family="frontier"), torch.device("cpu"))
    for p in one_of_each(predictor):
        view = json.loads(json.dumps(inside(predictor, p.encoding, p.modality), allow_nan=False))
        assert tuple(view) == EXPERTS
        assert np.shape(view["spectral"]["magnitude_response"]) == (1, GRID, GRID // 2 + 1)
        assert np.min(view["spectral"]["magnitude_response"]) >= 0


def test_an_ffn_shows_nothing() -> None:
    pictures = {c: Predictor(tiny_checkpoint(c), torch.device("cpu")) for c in ("homogeneous", "hybrid")}
    encoding = pictures["hybrid"].picture(PICTURE).encoding
    assert inside(pictures["homogeneous"], encoding, "spatial") == {}
    assert list(inside(pictures["hybrid"], encoding, "spatial")) == ["spatial", "temporal", "spectral"]


def test_a_change_of_the_input_shows_where_it_was_made(predictor: Predictor) -> None:
    """A pixel changes nearby cells of the spatial map, a sample the steps that see it, neither of them the filters."""
    encoding = predictor.picture(PICTURE).encoding
    row, column = 20, 9
    sample = row * GRID + column  # the same number, on the grid and in time
    changed = encoding.copy()
    changed[sample] += 3
    before, after = (inside(predictor, x, "spatial") for x in (encoding, changed))

    def differs(expert: str) -> np.ndarray:
        return np.argwhere(np.array(before[expert]["activation"]) != np.array(after[expert]["activation"]))

    # Cell i of the third layer sees pixels 4i - 4 to 4i + 4, and the residual layer adds its neighbours.
    assert len(differs("spatial")) and (np.abs(4 * differs("spatial") - [row, column]) <= 8).all()
    assert len(differs("temporal"))
    assert (16 * differs("temporal") - 480 <= sample).all() and (sample <= 16 * differs("temporal")).all()
    assert before["spectral"] == after["spectral"]
