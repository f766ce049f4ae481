"""How much memory a visitor's file may take. The library opens whatever people have on their own machines; on a page
for everyone a file of 400 kB must not cost a gigabyte and six seconds, as a 16-bit PNG of 49 megapixels does."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore, Condition

import soundfile
from PIL import Image

from hetmoe.encoding import MAX_SECONDS, InputError

MAX_BYTES = 250 * 10**6  # for all together, and so for one: a photograph of 27 megapixels, a minute of stereo at 96 kHz
SMALL_BYTES = 5 * 10**6  # up to here a file is not counted: there are no more of them at once than Gradio has threads
PATIENCE = 5  # seconds to wait for others' files

# Bytes that decoding and encoding take at their peak (tests/hostile measures it), for a pixel of a mode; the deep modes
# become floats.
PER_PIXEL = {"1": 4, "L": 4, "P": 14, "RGB": 9, "YCbCr": 9, "CMYK": 13, "LA": 20, "RGBA": 20}
PER_DEEP_PIXEL = 32
# The last three take twice the memory, or twice the time. Others of Pillow's formats are hardly met, and some hide a
# large picture behind the header of a small one (ICO, ICNS).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "AVIF", "JPEG2000")
COSTLY_FORMATS = FORMATS[-3:]
PER_SAMPLE, PER_MOMENT = 13, 16  # bytes, of each channel and of their mean

MANY = "Many large files are being opened just now. Please try again in a moment."

_room = Condition()
_taken = 0  # bytes, by the files that are being decoded
_waiting = BoundedSemaphore(4)  # each holds a thread of those that predictions need


@contextmanager
def room_for(kind: str, source: bytes | Path) -> Iterator[None]:
    """While a file of a kind (picture, sound or digit) is decoded. Raises InputError if that would take too much, or if
    others' files take it for too long, or if the file is a picture of no format that visitors may send."""
    global _taken
    cost = _bytes_for_sound(source) if kind == "sound" else _bytes_for_picture(source)
    if cost <= SMALL_BYTES:
        yield
        return
    if cost > MAX_BYTES:
        raise InputError(
            "This recording is too large. Please use one that is shorter, or has fewer channels or samples a second."
            if kind == "sound"
            else "This picture has too many pixels. Please use a smaller one."
        )
    with _room:
        if _taken + cost > MAX_BYTES:
            _wait_for(cost)
        _taken += cost
    try:
        yield
    finally:
        with _room:
            _taken -= cost
            _room.notify_all()


def _wait_for(cost: int) -> None:
    if not _waiting.acquire(blocking=False):
        raise InputError(MANY)
    try:
        if not _room.wait_for(lambda: _taken + cost <= MAX_BYTES, PATIENCE):
            raise InputError(MANY)
    finally:
        _waiting.release()


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
