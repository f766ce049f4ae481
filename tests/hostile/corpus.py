"""Files that nobody should send, made here: each with what is to come of it, None for a prediction or else a pattern of
the sentence that refuses it."""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from hetmoe.demo.sources import examples
from tests.media import gradient, png, tone, wav


class Case(NamedTuple):
    kind: str
    make: Callable[[], bytes]
    refusal: str | None = None


UNREADABLE = "could not be read"


def example(kind: str) -> bytes:
    return next(iter(examples(kind).values())).read_bytes()


def grey() -> Image.Image:
    return Image.fromarray(gradient(64))


def plain(mode: str, megapixels: float, **options) -> Callable[[], bytes]:
    side = int((megapixels * 1e6) ** 0.5)
    return lambda: png(Image.new(mode, (side, side)), **options)


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return png(Image.new("RGB", (60, 40), "red"), format="JPEG", exif=exif)


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), (i, 255 - i, i)) for i in range(0, 250, 5)]
    return png(frames[0], format=kind, save_all=True, append_images=frames[1:])


def transparent() -> bytes:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.putalpha(grey())
    return png(image)


def claims(width: int, height: int) -> bytes:
    """A PNG whose header says so, of one pixel."""
    file = bytearray(png(Image.new("1", (1, 1))))
    file[16:24] = struct.pack(">II", width, height)
    file[29:33] = struct.pack(">I", zlib.crc32(file[12:29]))
    return bytes(file)


def full_of_text() -> bytes:
    """A PNG with 100 MB of compressed comments."""
    chunk = b"zTXtComment\0\0" + zlib.compress(bytes(10**6), 9)
    comment = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    file = png(grey())
    return file[:33] + 100 * comment + file[33:]


def hidden_in_an_icon() -> bytes:
    """An icon that says it is 16×16, and is 10,000×10,000."""
    inner = png(Image.new("1", (10_000, 10_000)))
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


def hours(n: int) -> bytes:
    """A WAV whose header says so, of one second."""
    file = bytearray(wav(tone(200)))
    data = file.index(b"data")
    file[4:8] = struct.pack("<I", n * 3600 * 32_000 + data)
    file[data + 4 : data + 8] = struct.pack("<I", n * 3600 * 32_000)
    return bytes(file)


def at_rate(hertz: int) -> bytes:
    """A WAV whose header says so."""
    file = bytearray(wav(tone(200)))
    file[24:28] = struct.pack("<I", hertz)
    return bytes(file)


def with_value(value: float) -> Callable[[], bytes]:
    def make() -> bytes:
        samples = tone(200)
        samples[100:110] = value
        return wav(samples, subtype="FLOAT")

    return make


def channels(n: int) -> bytes:
    return wav(np.stack([tone(200)] * n, axis=1))


def stroke(points: int, off_x: float = 0) -> bytes:
    """The pad after a long stroke of so many points, so far to the right."""
    image = Image.new("L", (280, 280))
    turn = np.linspace(0, 200, points)
    where = np.stack([140 + off_x + 90 * np.sin(turn), 140 + 90 * np.sin(1.01 * turn)], axis=1)
    ImageDraw.Draw(image).line([(float(x), float(y)) for x, y in where], fill=255, width=12)
    return png(image)


PICTURES = {
    "nothing": Case("picture", lambda: b"", "empty"),
    "one byte": Case("picture", lambda: b"\x89", UNREADABLE),
    "half a picture": Case("picture", lambda: example("picture")[:700], UNREADABLE),
    "a header alone": Case("picture", lambda: example("picture")[:33], UNREADABLE),
    "text": Case("picture", lambda: b"<svg onload='alert(1)'/>", UNREADABLE),
    "a sound": Case("picture", lambda: example("sound"), UNREADABLE),
    "PostScript": Case("picture", lambda: png(grey(), format="EPS"), UNREADABLE),
    "claims 60,000 × 60,000": Case("picture", lambda: claims(60_000, 60_000), "pixels"),
    "claims 0 × 0": Case("picture", lambda: claims(0, 0), UNREADABLE),
    "claims 2³¹ × 1": Case("picture", lambda: claims(2**31 - 1, 1), f"pixels|{UNREADABLE}"),
    "100 megapixels": Case("picture", plain("1", 100), "pixels"),
    "100 megapixels in an icon": Case("picture", hidden_in_an_icon, UNREADABLE),
    "40 megapixels in colour": Case("picture", plain("RGB", 40, compress_level=1), "pixels"),
    "27 megapixels in colour": Case("picture", plain("RGB", 27, compress_level=1)),
    "20 megapixels in 16 bits": Case("picture", plain("I;16", 20, compress_level=1), "pixels"),
    "7 megapixels in 16 bits": Case("picture", plain("I;16", 7, compress_level=1)),
    "7 megapixels of floats": Case("picture", plain("F", 7, format="TIFF", compression="tiff_deflate")),
    "12 megapixels, transparent": Case("picture", plain("RGBA", 12, compress_level=1)),
    "100 MB of comments": Case("picture", full_of_text, UNREADABLE),
    "very wide": Case("picture", lambda: png(Image.new("L", (60_000, 1)))),
    "one pixel": Case("picture", lambda: png(Image.new("L", (1, 1)))),
    "CMYK": Case("picture", lambda: png(Image.new("CMYK", (64, 64)), format="JPEG")),
    "16 bits": Case("picture", lambda: png(Image.fromarray(gradient(64).astype(np.uint16) * 257))),
    "palette": Case("picture", lambda: png(grey().convert("P"))),
    "transparent palette": Case("picture", lambda: png(grey().convert("P"), transparency=0)),
    "animated GIF": Case("picture", lambda: animated("GIF")),
    "animated PNG": Case("picture", lambda: animated("PNG")),
    "animated WebP": Case("picture", lambda: animated("WEBP")),
    "rotated by EXIF": Case("picture", rotated),
    "alpha alone": Case("picture", transparent),
}
SOUNDS = {
    "no sound": Case("sound", lambda: b"", "empty"),
    "half a header": Case("sound", lambda: example("sound")[:20], UNREADABLE),
    "half a sound": Case("sound", lambda: example("sound")[: len(example("sound")) // 2]),
    "a picture": Case("sound", lambda: example("picture"), UNREADABLE),
    "a header and nothing": Case("sound", lambda: wav(np.zeros(0)), "empty"),
    "claims four hours": Case("sound", lambda: hours(4)),
    "four hours": Case("sound", lambda: wav(np.zeros(4 * 3600 * 1000, np.int16), 1000), "longer than 60 seconds"),
    "an hour of FLAC": Case("sound", lambda: wav(np.zeros(3600 * 8000, np.int16), 8000, format="FLAC"), "longer than"),
    "a minute at 400 kHz": Case("sound", lambda: wav(np.zeros(60 * 400_000, np.int16), 400_000), "too large"),
    "a minute of 8 channels": Case("sound", lambda: wav(np.ones((60 * 32_000, 8)) * 0.5, 32_000), "silent"),
    "8 bits": Case("sound", lambda: wav(tone(200), subtype="PCM_U8")),
    "16 bits of sound": Case("sound", lambda: wav(tone(200), subtype="PCM_16")),
    "24 bits": Case("sound", lambda: wav(tone(200), subtype="PCM_24")),
    "32 bits": Case("sound", lambda: wav(tone(200), subtype="PCM_32")),
    "64-bit floats": Case("sound", lambda: wav(tone(200), subtype="DOUBLE")),
    "NaN": Case("sound", with_value(np.nan), "not numbers"),
    "infinity": Case("sound", with_value(np.inf), "not numbers"),
    "the largest float": Case("sound", with_value(3e38)),
    "1 Hz": Case("sound", lambda: at_rate(1), "samples a second"),
    "0 Hz": Case("sound", lambda: at_rate(0), f"samples a second|{UNREADABLE}"),
    "4 GHz": Case("sound", lambda: at_rate(2**32 - 1), f"samples a second|{UNREADABLE}"),
    "384 kHz": Case("sound", lambda: wav(tone(200, rate=384_000), 384_000)),
    "12 channels": Case("sound", lambda: channels(12), "12 channels"),
    "8 channels": Case("sound", lambda: channels(8)),
    "silence": Case("sound", lambda: wav(np.zeros(16_000)), "silent"),
    "direct current": Case("sound", lambda: wav(np.full(16_000, 0.5)), "silent"),
    "a click": Case("sound", lambda: wav(np.eye(1, 16_000, 8_000)[0])),
    "one sample": Case("sound", lambda: wav(np.array([0.5])), "silent"),
}
DIGITS = {
    "an empty pad": Case("digit", lambda: png(Image.new("L", (280, 280))), "No digit"),
    "a pad full of ink": Case("digit", lambda: png(Image.new("L", (280, 280), 255)), "No digit"),
    "ten thousand points": Case("digit", lambda: stroke(10_000)),
    "a stroke half outside": Case("digit", lambda: stroke(100, 140)),
    "a stroke outside": Case("digit", lambda: stroke(100, 1000), "No digit"),
    "a digit of 27 megapixels": Case("digit", plain("RGB", 27, compress_level=1), "No digit"),
}
CASES = PICTURES | SOUNDS | DIGITS
