"""Variations: ready-made experiments. Each changes an input before it is encoded; what do the experts make of it?

They work on the raw form of an input, the last one before the numbers that a model sees:

    picture  (32, 32) uint8, grey levels
    sound    (16000,) float32, the loudest second at 16 kHz
    digit    (32, 32) uint8, ink, sized and placed as MNIST's digits are

An unchanged raw form is encoded to exactly what its file is, bit for bit.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soundfile
from PIL import Image
from scipy import signal

from hetmoe.encoding import (
    ENCODE_GRID,
    FAMILIES,
    MIN_CONTRAST,
    SAMPLE_RATE,
    SIDE,
    SILENCE,
    Family,
    InputError,
    Source,
    digit_grid,
    encode_picture,
    encode_recording,
    grey_picture,
    loudest_second,
    open_picture,
    open_recording,
)

# What each kind of input is seen as; a recording is seen twice.
MODALITIES = {"picture": ("spatial",), "sound": ("temporal", "spectral"), "digit": ("relational",)}

NOISIEST_PICTURE = 100  # grey levels, the standard deviation of the noise at strength 1
NOISIEST_SOUND = 0.25  # of the loudest sample, the same
LEAST = {"sound": 2 * SILENCE, "digit": MIN_CONTRAST}  # range of values below which nothing is left of a kind
HUSHED = np.float32(1 / 16)  # 24 dB; a power of two, so that nothing is rounded


@dataclass(frozen=True)
class Variation:
    """One experiment."""

    label: str
    sentences: dict[str, dict[Family, str]]  # kind that can be varied like this → family → what to look for
    apply: Callable[[np.ndarray, float], np.ndarray]  # raw form, strength in [0, 1] → raw form of the same shape
    strength: float | None = None  # to start with; None: there is nothing to set
    ends: tuple[str, str] = ("less", "more")  # what strengths 0 and 1 are called

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.sentences)


class Varied(NamedTuple):
    """An input after a variation."""

    raw: np.ndarray  # to be shown or, through `as_file`, played
    encodings: dict[str, np.ndarray]  # modality → (1024,) float32


def vary(
    kind: str, source: Source | np.ndarray, name: str, strength: float | None = None, family: Family = "replica"
) -> Varied:
    """An input of a kind (picture, sound or digit), changed by a variation and encoded for the models of a family.

    source: a file (path or bytes) or its raw form
    strength: in [0, 1], None for the variation's own; ignored by variations that have none.
    Raises InputError if the file cannot be used or nothing is left of it, ValueError for an unknown variation, one that
    this kind does not have, or a strength out of range.
    """
    if name not in VARIATIONS:
        raise ValueError(f"unknown variation {name!r}: choose one of {', '.join(VARIATIONS)}")
    variation = VARIATIONS[name]
    if kind not in variation.kinds:
        raise ValueError(f"the variation {name!r} is for {' and '.join(variation.kinds)}, not for {kind!r}")
    if strength is None:
        strength = variation.strength or 0.0
    if not 0 <= strength <= 1:  # nor is NaN
        raise ValueError(f"the strength must be between 0 and 1, not {strength}")
    raw = variation.apply(source if isinstance(source, np.ndarray) else open_raw(kind, source), strength)
    if np.ptp(raw) < LEAST.get(kind, 0):
        what = "recording" if kind == "sound" else kind
        raise InputError(f"Nothing is left of this {what}. Please change it less.")
    return Varied(raw, encode(kind, raw, family))


def open_raw(kind: str, source: Source, formats: tuple[str, ...] | None = None) -> np.ndarray:
    """A file → its raw form. Raises InputError if it cannot be used.

    formats: of Pillow's, that a picture may be of; all, if None
    """
    if kind == "sound":
        return loudest_second(*open_recording(source))
    image = open_picture(source, formats)
    if kind == "digit":
        return digit_grid(image)
    return grey_picture(image)


def encode(kind: str, raw: np.ndarray, family: Family = "replica") -> dict[str, np.ndarray]:
    """A raw form → modality → (1024,) float32, for each modality that the kind is seen as, for the models of a
    family."""
    if kind == "sound":
        return encode_recording(raw, SAMPLE_RATE, family)
    if kind == "digit":
        return {"relational": ENCODE_GRID[family](raw)}
    return {"spatial": encode_picture(Image.fromarray(raw))}


def as_file(kind: str, raw: np.ndarray) -> bytes:
    """A raw form → a PNG of 32×32 pixels or a 16-bit WAV, for the page to show or play.

    What is louder than a WAV can be is scaled down to fit; what is quieter stays quiet.
    """
    file = io.BytesIO()
    if kind == "sound":
        soundfile.write(file, raw / max(1, np.abs(raw).max()), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    else:
        Image.fromarray(raw).save(file, format="PNG")
    return file.getvalue()


def _order(n: int) -> np.ndarray:
    """(n,) one fixed permutation."""
    return np.random.default_rng(0).permutation(n)


def _shuffle_pixels(grid: np.ndarray, _: float) -> np.ndarray:
    return grid.ravel()[_order(grid.size)].reshape(grid.shape)


def _noise(raw: np.ndarray, strength: float) -> np.ndarray:
    """Adds one fixed white Gaussian pattern, so that a slider moves smoothly: each value goes one way only."""
    pattern = strength * np.random.default_rng(0).standard_normal(raw.shape)
    if raw.ndim == 1:
        return raw + (NOISIEST_SOUND * pattern).astype(np.float32)
    return np.rint(np.clip(raw + NOISIEST_PICTURE * pattern, 0, 255)).astype(np.uint8)


def _occlude(raw: np.ndarray, strength: float) -> np.ndarray:
    """Sets the middle to 0 (black, no ink, silence): that share of every side or of the second."""
    middle = tuple(slice((n - round(strength * n)) // 2, (n + round(strength * n)) // 2) for n in raw.shape)
    occluded = raw.copy()
    occluded[middle] = 0
    return occluded


def _pitch(second: np.ndarray, strength: float) -> np.ndarray:
    """Plays the second like a tape, from an octave lower at half the speed (0) to an octave higher at twice it (1).

    What is then longer than a second is cut, what is shorter is put between silences, its middle staying in the middle.
    """
    n = round(len(second) / 2 ** (2 * strength - 1))
    if n == len(second):
        return second
    # By Fourier transform, which takes any length and leaves out what would be above half the sampling rate.
    played = signal.resample(second, n)
    if n > len(second):
        return played[(n - len(second)) // 2 :][: len(second)]
    before = (len(second) - n) // 2
    return np.pad(played, (before, len(second) - n - before))


def _both(sentence: str) -> dict[Family, str]:
    return dict.fromkeys(FAMILIES, sentence)


# The families' models are given other numbers, so that not everything holds for both.
VARIATIONS = {
    "mirror": Variation(
        "mirror",
        {
            "picture": _both("The same thing, its pixels elsewhere: look at whether the same expert takes it."),
            "digit": {
                "frontier": "The rows’ distances stay, the columns’ come in the opposite order: does the answer stay?",
                "replica": "The distances between the rows stay exactly the same: no expert can tell.",
            },
        },
        lambda grid, _: grid[:, ::-1],
    ),
    "upside_down": Variation(
        "upside-down",
        {
            "picture": _both("What was above is below now: look at whether the answer minds."),
            "digit": {
                "frontier": "The columns’ distances stay, the rows’ come in the opposite order: does the answer stay?",
                "replica": "The same distances in the opposite order: look at whether it is still the same digit.",
            },
        },
        lambda grid, _: grid[::-1],
    ),
    "shuffle": Variation(
        "shuffle pixels",
        {
            "picture": _both(
                "Every grey level is still there, its neighbours are not: look at which expert still copes."
            )
        },
        _shuffle_pixels,
    ),
    "shuffle_columns": Variation(
        "shuffle columns",
        {
            "digit": {
                "frontier": "The distances between the rows stay exactly the same: look at whether they are enough.",
                "replica": "No person can read it now, yet the distances between the rows stay exactly the same.",
            }
        },
        lambda grid, _: grid[:, _order(SIDE)],
    ),
    "shuffle_rows": Variation(
        "shuffle rows",
        {
            "digit": {
                "frontier": "The distances between the columns stay exactly the same: look at whether they are enough.",
                "replica": "The same distances in other places: look at which expert still copes.",
            }
        },
        lambda grid, _: grid[_order(SIDE)],
    ),
    "negative": Variation(
        "negative",
        {
            "picture": _both("Light becomes dark and every outline stays: look at whether the answer does."),
            "digit": _both("Ink becomes paper, and all distances stay exactly the same: no expert can tell."),
        },
        lambda grid, _: 255 - grid,
    ),
    "noise": Variation(
        "add noise",
        {
            "picture": _both("Turn it up slowly: look at which expert gives up first."),
            "sound": _both("Turn it up slowly: look at which of the two answers changes first."),
            "digit": _both("Turn it up slowly and look at the routing, as every row becomes unlike every other."),
        },
        _noise,
        strength=0.2,
    ),
    "occlude": Variation(
        "occlude",
        {
            "picture": _both("Grow the black square until nothing else is left: look at when the answer changes."),
            "sound": _both("Grow the silence in the middle: look at how little of the word is enough."),
            "digit": _both("Rub out more and more of the middle: look at how little ink is enough."),
        },
        _occlude,
        strength=0.3,
    ),
    "reverse": Variation(
        "reverse",
        {
            "sound": {
                "frontier": "Backwards, both run from right to left: look at which of the two answers changes.",
                "replica": "Backwards the spectrum stays the same: only the answer to the waveform can change.",
            }
        },
        lambda second, _: second[::-1],
    ),
    "pitch": Variation(
        "pitch shift",
        {
            "sound": {
                "frontier": "Faster is higher and shorter, as on a tape: look at the spectrogram moving up, and down.",
                "replica": "Faster is higher, as on a tape: look at the spectrum stretching, and shrinking for slower.",
            }
        },
        _pitch,
        strength=0.75,
        ends=("slower", "faster"),
    ),
    "hush": Variation(
        "hush",
        {"sound": _both("Sixteen times quieter, and nothing changes: every recording is made equally loud first.")},
        lambda second, _: second * HUSHED,
    ),
}
