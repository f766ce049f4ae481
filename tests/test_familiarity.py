"""How unfamiliar an input is, and what that was chosen over."""

from math import log

import numpy as np
import pytest

from hetmoe.familiarity import FLOOR, Usual, distance, traits
from training.familiarity_choices import mahalanobis
from training.landscape import usual_of
from training.loop import Evaluation


def test_traits_by_hand() -> None:
    steps, flat = np.tile([0.0, 2.0], 512), np.full(1024, 0.5)
    assert traits(np.stack([steps, flat]).astype(np.float32)) == pytest.approx(
        np.array([[1, log(1 + FLOOR), log(2 + FLOOR)], [0.5, log(FLOOR), log(FLOOR)]])
    )
    rising = np.arange(1024.0)
    assert traits(rising) == pytest.approx([511.5, log(rising.std() + FLOOR), log(1 + FLOOR)])


def test_distance_by_hand() -> None:
    usual = Usual(np.array([0.5, log(1 + FLOOR), log(2 + FLOOR)]), np.diag([4.0, 1.0, 1.0]))
    assert distance(np.tile([0.0, 2.0], 512), usual) == pytest.approx(4 * 0.5**2)


def test_usual_inputs_are_near_and_unusual_ones_far() -> None:
    generator = np.random.default_rng(0)
    level, spread = generator.uniform(0.3, 0.7, (500, 1)), generator.uniform(0.05, 0.1, (500, 1))
    smooth = np.cumsum(generator.normal(size=(500, 1024)), axis=1)
    x = (level + spread * (smooth - smooth.mean(1, keepdims=True)) / smooth.std(1, keepdims=True)).astype(np.float32)
    usual = usual_of(x)
    near = distance(x, usual)
    assert near.mean() == pytest.approx(3 * 499 / 500)  # three traits, whitened; n - 1 in their covariance
    assert (distance(generator.permuted(x, axis=1), usual) > np.quantile(near, 0.99)).all()


def test_shrinking_forgets_correlations() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(size=2_000)
    features = np.stack([a, a + 0.1 * generator.normal(size=2_000)], axis=1)
    nothing = Evaluation(*(np.empty(0),) * 4)
    odd = features.std(0) * [1, -1] + features.mean(0)  # each usual by itself, but never together
    far, near = (mahalanobis(lambda i: i[0], (features, nothing), s)((odd[None], nothing))[0] for s in (0.0, 1.0))
    assert near == pytest.approx(2)
    assert far > 100 * near
