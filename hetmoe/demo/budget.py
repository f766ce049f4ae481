"""How much memory a visitor's file may take. The library opens whatever people have on their own machines; on a page
for everyone a file of 400 kB must not cost a gigabyte and six seconds, as a 16-bit PNG of 49 megapixels does."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import soundfile
from PIL import Image

from hetmoe.encoding import MAX_SECONDS, InputError

MAX_BYTES = 250 * 10**6  # for one file: a photograph of 27 megapixels, a minute of stereo at 96 kHz
LARGE_BYTES = 60 * 10**6  # from here on only one file at a time, so that many do not cost more than one
PATIENCE = 5  # seconds to wait for the file before

# Bytes that decoding and encoding take at their peak (tests/hostile measures it), for a pixel of a mode; the deep modes
# become floats.
PER_PIXEL = {"1": 4, "L": 4, "P": 14, "RGB": 9, "YCbCr": 9, "CMYK": 13, "LA": 20, "RGBA": 20}
PER_DEEP_PIXEL = 32
# The last three take twice the memory, or twice the time. Others of Pillow's formats are hardly met, and some hide a
# large picture behind the header of a small one (ICO, ICNS).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "AVIF", "JPEG2000")
COSTLY_FORMATS = FORMATS[-3:]
PER_SAMPLE, PER_MOMENT = 13, 16  # bytes, of each channel and of their mean

_large = Lock()


@contextmanager
def room_for(kind: str, source: bytes | Path) -> Iterator[None]:
    """While a file of a kind (picture, sound or digit) is decoded. Raises InputError if that would take too much, or if
    others' files take it for too long, or if the file is a picture of no format that visitors may send."""
    cost = _bytes_for_sound(source) if kind == "sound" else _bytes_for_picture(source)
    if cost <= LARGE_BYTES:
        yield
        return
    if cost > MAX_BYTES:
        raise InputError(
            "This recording is too large. Please use one that is shorter, or has fewer channels or samples a second."
            if kind == "sound"
            else "This picture has too many pixels. Please use a smaller one."
        )
    if not _large.acquire(timeout=PATIENCE):
        raise InputError("Many large files are being opened just now. Please try again in a moment.")
    try:
        yield
    finally:
        _large.release()


def _bytes_for_picture(source: bytes | Path) -> int:
    """Raises InputError for what is none, or of no format of ours."""
    if not (len(source) if isinstance(source, bytes) else source.is_file() and source.stat().st_size):
        return 0
    try:
        with Image.open(_stream(source), formats=FORMATS) as image:
            per_pixel = PER_PIXEL.get(image.mode, PER_DEEP_PIXEL) * (2 if image.format in COSTLY_FORMATS else 1)
            return image.width * image.height * per_pixel
    except Image.DecompressionBombError:
        return MAX_BYTES + 1
    except Exception as error:  # Pillow raises whatever the damaged bytes lead it to
        raise InputError("This file could not be read as a picture. Please try a PNG or JPEG.") from error


def _bytes_for_sound(source: bytes | Path) -> int:
    """0 for what will not be decoded, as it is none or too long; the decoder says so."""
    with suppress(Exception):
        sound = soundfile.info(_stream(source))
        if sound.frames <= MAX_SECONDS * sound.samplerate:
            return sound.frames * (sound.channels * PER_SAMPLE + PER_MOMENT)
    return 0


def _stream(source: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(source) if isinstance(source, bytes) else source
