"""Augmentation: what is changed, how far and how often, and that nothing else is."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.media import tone
from training import augmentation
from training.augmentation import augment_digits, augment_pictures, augment_seconds

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noise_pictures(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 32, 32), dtype=np.uint8)


def bar() -> np.ndarray:
    """(32, 32) an upright bar in the middle, 20 pixels high and 4 wide."""
    grid = np.zeros((32, 32), np.uint8)
    grid[6:26, 14:18] = 255
    return grid


def sound() -> np.ndarray:
    """(16000,) int16, a tone from 0.25 to 0.625 s in silence."""
    second = np.zeros(16000, np.int16)
    second[4000:10_000] = 20_000 * tone(440, seconds=0.375)
    return second


every_kind = pytest.mark.parametrize(
    ("augment", "raw", "dtype"),
    [
        (augment_pictures, noise_pictures(6), np.uint8),
        (augment_seconds, np.stack([sound()] * 6), np.float32),
        (augment_digits, np.stack([bar()] * 6), np.uint8),
    ],
    ids=["picture", "sound", "digit"],
)


@every_kind
def test_the_form_stays_and_the_input_is_left_as_it_is(augment: Augment, raw, dtype):
    before = raw.copy()
    changed = augment(raw, np.random.default_rng(0))
    assert (changed.shape, changed.dtype) == (raw.shape, dtype)
    assert np.array_equal(raw, before)
    assert augment(raw[:1], np.random.default_rng(0)).shape == raw[:1].shape
    raw.flags.writeable = False  # as memory-mapped arrays are
    augment(raw, np.random.default_rng(0))


@every_kind
def test_a_pure_function_of_its_generator(augment: Augment, raw, dtype):
    first, again, other = (augment(raw, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    rng = np.random.default_rng(0)
    assert np.array_equal(augment(raw, rng), first)
    assert not np.array_equal(augment(raw, rng), first)


# Pictures


def test_pictures_are_shifted_and_half_of_them_flipped():
    """Each is one of 5 x 5 windows of the picture with two mirrored pixels about it, or a window's mirror image."""
    (picture,) = noise_pictures(1)
    padded = np.pad(picture, 2, mode="reflect")
    windows = {}
    for top in range(5):
        for left in range(5):
            window = padded[top : top + 32, left : left + 32]
            windows[window.tobytes()] = top, left, False
            windows[window[:, ::-1].tobytes()] = top, left, True
    changed = augment_pictures(np.stack([picture] * 1000), np.random.default_rng(0))
    found = np.array([windows[one.tobytes()] for one in changed])
    for axis in (0, 1):
        assert set(found[:, axis]) == set(range(5))
        assert found[:, axis].mean() == pytest.approx(2, abs=0.15)
    assert found[:, 2].mean() == pytest.approx(0.5, abs=0.06)


# Sounds


def test_sounds_are_shifted_by_up_to_0_15_seconds_and_have_peak_1(monkeypatch):
    monkeypatch.setattr(augmentation, "NOISY", 0)
    second = np.zeros(16000, np.int16)
    second[8000:8003] = 1000, -4000, 2000
    changed = augment_seconds(np.stack([second] * 500), np.random.default_rng(0))
    shifts = changed.argmin(1) - 8001
    assert -2400 <= shifts.min() < -2200
    assert 2200 < shifts.max() <= 2400
    assert abs(shifts.mean()) < 250
    for one, shift in zip(changed, shifts, strict=True):
        assert np.array_equal(one, np.roll(second, shift) / np.float32(4000))


def test_what_is_shifted_out_is_gone_and_what_comes_in_is_silent(monkeypatch):
    monkeypatch.setattr(augmentation, "NOISY", 0)
    second = np.arange(1, 16001, dtype=np.int16)
    for one in augment_seconds(np.stack([second] * 20), np.random.default_rng(0)):
        (heard,) = one.nonzero()
        assert heard[-1] - heard[0] + 1 == len(heard) < 16000
        assert heard[0] == 0 or heard[-1] == 15_999
        assert np.ptp(np.diff(one[heard])) < 1e-6


def test_half_of_the_sounds_get_noise_at_0_to_30_db():
    """The end, from 0.775 s on, is silent but for noise, whatever the shift; the tone has the second's power."""
    changed = augment_seconds(np.stack([sound()] * 400), np.random.default_rng(0)).astype(np.float64)
    assert np.abs(changed).max(1) == pytest.approx(1)
    end = changed[:, 12_400:]
    noisy = end.any(1)
    assert noisy.mean() == pytest.approx(0.5, abs=0.08)
    noise = np.square(end[noisy]).mean(1)
    everything = np.square(changed[noisy]).mean(1)
    snr = 10 * np.log10((everything - noise) / noise)
    assert -1.5 < snr.min() < 2
    assert 28 < snr.max() < 31.5
    assert snr.mean() == pytest.approx(15, abs=2)


def test_the_noise_is_white_or_stronger_at_low_frequencies():
    """Neighbouring samples correlate by 0, or by 0.9: half each."""
    changed = augment_seconds(np.stack([sound()] * 300), np.random.default_rng(1))[:, 12_400:]
    correlations = [np.corrcoef(one[1:], one[:-1])[0, 1] for one in changed if one.any()]
    assert all(abs(c) < 0.1 or abs(c - 0.9) < 0.1 for c in correlations)
    assert np.mean(np.array(correlations) > 0.5) == pytest.approx(0.5, abs=0.15)


# Digits


def ink(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre of mass and covariance of where the ink is, in (x, y)."""
    y, x = np.mgrid[:32, :32]
    points = np.stack([x.ravel(), y.ravel()])
    weights = grid.ravel() / grid.sum()
    return points @ weights, np.cov(points, aweights=weights, ddof=0)


def with_only(monkeypatch: pytest.MonkeyPatch, *kept: str) -> None:
    for name in {"TURN", "STRETCH", "SLANT"} - set(kept):
        monkeypatch.setattr(augmentation, name, 0.0)


def changed_bars(n: int = 200) -> np.ndarray:
    return augment_digits(np.stack([bar()] * n), np.random.default_rng(0))


def test_a_digit_that_is_neither_turned_nor_stretched_nor_slanted_is_the_same(monkeypatch):
    with_only(monkeypatch)
    digits = noise_pictures(5)
    assert np.array_equal(augment_digits(digits, np.random.default_rng(0)), digits)


def test_digits_stay_in_the_middle():
    for one in changed_bars():
        centre, _ = ink(one)
        assert np.abs(centre - 15.5).max() < 0.3


@pytest.mark.parametrize(("change", "most"), [("TURN", 0.2), ("SLANT", 0.25)])
def test_digits_are_turned_and_slanted_a_little_either_way(monkeypatch, change, most):
    """The bar leans by the angle's or the slant's tangent: how far x goes with y."""
    with_only(monkeypatch, change)
    covariances = np.array([ink(one)[1] for one in changed_bars()])
    lean = np.arctan(covariances[:, 0, 1] / covariances[:, 1, 1])
    assert -most - 0.02 < lean.min() < -0.8 * most
    assert 0.8 * most < lean.max() < most + 0.02


def test_digits_are_stretched_by_up_to_12_percent_each_side_by_itself(monkeypatch):
    with_only(monkeypatch, "STRETCH")
    variances = np.array([np.diag(ink(one)[1]) for one in changed_bars()])
    spread = np.sqrt(variances / np.diag(ink(bar())[1]))
    high = spread[:, 1]
    assert 1 / 1.14 < high.min() < 0.93
    assert 1.08 < high.max() < 1 / 0.86
    assert abs(np.asarray(np.corrcoef(spread.T))[0, 1]) < 0.3
