"""The encoding: what it promises for real samples, and for every odd input that people have."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageDraw

from hetmoe import encoding
from hetmoe.encoding import (
    SAMPLE_RATE,
    InputError,
    Statistics,
    digit_grid,
    encode_digit,
    encode_picture,
    encode_recording,
    loudest_second,
    open_picture,
    open_recording,
    row_distances,
    standardise,
)

SAMPLES = Path(__file__).parent / "samples"
PICTURES = sorted(SAMPLES.glob("cifar10-*.png"))
DIGITS = sorted(SAMPLES.glob("mnist-*.png"))
RECORDINGS = sorted(SAMPLES.glob("speech-*.wav"))


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


def wav(samples: np.ndarray, rate: int = SAMPLE_RATE, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", **options})
    return file.getvalue()


def tone(hertz: float, seconds: float = 1.0, rate: int = SAMPLE_RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def bin_of(hertz: int) -> int:
    """The spectral input's bin that holds this frequency: bin b begins at ⌊7.8125 b⌋ Hz."""
    return int(np.searchsorted(np.arange(1025) * 8000 // 1024, hertz, side="right")) - 1


def gradient(side: int = 32) -> np.ndarray:
    """(side, side) uint8 from 0 top left to 255 bottom right."""
    ramp = np.arange(side)
    return np.rint((ramp[:, None] + ramp) * 255 / (2 * side - 2)).astype(np.uint8)


def assert_valid(encoded: np.ndarray, low: float, high: float) -> None:
    assert encoded.shape == (1024,)
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()
    assert low <= encoded.min() and encoded.max() <= high


# Pictures


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_cifar_picture_is_its_own_grey_pixels(path):
    grey = np.asarray(Image.open(path).convert("L"))
    assert (encode_picture(open_picture(path)) == grey.ravel() / np.float32(255)).all()
    assert (encode_picture(open_picture(path.read_bytes())) == encode_picture(open_picture(path))).all()


def test_grey_32_by_32_is_passed_unchanged():
    assert (encode_picture(Image.fromarray(gradient())) == gradient().ravel() / np.float32(255)).all()


MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "LA", "PA", "RGBX", "RGBa", "La"]


@pytest.mark.parametrize("mode", [*MODES, "I;16", "I;16L", "I;16B"])
def test_every_mode(mode):
    grey = Image.fromarray(gradient(48))
    if mode.startswith("I;16"):
        order = ">u2" if mode.endswith("B") else "<u2"
        image = Image.frombytes(mode, grey.size, (np.asarray(grey).astype(np.uint16) * 257).astype(order).tobytes())
    elif mode == "LAB":
        image = Image.merge("LAB", [grey, Image.new("L", grey.size, 128), Image.new("L", grey.size, 128)])
    elif mode == "PA":
        image = grey.convert("P").convert("PA")
    elif mode in ("RGBa", "La"):
        image = grey.convert({"RGBa": "RGBA", "La": "LA"}[mode]).convert(mode)
    elif mode == "HSV":
        image = grey.convert("RGB").convert("HSV")
    else:
        image = grey.convert(mode)
    encoded = encode_picture(image)
    assert_valid(encoded, 0, 1)
    tolerance = 0.3 if mode == "1" else 0.01  # black and white dots are grey only on average
    assert np.abs(encoded - encode_picture(grey)).mean() < tolerance


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0, 1e6])
def test_float_pictures_of_any_range(scale):
    image = Image.fromarray((gradient() / 255 * scale).astype(np.float32))
    assert np.abs(encode_picture(image) - gradient().ravel() / 255).max() < 0.01


def test_float_picture_with_values_that_are_not_numbers():
    values = gradient().astype(np.float32)
    values[3, 3], values[4, 4] = np.nan, np.inf
    assert_valid(encode_picture(Image.fromarray(values)), 0, 1)


def test_16_bit_png():
    deep = Image.fromarray(gradient().astype(np.uint16) * 257)
    assert np.abs(encode_picture(open_picture(png(deep))) - gradient().ravel() / 255).max() < 1e-6


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "La", "RGBa"])
def test_transparency_is_white(mode):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    if mode == "PA":
        image = Image.new("PA", (40, 40), (0, 0))
    else:
        image = {"La": image.convert("LA"), "RGBa": image}.get(mode, image).convert(mode)
    assert (encode_picture(image) == 1).all()


def test_transparent_palette_and_colour_key_are_white():
    black = Image.new("P", (40, 40), 0)
    assert (encode_picture(open_picture(png(black, transparency=0))) == 1).all()
    assert (encode_picture(open_picture(png(Image.new("RGB", (40, 40)), transparency=(0, 0, 0)))) == 1).all()
    assert (encode_picture(open_picture(png(Image.new("L", (40, 40)), transparency=0))) == 1).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = Image.open(PICTURES[0])
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_picture(png(stored, exif=exif))
    assert (encode_picture(opened) == encode_picture(upright)).all()


def test_animation_gives_its_first_frame():
    frames = [Image.new("L", (32, 32), level) for level in (255, 0, 0)]
    animation = png(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    assert (encode_picture(open_picture(animation)) == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (33, 32), (640, 480), (31, 400)])
def test_any_size_gives_its_centre(size):
    image = Image.new("L", size, 0)
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    image.paste(255, (left, top, left + side, top + side))
    assert (encode_picture(image) == 1).all()


def test_reducing_does_not_alias():
    stripes = np.tile(np.array([0, 255], np.uint8), (320, 160))  # finer than 32 pixels can show
    assert np.abs(encode_picture(Image.fromarray(stripes)) - 0.5).max() < 0.05


@pytest.mark.parametrize("size", [(0, 0), (0, 5)])
def test_picture_without_pixels(size):
    with pytest.raises(InputError, match="no pixels"):
        encode_picture(Image.new("RGB", size))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
def test_truncated_pictures(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = png(Image.fromarray(noise), format=kind)
    with pytest.raises(InputError, match="could not be read"):
        open_picture(whole[: len(whole) // 2])


@pytest.mark.parametrize("data", [b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", bytes(1000)])
def test_files_that_are_no_pictures(data):
    with pytest.raises(InputError, match="could not be read"):
        open_picture(data)


def test_missing_and_empty_files(tmp_path):
    (tmp_path / "empty").touch()
    for function in (open_picture, open_recording):
        for nothing in (b"", tmp_path / "empty", str(tmp_path / "empty")):
            with pytest.raises(InputError, match="empty"):
                function(nothing)
        with pytest.raises(InputError, match=r"no file 'gone\.png'"):
            function(tmp_path / "gone.png")
        with pytest.raises(InputError, match="no file"):
            function(tmp_path)


def test_postscript_is_not_run():
    with pytest.raises(InputError, match="PostScript"):
        open_picture(png(Image.new("RGB", (32, 32)), format="EPS"))


@pytest.mark.parametrize("side", [7_100, 9_700, 60_000])  # over our limit, Pillow's warning and Pillow's error
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused_by_their_header(side):
    header = bytearray(png(Image.new("1", (1, 1))))
    header[16:24] = side.to_bytes(4, "big") * 2
    header[29:33] = __import__("zlib").crc32(header[12:29]).to_bytes(4, "big")
    with pytest.raises(InputError, match="50 megapixels"):
        open_picture(bytes(header))


# Recordings


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_speech_recording(path):
    encoded = encode_recording(*open_recording(path))
    assert list(encoded) == ["temporal", "spectral"]
    assert_valid(encoded["temporal"], -1.5, 1.5)
    assert_valid(encoded["spectral"], 0, 10)
    second = loudest_second(*open_recording(path))
    assert second.shape == (16000,) and second.dtype == np.float32 and np.abs(second).max() == 1


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance: float = 0) -> None:
    for modality in ("temporal", "spectral"):
        assert np.abs(a[modality] - b[modality]).max() <= tolerance


def test_bytes_path_and_integer_samples_are_the_same_bit_for_bit():
    path = RECORDINGS[0]
    expected = encode_recording(*open_recording(path))
    assert_same(encode_recording(*open_recording(path.read_bytes())), expected)
    integers, rate = soundfile.read(path, dtype="int16")  # what a microphone component hands over
    assert_same(encode_recording(integers, rate), expected)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "float16", "float32", "float64"])
def test_sample_types(dtype):
    samples, rate = open_recording(RECORDINGS[0])
    kind = np.dtype(dtype)
    if kind.kind == "f":
        given = samples.astype(kind)
    else:
        half = 2 ** (8 * kind.itemsize - 1)
        given = (np.rint(samples * (half - 1)) + (half if kind.kind == "u" else 0)).astype(kind)
    encoded = encode_recording(given, rate)["temporal"]
    assert np.abs(encoded - encode_recording(samples, rate)["temporal"]).max() < (0.01 if kind.itemsize == 1 else 1e-3)


def test_stereo_is_averaged():
    samples, rate = open_recording(RECORDINGS[0])
    assert_same(encode_recording(np.stack([samples] * 2, axis=1), rate), encode_recording(samples, rate), 1e-6)
    one_sided = np.stack([samples, np.zeros_like(samples)], axis=1)
    assert_same(encode_recording(one_sided, rate), encode_recording(samples, rate), 1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 44099, 48000, 96000, 192000, 400000])
def test_sample_rates(rate):
    encoded, expected = encode_recording(tone(220, rate=rate), rate), encode_recording(tone(220), SAMPLE_RATE)
    assert np.abs(encoded["temporal"] - expected["temporal"])[32:-32].max() < 0.02  # the ends ring
    assert encoded["spectral"].argmax() == bin_of(220)


@pytest.mark.parametrize("rate", [0, -1, 999, 400_001])
def test_unusable_rates(rate):
    with pytest.raises(InputError, match="samples a second"):
        encode_recording(tone(220), rate)


@pytest.mark.parametrize("volume", [1e-3, 0.1, 1.0, 1000.0, 1e30])
def test_volume_does_not_matter(volume):
    """Fault 1 of the original: sound was normalised in the demo and not in training. Here it always is."""
    samples, rate = open_recording(RECORDINGS[0])
    assert_same(encode_recording(samples.astype(np.float64) * volume, rate), encode_recording(samples, rate), 1e-5)


def test_high_tones_do_not_fold_down():
    """Fault 7: without a filter a tone of 3 kHz appears as a low one among 1024 samples."""
    low_and_high = tone(100) + tone(3000)
    spectrum = np.abs(np.fft.rfft(encode_recording(low_and_high, SAMPLE_RATE)["temporal"]))
    assert spectrum.argmax() == 100
    assert np.delete(spectrum, range(95, 106)).max() < 0.01 * spectrum[100]


def test_long_recordings_are_not_squeezed():
    """Fault 7: three seconds of speech were played three times as fast."""
    assert encode_recording(tone(200, seconds=3), SAMPLE_RATE)["spectral"].argmax() == bin_of(200)
    three = np.concatenate([0.01 * tone(50), tone(200), 0.01 * tone(50)])
    assert_same(encode_recording(three, SAMPLE_RATE), encode_recording(tone(200), SAMPLE_RATE), 1e-2)


def test_spectral_bins_are_all_of_the_second():
    """Fault 7: of 1024 bins of 1024 samples only 513 are independent. Here every bin has its own tone, up to 8 kHz."""
    for bin_, hertz in ((0, 1), (65, 513), (128, 1000), (129, 1008), (512, 4000), (1023, 7999)):
        spectrum = encode_recording(tone(hertz), SAMPLE_RATE)["spectral"]
        assert spectrum.argmax() == bin_ == bin_of(hertz)
        assert np.sort(spectrum)[-2] < 0.01


def test_spectral_values_by_hand():
    """A tone of amplitude 1 has the magnitude 16,000 / 2 at its own frequency of the second's FFT. Bin 25 averages it
    with seven zeros (195 to 202 Hz): log(1 + 8000 / 8). Bin 0 has seven frequencies (0 to 6 Hz): log(1 + 8000 / 7)."""
    assert encode_recording(tone(200), SAMPLE_RATE)["spectral"][25] == pytest.approx(np.log(1001), abs=1e-5)
    assert encode_recording(tone(5), SAMPLE_RATE)["spectral"][0] == pytest.approx(np.log(1 + 8000 / 7), abs=1e-5)


def test_loudest_second_is_found_first_on_ties():
    quiet = 1e-3 * tone(50)
    loud = tone(200)
    samples = np.concatenate([quiet, quiet, loud, quiet])
    assert np.allclose(loudest_second(samples, SAMPLE_RATE), loud / loud.max(), atol=1e-3)
    steps = np.concatenate([tone(100), np.zeros(SAMPLE_RATE), tone(200), np.zeros(SAMPLE_RATE)])
    assert encode_recording(steps, SAMPLE_RATE)["spectral"].argmax() == bin_of(100)
    constant = np.tile([0.5, -0.5], 3 * SAMPLE_RATE) * np.linspace(1, 1 + 1e-13, 6 * SAMPLE_RATE)
    assert (loudest_second(constant, SAMPLE_RATE)[:2] > [0, -2]).all()


def test_short_recordings_are_padded_at_the_end():
    second = loudest_second(tone(200, seconds=0.3), SAMPLE_RATE)
    assert np.abs(second[:4800]).max() == 1 and (second[4800:] == 0).all()
    assert_valid(encode_recording(np.array([0.0, 0.5, -0.5]), SAMPLE_RATE)["temporal"], -1, 1)


@pytest.mark.parametrize("silence", [np.zeros(16000), np.full(16000, 0.3), np.zeros(16000, np.int16), np.full(9, 1e-5)])
def test_silence(silence):
    with pytest.raises(InputError, match="silent"):
        encode_recording(silence, SAMPLE_RATE)


def test_silence_in_unsigned_samples():
    with pytest.raises(InputError, match="silent"):
        encode_recording(np.full(16000, 128, np.uint8), SAMPLE_RATE)


@pytest.mark.parametrize("empty", [np.zeros(0), np.zeros((0, 2)), np.zeros((5, 0))])
def test_empty_recordings(empty):
    with pytest.raises(InputError, match="empty"):
        encode_recording(empty, SAMPLE_RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers(bad):
    samples = tone(200)
    samples[7] = bad
    with pytest.raises(InputError, match="not numbers"):
        encode_recording(samples, SAMPLE_RATE)
    with pytest.raises(InputError, match="not numbers"):
        encode_recording(*open_recording(wav(samples, subtype="FLOAT")))


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2, 2)), np.array(0.5), np.ones(100, complex), np.array(["a"] * 100), np.ones(100, bool)]
)
def test_arrays_that_are_no_recordings(wrong):
    with pytest.raises(InputError, match="must"):
        encode_recording(wrong, SAMPLE_RATE)


def test_too_many_channels():
    with pytest.raises(InputError, match="16000 channels"):
        encode_recording(tone(200)[None], SAMPLE_RATE)


def test_longer_than_a_minute():
    encode_recording(tone(200, seconds=60, rate=2000), 2000)
    with pytest.raises(InputError, match="longer than 60 seconds"):
        encode_recording(tone(200, seconds=61, rate=2000), 2000)


def test_long_files_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    for format_, rate in (("WAV", 8000), ("FLAC", 8000), ("OGG", 8000)):
        with pytest.raises(InputError, match="longer than 60 seconds"):
            open_recording(wav(np.zeros(61 * rate), rate, format=format_))


@pytest.mark.parametrize(
    ("format_", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)]
)
def test_sound_formats(format_, subtype):
    file = wav(np.stack([tone(220, rate=44100)] * 2, axis=1), 44100, format=format_, subtype=subtype)
    samples, rate = open_recording(file)
    assert rate == 44100 and samples.dtype == np.float32 and samples.shape[1] == 2
    assert encode_recording(samples, rate)["spectral"].argmax() == bin_of(220)


@pytest.mark.parametrize("data", [b"no sound", b"RIFF\x00\x00\x00\x00WAVE", bytes(1000), PICTURES[0].read_bytes()])
def test_files_that_are_no_recordings(data):
    with pytest.raises(InputError, match=r"could not be read|empty"):
        open_recording(data)


def test_truncated_recordings_give_a_sentence_or_what_is_left():
    for format_ in ("WAV", "FLAC", "OGG", "MP3"):
        whole = wav(tone(200, seconds=2), format=format_)
        for n in (10, 50, len(whole) // 2, len(whole) - 1):
            try:
                encoded = encode_recording(*open_recording(whole[:n]))
            except InputError:
                continue
            assert_valid(encoded["temporal"], -1.5, 1.5)


# Digits


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_mnist_digit_is_only_padded(path):
    image = Image.open(path)
    assert (digit_grid(open_picture(path)) == np.pad(np.asarray(image), 2)).all()


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_dark_on_light_is_the_same_bit_for_bit(path):
    image = np.asarray(Image.open(path))
    expected = encode_digit(Image.fromarray(image))
    assert_valid(expected, 0, 32**0.5)
    assert (encode_digit(Image.fromarray(255 - image)) == expected).all()
    on_nothing = np.zeros((*image.shape, 4), np.uint8)  # black ink on a transparent ground
    on_nothing[..., 3] = image
    assert (encode_digit(Image.fromarray(on_nothing)) == expected).all()


def test_row_distances_by_hand():
    grid = np.zeros((32, 32), np.uint8)
    grid[1, :9] = 255  # nine inked pixels: 3 away from an empty row
    grid[2, 0] = 255  # 1 from an empty row, √8 from row 1
    distances = row_distances(grid).reshape(32, 32)
    assert distances[0, 1] == distances[1, 0] == 3
    assert distances[0, 2] == 1
    assert distances[1, 2] == np.float32(8**0.5)
    assert (distances.diagonal() == 0).all()
    grid[:] = np.array([0, 255] * 16)[:, None]
    assert row_distances(grid).max() == np.float32(32**0.5)


def grids() -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    return [noise, *(digit_grid(open_picture(path)) for path in DIGITS)]


@pytest.mark.parametrize("grid", grids())
def test_lovely_fact(grid):
    """The distances between rows are exactly the same for inverted ink, a mirror image, a sideways shift and any
    permutation of columns, and not for a digit upside down."""
    expected = row_distances(grid)
    for changed in (255 - grid, grid[:, ::-1], np.roll(grid, 5, axis=1)):
        assert (row_distances(changed) == expected).all()
    for seed in range(5):
        permutation = np.random.default_rng(seed).permutation(32)
        assert (row_distances(grid[:, permutation]) == expected).all()
    assert (row_distances(grid[::-1]) != expected).any()


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_lovely_fact_holds_for_whole_images(path):
    image = np.pad(np.asarray(Image.open(path)), 6)
    expected = encode_digit(Image.fromarray(image))
    for changed in (255 - image, np.ascontiguousarray(image[:, ::-1]), np.roll(image, 4, axis=1)):
        assert (encode_digit(Image.fromarray(changed)) == expected).all()


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
@pytest.mark.parametrize("scale", [2, 5, 10])
def test_large_off_centre_drawing_becomes_like_mnist(path, scale):
    image = Image.open(path)
    drawing = Image.new("L", (400, 320), 255)
    large = image.resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    drawing.paste(Image.eval(large, lambda v: 255 - v), (11, 17))
    assert np.abs(digit_grid(drawing).astype(int) - digit_grid(image)).mean() < 25  # two digits differ by about 50


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_photograph_of_a_digit_on_paper(path):
    """Uneven light, noise, pale ink and a speck of dirt."""
    rng = np.random.default_rng(0)
    ink = np.asarray(Image.open(path).resize((280, 280), Image.Resampling.BICUBIC)) / 255
    paper = np.linspace(170, 220, 900)[None, :] + np.linspace(-10, 10, 700)[:, None] + rng.normal(0, 4, (700, 900))
    paper[200:480, 300:580] -= 110 * ink
    paper[600:604, 100:104] = 60
    photo = Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))
    assert np.abs(digit_grid(photo).astype(int) - digit_grid(Image.open(path))).mean() < 25


def test_thin_pen_strokes_become_as_wide_as_mnists():
    drawing = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(drawing).ellipse((120, 60, 280, 340), outline=0, width=5)
    grid = digit_grid(drawing)
    assert 1.2 < (grid[16] > 127).sum() / 2 < 3.5  # pixels of either side of the nought


def test_pale_ink_is_darkened():
    grid = digit_grid(Image.eval(Image.open(DIGITS[0]), lambda v: 255 - v // 4))
    assert grid.max() > 230


@pytest.mark.parametrize("size", [(28, 28), (280, 280), (1, 1), (2, 300), (3000, 2000)])
@pytest.mark.parametrize("paper", [0, 128, 255])
def test_blank_pad(size, paper):
    with pytest.raises(InputError, match="No digit"):
        encode_digit(Image.new("L", size, paper))


def test_blank_transparent_pad_and_blank_noisy_paper():
    with pytest.raises(InputError, match="No digit"):
        encode_digit(Image.new("RGBA", (280, 280), (0, 0, 0, 0)))
    noise = np.random.default_rng(0).normal(200, 4, (300, 300)).astype(np.uint8)
    with pytest.raises(InputError, match="No digit"):
        encode_digit(Image.fromarray(noise))


def test_dots_lines_and_scribbles():
    for box in ((100, 100, 101, 101), (10, 100, 270, 101), (100, 0, 101, 279), (0, 0, 100, 279)):
        drawing = Image.new("L", (280, 280), 255)
        ImageDraw.Draw(drawing).rectangle(box, fill=0)
        assert_valid(encode_digit(drawing), 0, 32**0.5)
    scribble = np.random.default_rng(0).integers(0, 256, (280, 280), dtype=np.uint8)
    assert_valid(encode_digit(Image.fromarray(np.pad(scribble, 20))), 0, 32**0.5)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "CMYK", "I", "F", "LA"])
def test_digits_of_every_mode(mode):
    image = Image.open(DIGITS[0])
    difference = digit_grid(image.convert(mode)).astype(int) - digit_grid(image)
    assert np.abs(difference).mean() < (20 if mode == "1" else 1)


def test_standardise():
    x = np.array([[1, 2], [3, 4]], np.float32)
    standard = standardise(x, Statistics(2.0, 0.5))
    assert (standard == [[-2, 0], [2, 4]]).all() and standard.dtype == np.float32
    assert (standardise(x[1], Statistics(2.0, 0.5)) == standard[1]).all()


def test_library_needs_no_data_set_and_no_network():
    source = Path(encoding.__file__).read_text()
    assert not any(f"import {name}" in source for name in ("torch", "gradio", "urllib", "training"))
