"""Augmentation: training inputs of the frontier family, changed anew each time they are drawn, then encoded.

What a person gives to the page is not as well centred, as clean and as straight as a test set. All functions take a
batch of raw training inputs (training.data.Data.raw) and leave it as it is.
"""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

from hetmoe.encoding import SAMPLE_RATE, SIDE

SHIFT_PICTURE = 2  # pixels
SHIFT_SOUND = 0.15  # seconds
NOISY = 0.5  # share of recordings that get noise
SNR = 0.0, 30.0  # dB
TURN = 0.2  # radians
STRETCH = 0.12  # of either side
SLANT = 0.25


def augment_pictures(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 32, 32) uint8 → the same, shifted by up to 2 pixels (what is missing is mirrored), half of them flipped."""
    n, pad = len(pictures), SHIFT_PICTURE
    padded = np.pad(pictures, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
    top, left = (rng.integers(0, 2 * pad + 1, n)[:, None] + np.arange(SIDE) for _ in range(2))  # (n, 32) each
    shifted = padded[np.arange(n)[:, None, None], top[:, :, None], left[:, None, :]]
    return np.where(rng.random((n, 1, 1)) < 0.5, shifted[:, :, ::-1], shifted)


def augment_seconds(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 16000) int16 → (n, 16000) float32 with peak 1, shifted by up to 0.15 s, half of them with noise at 0 to 30
    dB, white or stronger at low frequencies."""
    changed = np.zeros(seconds.shape, np.float32)
    most = round(SHIFT_SOUND * SAMPLE_RATE)
    for one, second in zip(changed, seconds, strict=True):
        shift = int(rng.integers(-most, most + 1))
        if shift >= 0:
            one[shift:] = second[: SAMPLE_RATE - shift]
        else:
            one[:shift] = second[-shift:]
        if rng.random() < NOISY:
            noise = _noise()[rng.integers(2)]
            start = rng.integers(len(noise) - SAMPLE_RATE)
            level = np.sqrt(one @ one / SAMPLE_RATE) * 10 ** (-rng.uniform(*SNR) / 20)
            one += np.float32(level) * noise[start : start + SAMPLE_RATE]
    peak = np.abs(changed).max(1, keepdims=True)
    return changed / np.maximum(peak, 1)  # 1: one step of int16; a sound shifted out of its second is silence


@cache
def _noise() -> np.ndarray:
    """(2, 2**20) float32 of standard deviation 1: white noise, and noise whose power falls with the frequency.
    Stretches of it are drawn, for to make it anew each time takes longer than all else."""
    white = np.random.default_rng(0).standard_normal(2**20)
    both = np.stack([white, signal.lfilter([1], [1, -0.9], white)])
    return (both / both.std(1, keepdims=True)).astype(np.float32)


def augment_digits(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 32, 32) uint8 → the same, turned, stretched and slanted a little about the middle."""
    n = len(digits)
    angle = rng.uniform(-TURN, TURN, n)
    wide, high = 1 + rng.uniform(-STRETCH, STRETCH, (2, n))
    slant = rng.uniform(-SLANT, SLANT, n)
    rows = [[wide * np.cos(angle), slant - high * np.sin(angle)], [wide * np.sin(angle), high * np.cos(angle)]]
    affine = np.concatenate([np.array(rows).transpose(2, 0, 1), np.zeros((n, 2, 1))], 2).astype(np.float32)
    images = torch.from_numpy(digits.astype(np.float32))[:, None]
    grid = F.affine_grid(torch.from_numpy(affine), [n, 1, SIDE, SIDE], align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)[:, 0].round().to(torch.uint8).numpy()
