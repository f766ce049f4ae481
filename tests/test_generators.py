"""The synthetic tasks: formulas against slow plain Python, ranges, streams of random numbers, batches."""

import itertools
import math

import numpy as np
import pytest

from hetmoe.encoding import MODALITIES, Statistics
from training import generators
from training.generators import GENERATORS, mixed_batches, statistics

RANGES = {  # of inputs, of targets: as documented
    "spatial": ((-5, 5), (-0.6, 0.6)),
    "temporal": ((-7, 7), (-4, 4)),
    "spectral": ((0, 2.4), (0, 1)),
    "relational": ((0, 2), (0, math.sqrt(2))),
}


def draw(modality: str, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return GENERATORS[modality](np.random.default_rng(seed), n)


def test_modalities():
    assert tuple(GENERATORS) == MODALITIES


@pytest.mark.parametrize("modality", MODALITIES)
def test_shapes_and_ranges(modality):
    x, target = draw(modality, 500)
    assert x.shape == (500, 1024) and x.dtype == np.float32
    assert target.shape == (500,) and target.dtype == np.float32
    for values, (low, high) in zip((x, target), RANGES[modality], strict=True):
        assert np.isfinite(values).all()
        assert low <= values.min() and values.max() <= high
    assert len(np.unique(x.sum(axis=1))) == 500  # no two alike


@pytest.mark.parametrize("modality", MODALITIES)
def test_same_seed_same_numbers(modality):
    for first, second, other in zip(draw(modality, 5), draw(modality, 5), draw(modality, 5, seed=1), strict=True):
        assert (first == second).all()
        assert (first != other).any()


# The targets, again from the inputs in plain Python


def diffused(grid: list[list[float]]) -> list[list[float]]:
    """One update of the explicit five-point scheme, periodic borders."""
    return [
        [
            u + 0.2 * (grid[i - 1][j] + grid[(i + 1) % 32][j] + grid[i][j - 1] + grid[i][(j + 1) % 32] - 4 * u)
            for j, u in enumerate(row)
        ]
        for i, row in enumerate(grid)
    ]


def central_mean(grid: list[list[float]]) -> float:
    return sum(grid[i][j] for i in range(12, 20) for j in range(12, 20)) / 64


def test_spatial_target_is_the_central_mean_after_one_more_step():
    class Recorder:
        """A generator that keeps what decides a grid: its first state and the number of updates."""

        def __init__(self) -> None:
            self.rng = np.random.default_rng(3)
            self.drawn: list[np.ndarray] = []

        def standard_normal(self, *args):
            self.drawn.append(self.rng.standard_normal(*args))
            return self.drawn[-1].copy()

        def integers(self, *args, **kwargs):
            self.drawn.append(self.rng.integers(*args, **kwargs))
            return self.drawn[-1]

    recorder = Recorder()
    x, target = GENERATORS["spatial"](recorder, 3)  # type: ignore[arg-type]
    noise, places, strengths, updates = recorder.drawn
    assert len(set(updates)) > 1
    for sample in range(3):
        heat = noise[sample].tolist()
        for place, strength in zip(places[sample], strengths[sample], strict=True):
            heat[place] += 6 * float(strength)
        grid = [heat[32 * row : 32 * row + 32] for row in range(32)]
        for _ in range(updates[sample]):
            grid = diffused(grid)
        np.testing.assert_allclose(x[sample].reshape(32, 32), grid, atol=2e-5)
        for _ in range(updates[sample]):
            grid = diffused(grid)
        assert target[sample] == pytest.approx(central_mean(grid), abs=1e-5)


def test_spatial_target_differs_from_the_central_mean_of_the_input():
    x, target = draw("spatial", 1_000)
    before = x.reshape(-1, 32, 32)[:, 12:20, 12:20].mean(axis=(1, 2))
    assert 0.02 < 1 - np.corrcoef(before, target)[0, 1] ** 2 < 0.06


def test_temporal_target_is_a_weighted_mean_of_the_end():
    x, target = draw("temporal", 4)
    for sequence, answer in zip(x.tolist(), target, strict=True):
        weights = [0.95**age for age in range(64)]
        newest_first = sequence[:-65:-1]
        mean = sum(w * value for w, value in zip(weights, newest_first, strict=True)) / sum(weights)
        assert answer == pytest.approx(mean, abs=1e-5)


def test_temporal_noise_is_autoregressive(monkeypatch):
    """Without sinusoids, a sequence less its trend obeys z(t) = 1.2·z(t−1) − 0.4·z(t−2) + noise from its start on."""
    monkeypatch.setattr(generators, "PERIODS", ())
    x, _ = draw("temporal", 200)
    t = np.arange(1024)
    z = x - np.stack([np.polyval(np.polyfit(t, row, 1), t) for row in x])
    past = np.stack([z[:, 1:-1].ravel(), z[:, :-2].ravel()], axis=1)
    fitted = np.linalg.lstsq(past, z[:, 2:].ravel(), rcond=None)[0]
    np.testing.assert_allclose(fitted, [1.2, -0.4], atol=0.01)
    assert z[:, 0].std() == pytest.approx(z.std(), rel=0.2)  # stationary: the start is like the rest


def test_spectral_target_is_the_tallest_bin_and_unambiguous():
    x, target = draw("spectral", 2_000)
    bins = np.rint(target * 1023).astype(int)
    np.testing.assert_allclose(bins / 1023, target, atol=1e-6)
    assert [row.index(max(row)) for row in x[:20].tolist()] == bins[:20].tolist()
    away = np.abs(np.arange(1024) - bins[:, None]) > 10  # more than three widths
    margin = x[np.arange(2_000), bins] - np.where(away, x, 0).max(axis=1)
    assert margin.min() > 0.02
    assert abs(target.mean() - 0.5) < 0.03 and target.std() == pytest.approx(1 / math.sqrt(12), rel=0.05)


def test_spectra_have_a_band_and_two_to_six_peaks():
    x, _ = draw("spectral", 500)
    peaks = [int(((row[1:-1] > 0.35) & (row[1:-1] > row[:-2]) & (row[1:-1] >= row[2:])).sum()) for row in x]
    assert min(peaks) == 1 and max(peaks) <= 8  # some are lower than that or lie together; noise may split a wide one
    assert 2 <= np.mean(peaks) <= 4
    quiet = np.sort(x, axis=1)[:, :256]
    assert quiet.max() < 0.05  # outside the band there is only noise, on more than a quarter of the bins


def test_distance_matrices():
    x, _ = draw("relational", 200)
    matrices = x.reshape(-1, 32, 32)
    assert (matrices == matrices.transpose(0, 2, 1)).all()
    assert (np.einsum("nii->ni", matrices) == 0).all()
    assert (matrices[:, :, None, :] <= matrices[:, :, :, None] + matrices[:, None, :, :] + 1e-5).all()  # triangles


def test_distances_by_hand():
    points = np.array([[[0, 0], [3, 4], [0, 1]]], np.float32)
    third = math.sqrt(18)
    np.testing.assert_allclose(generators._distances(points)[0], [[0.0, 5, 1], [5, 0, third], [1, third, 0]])


def test_relational_target_is_the_mean_distance_of_the_centres(monkeypatch):
    """Without spread the points are the centres themselves, so that the distinct ones can be read off the matrix."""
    monkeypatch.setattr(generators, "SPREAD", 0)
    x, target = draw("relational", 40)
    seen = set()
    for matrix, answer in zip(x.reshape(-1, 32, 32).tolist(), target, strict=True):
        centres: list[int] = []
        for point in range(32):
            if all(matrix[point][centre] > 0 for centre in centres):
                centres.append(point)
        pairs = [matrix[a][b] for a, b in itertools.combinations(centres, 2)]
        assert answer == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
        members = [sum(matrix[centre][point] == 0 for point in range(32)) for centre in centres]
        assert max(members) - min(members) <= 1
        seen.add(len(centres))
    assert seen == {2, 3, 4, 5}


# Statistics and the test set


def test_statistics_standardise():
    for modality, (of_inputs, of_targets) in statistics().items():
        assert isinstance(of_inputs, Statistics) and isinstance(of_targets, Statistics)
        x, target = generators._standardised(modality, np.random.default_rng(9), 2_000)
        assert x.dtype == target.dtype == np.float32
        for values in (x, target):
            assert abs(values.mean()) < 0.08
            assert values.std() == pytest.approx(1, rel=0.06)


def test_test_set():
    sample = generators.test_set()
    assert tuple(sample.inputs) == tuple(sample.targets) == MODALITIES
    assert sum(len(targets) for targets in sample.targets.values()) == generators.N_TEST == 8_000
    for modality in MODALITIES:
        assert sample.inputs[modality].shape == (2_000, 1024)
        assert sample.targets[modality].shape == (2_000,)
    assert generators.test_set() is sample
    generators.test_set.cache_clear()
    again = generators.test_set()
    assert all((again.inputs[m] == sample.inputs[m]).all() for m in MODALITIES)


# Batches


def test_a_batch_holds_equal_shares_of_the_modalities_shuffled():
    batches = list(mixed_batches(0, 0, 20, batch_size=32))
    assert len(batches) == 20
    for x, target, modality in batches:
        assert x.shape == (32, 1024) and x.dtype == np.float32
        assert target.shape == (32,) and target.dtype == np.float32
        assert modality.dtype == np.int64 and np.bincount(modality).tolist() == [8, 8, 8, 8]
    assert len({tuple(modality) for *_, modality in batches}) == 20


def test_inputs_and_targets_belong_to_their_modality():
    """In every batch, the rows said to be of a modality, and no others, satisfy what only that modality's do."""
    for x, target, modality in mixed_batches(0, 0, 17, batch_size=16):
        for i, row in enumerate(x):
            name = MODALITIES[modality[i]]
            of_inputs, of_targets = statistics()[name]
            raw, answer = row * of_inputs.std + of_inputs.mean, target[i] * of_targets.std + of_targets.mean
            matrix = raw.reshape(32, 32)
            assert np.allclose(matrix, matrix.T, atol=1e-5) == (name == "relational")
            if name == "spectral":
                assert raw.argmax() == round(float(answer) * 1023)
            if name == "temporal":
                weights = 0.95 ** np.arange(64)
                assert answer == pytest.approx(raw[:-65:-1] @ weights / weights.sum(), abs=1e-5)
            if name == "spatial":
                assert answer == pytest.approx(matrix[12:20, 12:20].mean(), abs=0.15)


@pytest.mark.parametrize("start", [1, 15, 16, 17, 35, 39, 40])
def test_a_step_is_the_same_whatever_the_start(start):
    whole = list(mixed_batches(3, 1, 40, batch_size=8))
    rest = list(mixed_batches(3, 1, 40, batch_size=8, start=start))
    assert len(rest) == 40 - start
    for first, second in zip(whole[start:], rest, strict=True):
        assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_no_input_is_ever_drawn_twice():
    """Neither in another step, epoch or seed, nor in the test set."""
    seen = [
        x
        for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 3)]
        for x, *_ in mixed_batches(seed, epoch, 20, batch_size=8)
    ]
    seen += list(generators.test_set().inputs.values())
    rows = np.concatenate(seen)
    assert len({row.tobytes() for row in rows}) == len(rows) == 6 * 20 * 8 + 8_000


def test_streams_of_random_numbers_never_coincide(monkeypatch):
    """Also where the key of one is that of another with zeros after it, which NumPy's seeds alone do not tell apart."""
    opened, make = [], generators._rng

    def opening(*key: int) -> np.random.Generator:
        opened.append(make(*key))
        return make(*key)

    monkeypatch.setattr(generators, "_rng", opening)
    for cached in (statistics, generators.test_set):
        cached.cache_clear()
        cached()
    assert len(opened) == 2 * 4
    for seed, epoch in itertools.product(range(3), repeat=2):
        list(mixed_batches(seed, epoch, 33, batch_size=4))
    assert len(opened) == 2 * 4 + 9 * 3 * 5
    assert len({rng.random() for rng in opened}) == len(opened)


def test_batch_size_must_be_a_multiple_of_four():
    with pytest.raises(ValueError, match="batch_size must be a multiple of 4, not 30"):
        next(mixed_batches(0, 0, 1, batch_size=30))
