"""Calibration: the temperature at which probabilities mean what they say."""

from math import log

import numpy as np
import pytest

from tests.evaluations import evaluation, repeated
from training.calibration import BOUNDS, cooled, temperature


@pytest.mark.parametrize(("says", "right"), [(0.99, 75), (0.6, 75), (0.8, 80), (0.99, 60)])
def test_a_temperature_by_hand(says, right):
    """With logits z and 0, right in r of 100: z / T = log(r / (100 - r))."""
    e = repeated([says, 1 - says], right, 100 - right)
    assert temperature(e) == pytest.approx(log(says / (1 - says)) / log(right / (100 - right)), rel=1e-3)


def test_no_other_temperature_is_better():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.3, 0.3], 500)
    e = evaluation(probabilities.clip(1e-6).tolist(), list(rng.integers(0, 2, 500) & (probabilities[:, 1] > 0.4)))
    t = temperature(e)
    assert cooled(e, t).loss < min(cooled(e, by).loss for by in (t / 1.1, 1.1 * t, 1.0))


def test_always_right_is_as_cool_and_always_wrong_as_hot_as_may_be():
    assert temperature(repeated([0.6, 0.4], 10, 0)) == pytest.approx(BOUNDS[0], rel=0.1)
    assert temperature(repeated([0.6, 0.4], 0, 10)) == pytest.approx(BOUNDS[1], rel=0.1)


def test_six_digits():
    t = temperature(repeated([0.99, 0.01], 75, 25))
    assert t == float(f"{t:.6g}")
    assert isinstance(t, float)


def test_cooling_divides_the_mixtures_logits_and_nothing_else():
    e = repeated([0.9, 0.1], 2, 1)
    cool = cooled(e, 2.0)
    assert np.array_equal(cool.logits, e.logits / 2)
    assert cool.logits.dtype == np.float32
    for field in ("routing_weights", "expert_logits", "labels"):
        assert getattr(cool, field) is getattr(e, field)
    assert np.array_equal(cool.correct, e.correct)
