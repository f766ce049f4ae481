"""Real samples, and media files made for tests: pictures, recordings, and what any encoded input must be."""

import io
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from hetmoe.encoding import SAMPLE_RATE

SAMPLES = Path(__file__).parent / "samples"
PICTURES = sorted(SAMPLES.glob("cifar10-*.png"))
DIGITS = sorted(SAMPLES.glob("mnist-*.png"))
RECORDINGS = sorted(SAMPLES.glob("speech-*.wav"))


def png(image: Image.Image, **options) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


def wav(samples: np.ndarray, rate: int = SAMPLE_RATE, **options) -> bytes:
    """The bytes of a sound file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", **options})
    return file.getvalue()


def tone(hertz: float, seconds: float = 1.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def gradient(side: int = 32) -> np.ndarray:
    """(side, side) uint8 from 0 top left to 255 bottom right."""
    ramp = np.arange(side)
    return np.rint((ramp[:, None] + ramp) * 255 / (2 * side - 2)).astype(np.uint8)


def assert_valid(encoded: np.ndarray, low: float, high: float) -> None:
    assert encoded.shape == (1024,)
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()
    assert low <= encoded.min() and encoded.max() <= high
