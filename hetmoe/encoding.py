"""Encoding: a picture, a recording or a digit becomes inputs of 1024 numbers.

This is the only preprocessing of the project: training and demo call the same functions, so a model is fed in the demo
exactly what it was trained on. There are four modalities, and two families of models, which hear sound differently:
`replica` follows the paper (Satpathy, "Architectural Heterogeneity in Mixture-of-Experts", real-data experiment),
`frontier` makes more of 1024 numbers (measured in training/RECORDS.md).

    spatial     a grey 32×32 picture, row by row
    temporal    replica: the loudest second of sound as 1024 samples; frontier: its loudest half second as 1024 samples
    spectral    replica: that second's spectrum, 0 to 8 kHz in 1024 bins; frontier: its log-mel spectrogram, 32 moments
                of 32 bands
    relational  replica: the Euclidean distances between the 32 rows of a 32×32 digit; frontier: those above the
                diagonal, and below it, where they would stand again, the distances between its columns

Every function raises InputError, with a sentence written for the person who gave the input, when it cannot use it.
"""

import io
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import soundfile
from PIL import Image, ImageFilter, ImageOps
from scipy import fft, ndimage, signal

MODALITIES = ("spatial", "temporal", "spectral", "relational")
Family = Literal["frontier", "replica"]
FAMILIES: tuple[Family, ...] = get_args(Family)
SIDE = 32
N_INPUTS = SIDE * SIDE
SAMPLE_RATE = 16_000

MAX_PIXELS = 50_000_000
MIN_RATE, MAX_RATE = 1_000, 400_000
MAX_SECONDS = 60
MAX_CHANNELS = 8
SILENCE = 1e-4  # of full scale: 3 steps of a 16-bit recording

MEL_WINDOW, MEL_HOP = 1024, 512  # samples: a moment is 64 ms, and comes every 32 ms
MEL_RANGE = 60.0, 7600.0  # Hz
MEL_FLOOR = 1e-3  # power, where a full-scale sine has about 6e4: what is 78 dB below it counts as silence

MNIST_SIDE, MNIST_BOX = 28, 20
MIN_CONTRAST = 24  # of 255: fainter than this is paper, not ink
WORKING_SIDE = 512  # a larger photograph of a digit is reduced to this first

Source = bytes | str | os.PathLike[str]


class InputError(ValueError):
    """An input that cannot be encoded. The message is written for a person and says what to do."""


class Statistics(NamedTuple):
    """Mean and standard deviation over all numbers of one modality's training inputs."""

    mean: float
    std: float


def standardise(x: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Encoded inputs of one modality (any shape) → float32 of the same shape, mean 0 and std 1 on the training set."""
    return (x.astype(np.float32) - np.float32(statistics.mean)) / np.float32(statistics.std)


# Pictures


def open_picture(source: Source, formats: tuple[str, ...] | None = None) -> Image.Image:
    """A picture file (its bytes or its path) → the decoded PIL image, first frame, of at most 50 megapixels.

    formats: those of Pillow's that it may be of; all, if None

    Raises InputError if the file is missing, empty, damaged, not a picture, or too large.
    """
    too_large = InputError(f"This picture has more than {MAX_PIXELS // 10**6} megapixels. Please use a smaller one.")
    try:
        image = Image.open(_stream(source), formats=formats)
        if image.format == "EPS":  # not a picture but a program, which Pillow would give to Ghostscript to run
            raise InputError("PostScript files are not supported. Please use a PNG or JPEG picture.")
        if image.width * image.height > MAX_PIXELS:  # known from the header, before anything is decoded
            raise too_large
        image.load()
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large from error
    except Exception as error:  # Pillow's decoders raise whatever the damaged bytes lead them to
        message = "This file could not be read as a picture. It may be damaged; please try a PNG or JPEG."
        raise InputError(message) from error
    return image


def encode_picture(image: Image.Image) -> np.ndarray:
    """A PIL image of any mode and size → (1024,) float32 in [0, 1], `grey_picture` row by row ("spatial").

    Raises InputError if the picture has no pixels.
    """
    return grey_picture(image).astype(np.float32).ravel() / np.float32(255)


def grey_picture(image: Image.Image) -> np.ndarray:
    """A PIL image of any mode and size → (32, 32) uint8.

    EXIF orientation is applied, transparency is put on white, the centre square is cut out and reduced with
    antialiasing. A grey 32×32 picture is passed on unchanged. Raises InputError if the picture has no pixels.
    """
    image = _upright(image)
    side = min(image.size)
    if image.width != image.height:
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    image = _grey(image)
    if side != SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _upright(image: Image.Image) -> Image.Image:
    if 0 in image.size:
        raise InputError("This picture has no pixels. Please choose another one.")
    return ImageOps.exif_transpose(image)


def _grey(image: Image.Image) -> Image.Image:
    """Any mode → "L", on white where transparent."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_of_deep(image)
    if image.mode == "LAB":
        return image.getchannel("L")
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L")


def _grey_of_deep(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float pixels → "L". The modes "I" and "F" do not say their range, so it is the smallest
    usual one (1 for floats, 255, 65535) that holds the brightest pixel, or else that pixel itself."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    usual = {"I": (255, 65535), "F": (1, 255, 65535)}.get(image.mode, (65535,))
    brightest = values.max()
    white = next((top for top in usual if brightest <= top), brightest)
    return Image.fromarray(np.rint(np.clip(values, 0, white) * (255 / white)).astype(np.uint8))


# Recordings


def open_recording(source: Source) -> tuple[np.ndarray, int]:
    """A sound file (its bytes or its path; WAV, FLAC, OGG, MP3 …) → samples (n,) or (n, channels) float32, rate in Hz.

    Raises InputError if the file is missing, empty, damaged, not a sound, longer than 60 s, or of an unusable format.
    """
    try:
        with soundfile.SoundFile(_stream(source)) as file:
            _check_format(file.samplerate, file.channels)
            _check_length(file.frames, file.samplerate)  # known from the header, before anything is decoded
            return file.read(dtype="float32"), file.samplerate
    except InputError:
        raise
    except Exception as error:  # soundfile raises several kinds of its own, and MemoryError for absurd headers
        message = "This file could not be read as a recording. It may be damaged; please try a WAV, MP3, FLAC or OGG."
        raise InputError(message) from error


def loudest_second(samples: np.ndarray, rate: int) -> np.ndarray:
    """A recording → its loudest second at 16 kHz, (16000,) float32 with peak 1.

    samples: (n,) or (n, channels); signed integers, unsigned integers (zero at half their range) or floats; ≤ 60 s
    rate: samples per second, 1 kHz to 400 kHz

    The second is the first window of greatest energy, zero-padded at the end if the recording is shorter, resampled
    with an anti-aliasing polyphase filter. Raises InputError for anything empty, silent, too long or not finite.
    """
    mono = _mono(np.asarray(samples), rate)
    peak = np.abs(mono).max()
    if np.ptp(mono) < 2 * SILENCE:
        raise InputError("This recording is silent. Please check the microphone and try again.")
    second = np.zeros(rate)
    energy = np.concatenate(([0.0], np.cumsum(np.square(mono / peak))))
    if len(mono) > rate:
        windows = energy[rate:] - energy[:-rate]
        start = int(np.argmax(windows >= windows.max() * (1 - 1e-9)))  # so that rounding does not break a tie
        mono = mono[start : start + rate]
    second[: len(mono)] = mono
    second = _resample(second, rate, SAMPLE_RATE)
    peak = np.abs(second).max()
    if peak < SILENCE:
        raise InputError("This recording has no sound that people can hear. Please try another one.")
    return (second / peak).astype(np.float32)


def encode_recording(samples: np.ndarray, rate: int, family: Family = "replica") -> dict[str, np.ndarray]:
    """A recording (as for loudest_second) → {"temporal": (1024,), "spectral": (1024,)}, both float32, as the models of
    a family are given it.

    Raises InputError as loudest_second does.
    """
    return ENCODE_SECOND[family](loudest_second(samples, rate))


def _second_for_replica(second: np.ndarray) -> dict[str, np.ndarray]:
    """(16000,) with peak 1 →

    temporal: resampled with anti-aliasing from 16,000 to 1024 samples, about in [-1, 1]
    spectral: log(1 + magnitude) of the real FFT, 0 to 8 kHz averaged into 1024 bins; ≥ 0

    The original code took 1024 bins of the 1024 samples, of which only 513 are independent; a second has 8001. Which
    1024 numbers to make of them the paper leaves open: averaging over the whole range was worth 14 points of
    validation accuracy over keeping the first 1024 (`python -m training.encoding_choices`).
    """
    second = second.astype(np.float64)
    magnitudes = np.abs(np.fft.rfft(second)[:-1])  # (8000,), 1 Hz apart, without the Nyquist bin
    return {
        "temporal": _resample(second, SAMPLE_RATE, N_INPUTS).astype(np.float32),
        "spectral": np.log1p(_average(magnitudes, N_INPUTS)).astype(np.float32),
    }


def _second_for_frontier(second: np.ndarray) -> dict[str, np.ndarray]:
    return {"temporal": loudest_half(second), "spectral": log_mel(second)}


ENCODE_SECOND: dict[Family, Callable[[np.ndarray], dict[str, np.ndarray]]] = {
    "replica": _second_for_replica,
    "frontier": _second_for_frontier,
}


def loudest_half(seconds: np.ndarray) -> np.ndarray:
    """Seconds at 16 kHz, (..., 16000) float32 → (..., 1024) float32, the half second of greatest energy at 2048 Hz,
    with anti-aliasing and peak 1."""
    slow = signal.resample_poly(seconds, 2 * N_INPUTS, SAMPLE_RATE, axis=-1)  # (..., 2048)
    energy = np.cumsum(np.square(slow, dtype=np.float64), -1)
    windows = energy[..., N_INPUTS - 1 :].copy()  # (..., 1025), of the window that begins at each sample
    windows[..., 1:] -= energy[..., :N_INPUTS]
    start = windows.argmax(-1)
    half = np.take_along_axis(slow, start[..., None] + np.arange(N_INPUTS), -1)
    return half / np.maximum(np.abs(half).max(-1, keepdims=True), np.float32(SILENCE))


def log_mel(seconds: np.ndarray) -> np.ndarray:
    """Seconds at 16 kHz, (..., 16000) float32 → (..., 1024) float32, log power in 32 mel bands at 32 moments.

    Moment by moment, each from low to high bands. A moment is a Hann window of 64 ms, centred on 0, 32, 64 … ms; its
    power is summed into triangular bands, evenly spaced on the mel scale (HTK's) from 60 Hz to 7.6 kHz, then
    log(floor + power).
    """
    padded = np.pad(seconds, [(0, 0)] * (seconds.ndim - 1) + [(MEL_WINDOW // 2, MEL_WINDOW // 2)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, MEL_WINDOW, axis=-1)[..., ::MEL_HOP, :][..., :SIDE, :]
    spectrum = fft.rfft(frames * np.hanning(MEL_WINDOW).astype(np.float32))
    power = spectrum.real**2 + spectrum.imag**2  # (..., 32, 513)
    return np.log(np.float32(MEL_FLOOR) + power @ MEL_BANDS).reshape(*seconds.shape[:-1], N_INPUTS)


def _mel_bands() -> np.ndarray:
    """(513, 32) float32, the weight of each frequency in each band."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in MEL_RANGE)
    corners = 700 * (10 ** (np.linspace(low, high, SIDE + 2) / 2595) - 1)
    frequencies = np.arange(MEL_WINDOW // 2 + 1)[:, None] * (SAMPLE_RATE / MEL_WINDOW)
    rising = (frequencies - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - frequencies) / np.diff(corners)[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


MEL_BANDS = _mel_bands()


def _average(values: np.ndarray, n: int) -> np.ndarray:
    """(m,) → (n,) means of neighbouring values, groups as equal as whole numbers allow."""
    edges = np.arange(n + 1) * len(values) // n
    return np.add.reduceat(values, edges[:-1]) / np.diff(edges)


def _check_format(rate: int, channels: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"This recording has {rate} samples a second; between 1,000 and 400,000 are possible. Please convert it."
        )
    if channels > MAX_CHANNELS:
        raise InputError(f"This recording has {channels} channels; at most {MAX_CHANNELS} are possible.")


def _check_length(n: int, rate: int) -> None:
    if n == 0:
        raise InputError("This recording is empty. Please record or choose another one.")
    if n > MAX_SECONDS * rate:
        raise InputError(f"This recording is longer than {MAX_SECONDS} seconds. Please use a shorter one.")


def _mono(samples: np.ndarray, rate: int) -> np.ndarray:
    """(n,) or (n, channels) of any integer or float type → (n,) float64, integers scaled to [-1, 1]."""
    if samples.ndim not in (1, 2):
        raise InputError("A recording must be an array of samples, or of samples × channels.")
    _check_format(rate, 1 if samples.ndim == 1 else samples.shape[1])
    _check_length(samples.size and len(samples), rate)
    if samples.dtype.kind not in "iuf":
        raise InputError("A recording must consist of real numbers.")
    mono = samples.astype(np.float64)
    if samples.dtype.kind != "f":
        half = 2.0 ** (8 * samples.itemsize - 1)
        mono = mono / half if samples.dtype.kind == "i" else mono / half - 1
    if not np.isfinite(mono).all():
        raise InputError("This recording contains values that are not numbers. Please export it again.")
    return mono if mono.ndim == 1 else mono.mean(axis=1)


def _resample(second: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """One second (rate,) → (new_rate,), with an anti-aliasing filter."""
    if rate == new_rate:
        return second
    # Usual rates have a small exact ratio. For an odd one such as 44,099 Hz a near ratio (wrong by at most one part in
    # 20,000, usually far less) keeps the filter short.
    ratio = Fraction(new_rate, rate).limit_denominator(10_000)
    resampled = signal.resample_poly(second, ratio.numerator, ratio.denominator)[:new_rate]
    return np.pad(resampled, (0, new_rate - len(resampled)))


# Digits


def encode_digit(image: Image.Image, family: Family = "replica") -> np.ndarray:
    """A drawn or photographed digit of any mode and size → (1024,) float32 in [0, √32], the distances ("relational"),
    as the models of a family are given them.

    The same for dark ink on light and light ink on dark. Raises InputError if nothing is drawn.
    """
    return ENCODE_GRID[family](digit_grid(image))


def row_distances(grid: np.ndarray) -> np.ndarray:
    """(..., 32, 32) uint8 → (..., 1024) float32, the Euclidean distances between its rows, in units of full ink.

    Element 32·i + j is the distance between rows i and j. Computed in integers, so inverting the ink, mirroring left to
    right, shifting sideways and permuting columns leave every bit as it is. Turning upside down does not.
    """
    rows = grid.astype(np.int64)
    products = rows @ rows.swapaxes(-1, -2)  # (..., 32, 32)
    squares = products.diagonal(axis1=-2, axis2=-1)
    distances = np.sqrt(squares[..., :, None] + squares[..., None, :] - 2 * products) / 255
    return distances.astype(np.float32).reshape(*grid.shape[:-2], N_INPUTS)


def row_and_column_distances(grid: np.ndarray) -> np.ndarray:
    """(..., 32, 32) uint8 → (..., 1024) float32: row_distances above the diagonal, those between the columns below it.

    Element 32·i + j is the distance between rows i and j if i < j, and between columns i and j if i > j. A matrix of
    distances says everything twice; with the columns in its other half, 96 of 100 digits were recognised instead of 94
    (training/RECORDS.md). Inverting the ink still changes nothing, mirroring does.
    """
    rows, columns = (row_distances(way).reshape(grid.shape) for way in (grid, grid.swapaxes(-1, -2)))
    return np.where(np.tri(SIDE, dtype=bool), columns, rows).reshape(*grid.shape[:-2], N_INPUTS)


ENCODE_GRID: dict[Family, Callable[[np.ndarray], np.ndarray]] = {
    "replica": row_distances,
    "frontier": row_and_column_distances,
}


def digit_grid(image: Image.Image) -> np.ndarray:
    """A digit of any mode and size → (32, 32) uint8, white ink on black, sized and placed as MNIST's digits are.

    As for MNIST (LeCun et al. 1998), the ink's bounding box is scaled into 20×20, keeping its aspect, and placed with
    its centre of mass in the centre of 28×28; then two empty pixels are added on every side. An image that is already
    like that is passed on unchanged. Raises InputError if nothing is drawn.
    """
    image = _grey(_upright(image))
    if max(image.size) > WORKING_SIDE:
        shrink = WORKING_SIDE / max(image.size)
        width, height = (max(1, round(length * shrink)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
    ink, is_clean = _find_ink(np.asarray(image).astype(np.float64))
    if not (is_clean and _is_normalised(ink)):
        ink = _centre(_fit(ink, is_clean))
    return np.pad(np.rint(ink).astype(np.uint8), (SIDE - MNIST_SIDE) // 2)


def _find_ink(grey: np.ndarray) -> tuple[np.ndarray, bool]:
    """(h, w) grey levels → (h, w) ink in [0, 255], and whether the paper is clean, as in a drawing but not in a photo.

    The paper's grey level is the median of the image's border; ink is whatever side of it holds more contrast.
    """
    border = np.concatenate((grey[0], grey[-1], grey[:, 0], grey[:, -1]))
    paper = np.median(border)
    ink = grey - paper
    if np.square(np.minimum(ink, 0)).sum() > np.square(np.maximum(ink, 0)).sum():
        ink = -ink
    # What most of the border deviates by is the paper's shading and noise; some of the border may be ink.
    noise = 3 * float(np.median(np.abs(border - paper)))
    ink = np.maximum(ink - noise, 0)
    strength = ink.max()
    if strength < max(MIN_CONTRAST, noise):
        raise InputError("No digit was found. Please draw one, or use a picture with more contrast.")
    if strength < 200:  # pale ink; MNIST's own digits are all darker
        ink *= 255 / strength
    return np.minimum(ink, 255), noise == 0


def _is_normalised(ink: np.ndarray) -> bool:
    """Whether a 28×28 ink image is sized and placed as MNIST's digits are, to their own accuracy."""
    if ink.shape != (MNIST_SIDE, MNIST_SIDE):
        return False
    box = ink[_bounding_box(ink > 0)]
    centre = np.array(ndimage.center_of_mass(ink)) - (MNIST_SIDE - 1) / 2
    return max(box.shape) in (MNIST_BOX - 1, MNIST_BOX) and bool(np.abs(centre).max() <= 1)


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _fit(ink: np.ndarray, is_clean: bool) -> np.ndarray:
    """(h, w) ink → its bounding box scaled so that the longer side is 20, with strokes about as wide as MNIST's."""
    mask = ink > ink.max() / 4
    if not is_clean:
        mask = _without_specks(mask)
        ink = np.where(ndimage.binary_dilation(mask), ink, 0)
    box = ink[_bounding_box(mask)]
    scale = MNIST_BOX / max(box.shape)
    image = Image.fromarray(np.rint(box).astype(np.uint8))
    size = max(1, round(box.shape[1] * scale)), max(1, round(box.shape[0] * scale))
    missing = 2 - _stroke_width(box) * scale  # MNIST's strokes are about 2 pixels wide
    radius = round(missing / scale / 2)
    if radius > 0 and min(box.shape) > 1:
        image = ImageOps.expand(image, radius).filter(ImageFilter.MaxFilter(2 * radius + 1))
    fitted = np.asarray(image.resize(size, Image.Resampling.BICUBIC)).astype(np.float64)
    return fitted * (255 / fitted.max())


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """The mask without its connected parts smaller than a twentieth of the largest."""
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes >= sizes.max() / 20)[parts] & mask


def _stroke_width(ink: np.ndarray) -> float:
    """Mean width of the strokes in pixels: twice their area over their outline's length (the total variation)."""
    padded = np.pad(ink, 1)
    outline = np.hypot(np.diff(padded, axis=0)[:, 1:], np.diff(padded, axis=1)[1:]).sum()
    return 2 * float(ink.sum() / outline)


def _centre(ink: np.ndarray) -> np.ndarray:
    """(h, w) ink of at most 20×20 → (28, 28), its centre of mass in the centre as far as whole pixels allow."""
    canvas = np.zeros((MNIST_SIDE, MNIST_SIDE))
    centre = ndimage.center_of_mass(ink)
    top, left = (
        min(max(round((MNIST_SIDE - 1) / 2 - c), 0), MNIST_SIDE - n) for c, n in zip(centre, ink.shape, strict=True)
    )
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return canvas


def _stream(source: Source) -> Path | io.BytesIO:
    """Something that Pillow and soundfile can open: the path, or a file in memory. Raises InputError if it is missing
    or empty."""
    if isinstance(source, bytes):
        stream: Path | io.BytesIO = io.BytesIO(source)
        size = len(source)
    else:
        stream = Path(source)
        if not stream.is_file():
            raise InputError(f"There is no file {stream.name!r}. Please choose another one.")
        size = stream.stat().st_size
    if size == 0:
        raise InputError("This file is empty. Please choose another one.")
    return stream
