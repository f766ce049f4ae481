"""Synthetic regression: four seeded generators of inputs of 1024 numbers with one scalar target each.

    modality    inputs                                             target
    spatial     32×32 grids of diffused heat                       mean of the central 8×8 after one more diffusion step
    temporal    sinusoids at three scales + trend + AR(2) noise    exponentially weighted mean of the last 64 samples
    spectral    smooth band with sharp peaks, 1024 bins            position of the tallest peak
    relational  distances between 32 clustered points              mean distance between the cluster centres

The tasks are those that the paper names (Satpathy, "Architectural Heterogeneity in Mixture-of-Experts", synthetic
experiment); it gives no formulas, so the formulas and ranges below are ours. Training never sees an input twice: every
batch is generated anew. Test inputs and statistics come from streams of random numbers of their own.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import fft, signal

from hetmoe.encoding import MODALITIES, N_INPUTS, SIDE, Statistics, standardise

N_TEST = 8_000  # 2,000 of each modality, fixed, shared by all models
N_VALIDATION = 1_000  # likewise, for the curves
N_CALIBRATION = 8_192  # of each modality: the variance of a target is then known to about 2 %
CHUNK = 16  # steps that are generated together, so that numpy's overhead per call vanishes

TRAINING, TEST, CALIBRATION, VALIDATION = range(4)  # the streams of random numbers


class Sample(NamedTuple):
    """Inputs and targets of each modality, standardised: a mean squared error is a fraction of the variance."""

    inputs: dict[str, np.ndarray]  # modality → (n, 1024) float32
    targets: dict[str, np.ndarray]  # modality → (n,) float32


# Spatial

RATE = 0.2  # of one update; the explicit scheme is stable up to 0.25
MIN_UPDATES, MAX_UPDATES = 2, 32  # per diffusion step
N_SOURCES = 6
CENTRE = slice(SIDE // 2 - 4, SIDE // 2 + 4)


def _decays() -> np.ndarray:
    """(65, 32, 17) float32: by how much 0…64 updates scale each wave of a grid, in the layout of rfft2."""
    across, along = np.meshgrid(fft.fftfreq(SIDE), fft.rfftfreq(SIDE), indexing="ij")
    once = 1 - RATE * (4 - 2 * np.cos(2 * np.pi * across) - 2 * np.cos(2 * np.pi * along))
    return np.stack([once**n for n in range(2 * MAX_UPDATES + 1)]).astype(np.float32)


DECAYS = _decays()


def diffusion_grids(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Grids of heat after one diffusion step → mean of the central 8×8 (rows, columns 12 to 19) after one more.

    At first a grid holds normal noise N(0, 1) and six point sources N(0, 6²) at uniform places (they may coincide).
    One update is u ← u + 0.2·(up + down + left + right − 4u), the explicit five-point Laplacian, periodic borders.
    A diffusion step is m updates; m, uniform in 2…32, is the sample's own diffusivity and the same in both its steps.
    For a known m the target is linear in the input. As m must be told from the smoothness of the grid, the task as a
    whole is not, but nearly: a linear fit leaves 2 % of the variance, the central 8×8 of the input itself 4 %.
    Returns x (n, 1024) float32, mean 0, nearly all within ±1 but up to ±5 where a source was, and target (n,) float32,
    mean 0, within about ±0.4.
    """
    grids = rng.standard_normal((n, N_INPUTS), np.float32)
    places = rng.integers(N_INPUTS, size=(n, N_SOURCES))
    np.add.at(grids, (np.arange(n)[:, None], places), 6 * rng.standard_normal((n, N_SOURCES), np.float32))
    updates = rng.integers(MIN_UPDATES, MAX_UPDATES + 1, size=n)
    waves = fft.rfft2(grids.reshape(n, SIDE, SIDE))  # where a diffusion step of any length is one multiplication
    x, after = (fft.irfft2(waves * DECAYS[steps * updates]) for steps in (1, 2))
    return x.reshape(n, N_INPUTS), after[:, CENTRE, CENTRE].mean(axis=(1, 2))


# Temporal

PERIODS = ((8, 32), (32, 128), (128, 512))  # samples: the three scales
AUTOREGRESSION = (1.2, -0.4)
BURN_IN = 64  # samples after which the autoregression has forgotten its start: its roots have modulus 0.63
N_LAST, FORGETTING = 64, 0.95


def multi_scale_sequences(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences over t = 0…1023 → Σ w·x over the last 64 samples, w ∝ 0.95^age (newest: age 0), Σ w = 1.

    x(t) = Σ aᵢ·sin(2π·t/pᵢ + φᵢ) + b·(2t/1023 − 1) + s·z(t): three sinusoids with periods p log-uniform in 8…32,
    32…128 and 128…512 samples, a uniform in 0.3…1, φ uniform; trend b uniform in ±1; s uniform in 0.1…0.3 and
    z(t) = 1.2·z(t−1) − 0.4·z(t−2) + N(0, 1), stationary (standard deviation 2.0). The target is linear in the input.
    Returns x (n, 1024) float32, mean 0, nearly all within ±5, and target (n,) float32, mean 0, nearly all within ±3.
    """
    t = np.arange(N_INPUTS, dtype=np.float32)
    x = rng.uniform(-1, 1, (n, 1)).astype(np.float32) * (2 * t / (N_INPUTS - 1) - 1)
    for low, high in PERIODS:
        period, phase = np.exp(rng.uniform(np.log(low), np.log(high), (n, 1))), rng.uniform(0, 2 * np.pi, (n, 1))
        amplitude = rng.uniform(0.3, 1, (n, 1)).astype(np.float32)
        x += amplitude * np.sin((2 * np.pi / period).astype(np.float32) * t + phase.astype(np.float32))
    noise = rng.standard_normal((n, BURN_IN + N_INPUTS), np.float32)
    recursion = np.array([1, *(-c for c in AUTOREGRESSION)], np.float32)
    z = signal.lfilter(np.ones(1, np.float32), recursion, noise)
    x += rng.uniform(0.1, 0.3, (n, 1)).astype(np.float32) * z[:, BURN_IN:]
    weights = FORGETTING ** np.arange(N_LAST)[::-1]
    return x, x[:, -N_LAST:] @ (weights / weights.sum()).astype(np.float32)


# Spectral

MAX_PEAKS = 6
RUNNER_UP = 0.7  # of the tallest peak's height: no other peak is taller
MAX_BAND = 0.2


def band_limited_spectra(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Spectra over the bins f = 0…1023 → bin of the tallest peak / 1023, in [0, 1].

    x(f) = band(f) + maxᵢ hᵢ·exp(−(f − cᵢ)²/2wᵢ²) + 0.02·|N(0, 1)|: two to six peaks at bins c, uniform in 0…1023, of
    widths w uniform in 0.5…3 bins; the tallest has h uniform in 1…2, every other 0.2 to 0.7 of that. The band is smooth
    and limited: a·sin²(π·(f − l)/v) in l ≤ f ≤ l + v and 0 outside, with l uniform in 0…512 bins, v in 128…512 bins
    and a in 0…0.2. So no other peak reaches the tallest, even with band and noise.
    The target is not linear in the input: a linear fit leaves 70 % of its variance.
    Returns x (n, 1024) float32, 0 to about 2.3, and target (n,) float32, uniform in [0, 1].
    """
    f = np.arange(N_INPUTS, dtype=np.float32)
    centres = rng.integers(N_INPUTS, size=(n, MAX_PEAKS))  # the first is the tallest
    widths = rng.uniform(0.5, 3, (n, MAX_PEAKS)).astype(np.float32)
    heights = rng.uniform(0.2, RUNNER_UP, (n, MAX_PEAKS))
    heights[np.arange(MAX_PEAKS) >= rng.integers(2, MAX_PEAKS + 1, size=(n, 1))] = 0
    heights[:, 0] = 1
    heights = (heights * rng.uniform(1, 2, (n, 1))).astype(np.float32)
    x = np.zeros((n, N_INPUTS), np.float32)
    for peak in range(MAX_PEAKS):
        c, w, h = (of_peaks[:, peak, None] for of_peaks in (centres.astype(np.float32), widths, heights))
        np.maximum(x, h * np.exp(-(((f - c) / w) ** 2) / 2), out=x)
    low, extent = (rng.uniform(*span, (n, 1)).astype(np.float32) for span in ((0, 512), (128, 512)))
    place = np.clip((f - low) / extent, 0, 1)
    x += rng.uniform(0, MAX_BAND, (n, 1)).astype(np.float32) * np.sin(np.float32(np.pi) * place) ** 2
    x += 0.02 * np.abs(rng.standard_normal((n, N_INPUTS), np.float32))
    return x, (centres[:, 0] / (N_INPUTS - 1)).astype(np.float32)


# Relational

MIN_CLUSTERS, MAX_CLUSTERS = 2, 5
SPREAD = 0.05


def cluster_distances(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances between 32 points of a plane, row by row → mean distance between their cluster centres.

    k centres (k uniform in 2…5), uniform in the unit square; the 32 points, in random order, are shared out equally
    among the clusters (to one point) and lie around their centres with N(0, 0.05²) in each direction. The mean is over
    the k(k − 1)/2 pairs of true centres. The target is not linear in the input, as k decides how many of the distances
    lie within a cluster: a linear fit leaves 24 % of its variance.
    Returns x (n, 1024) float32, 0 to about 1.7, symmetric with a zero diagonal, and target (n,) float32, 0 to √2.
    """
    k = rng.integers(MIN_CLUSTERS, MAX_CLUSTERS + 1, size=n)
    centres = rng.random((n, MAX_CLUSTERS, 2), np.float32)
    cluster = rng.permuted(np.tile(np.arange(SIDE), (n, 1)), axis=1) % k[:, None]
    points = centres[np.arange(n)[:, None], cluster]
    points += np.float32(SPREAD) * rng.standard_normal((n, SIDE, 2), np.float32)
    between = np.zeros(n, np.float32)
    for i, j in itertools.combinations(range(MAX_CLUSTERS), 2):
        between += np.where(j < k, np.hypot(*(centres[:, i] - centres[:, j]).T), 0)
    return _distances(points).reshape(n, N_INPUTS), (between / (k * (k - 1) / 2)).astype(np.float32)


def _distances(points: np.ndarray) -> np.ndarray:
    """(n, P, 2) → (n, P, P)"""
    across, along = (points[:, :, None, axis] - points[:, None, :, axis] for axis in range(2))
    return np.sqrt(across * across + along * along)


GENERATORS: dict[str, Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]] = {
    "spatial": diffusion_grids,
    "temporal": multi_scale_sequences,
    "spectral": band_limited_spectra,
    "relational": cluster_distances,
}


# Samples and batches


def _rng(stream: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(stream, spawn_key=key))


@cache
def statistics() -> dict[str, tuple[Statistics, Statistics]]:
    """Modality → mean and standard deviation over all numbers of its inputs, and those of its targets.

    From a fixed draw of its own, the same for all seeds; takes about a second the first time.
    """
    result = {}
    for i, modality in enumerate(MODALITIES):
        drawn = GENERATORS[modality](_rng(CALIBRATION, i), N_CALIBRATION)
        inputs, targets = (Statistics(float(a.mean(dtype=float)), float(a.std(dtype=float))) for a in drawn)
        result[modality] = inputs, targets
    return result


def _standardised(modality: str, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, 1024) float32 and target (n,) float32, both standardised."""
    x, target = GENERATORS[modality](rng, n)
    of_inputs, of_targets = statistics()[modality]
    return standardise(x, of_inputs), standardise(target, of_targets)


@cache
def test_set() -> Sample:
    """The fixed test set, 2,000 of each modality, from a stream that no training batch uses. Not to be written to."""
    return _sample(TEST, N_TEST)


@cache
def validation_set() -> Sample:
    """As `test_set`, 250 of each modality from a stream of its own."""
    return _sample(VALIDATION, N_VALIDATION)


def _sample(stream: int, n: int) -> Sample:
    drawn = {m: _standardised(m, _rng(stream, i), n // len(MODALITIES)) for i, m in enumerate(MODALITIES)}
    return Sample({m: x for m, (x, _) in drawn.items()}, {m: target for m, (_, target) in drawn.items()})


def mixed_batches(
    seed: int, epoch: int, steps: int, batch_size: int = 64, start: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields x (B, 1024) float32 and target (B,) float32, both standardised, and modality (B,) int64, an index into
    MODALITIES, for the steps `start` to `steps` of an epoch.

    A batch holds as many inputs of each modality as of any other, shuffled. A pure function of its arguments: step k
    is the same whatever `start` and `steps` are. Raises ValueError if batch_size is not a multiple of four.
    """
    each, rest = divmod(batch_size, len(MODALITIES))
    if rest:
        raise ValueError(f"batch_size must be a multiple of {len(MODALITIES)}, not {batch_size}.")
    rows = np.arange(CHUNK)[:, None]
    for chunk in range(start // CHUNK, -(-steps // CHUNK)):
        order = np.tile(np.arange(batch_size), (CHUNK, 1))
        places = _rng(TRAINING, seed, epoch, chunk, len(MODALITIES)).permuted(order, axis=1)
        x = np.empty((CHUNK, batch_size, N_INPUTS), np.float32)
        targets, modalities = np.empty((CHUNK, batch_size), np.float32), np.empty((CHUNK, batch_size), np.int64)
        for i, modality in enumerate(MODALITIES):
            drawn, target = _standardised(modality, _rng(TRAINING, seed, epoch, chunk, i), CHUNK * each)
            place = places[:, i * each : (i + 1) * each]
            x[rows, place] = drawn.reshape(CHUNK, each, N_INPUTS)
            targets[rows, place] = target.reshape(CHUNK, each)
            modalities[rows, place] = i
        first = chunk * CHUNK
        for step in range(max(start, first), min(steps, first + CHUNK)):
            yield x[step - first], targets[step - first], modalities[step - first]
