"""The encoding of pictures, and what holds for every modality: real samples, and every odd input that people have."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hetmoe import encoding
from hetmoe.encoding import (
    InputError,
    Statistics,
    encode_picture,
    grey_picture,
    open_picture,
    open_recording,
    standardise,
)
from tests.media import PICTURES, assert_valid, gradient, png


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_cifar_picture_is_its_own_grey_pixels(path):
    grey = np.asarray(Image.open(path).convert("L"))
    assert (encode_picture(open_picture(path)) == grey.ravel() / np.float32(255)).all()
    assert (encode_picture(open_picture(path.read_bytes())) == encode_picture(open_picture(path))).all()


def test_grey_32_by_32_is_passed_unchanged():
    assert (encode_picture(Image.fromarray(gradient())) == gradient().ravel() / np.float32(255)).all()


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_a_picture_is_encoded_from_its_grey_pixels(path):
    image = Image.open(path).convert("RGB").resize((50, 40))
    grey = grey_picture(image)
    assert grey.shape == (32, 32) and grey.dtype == np.uint8
    assert (encode_picture(image) == grey.ravel() / np.float32(255)).all()
    assert (grey_picture(Image.fromarray(gradient())) == gradient()).all()


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


def test_standardise():
    x = np.array([[1, 2], [3, 4]], np.float32)
    standard = standardise(x, Statistics(2.0, 0.5))
    assert (standard == [[-2, 0], [2, 4]]).all() and standard.dtype == np.float32
    assert (standardise(x[1], Statistics(2.0, 0.5)) == standard[1]).all()


def test_library_needs_no_data_set_and_no_network():
    source = Path(encoding.__file__).read_text()
    assert not any(f"import {name}" in source for name in ("torch", "gradio", "urllib", "training"))
