"""The encoding of digits: what it promises for real samples, and for every odd input that people have."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hetmoe.encoding import (
    InputError,
    digit_grid,
    encode_digit,
    open_picture,
    row_and_column_distances,
    row_distances,
)
from tests.media import DIGITS, assert_valid


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


# The frontier family: distances between columns, too


def test_row_and_column_distances_by_hand():
    """As above: nine pixels in row 1, one in row 2. Column 0 has two pixels, 1 to 8 have one, the others none."""
    grid = np.zeros((32, 32), np.uint8)
    grid[1, :9] = 255
    grid[2, 0] = 255
    both = row_and_column_distances(grid)
    assert both.dtype == np.float32 and both.shape == (1024,)
    both = both.reshape(32, 32)
    assert (both[0, 1], both[0, 2], both[1, 2], both[0, 9]) == (3, 1, np.float32(8**0.5), 0)  # rows: above the diagonal
    assert (both[1, 0], both[9, 0], both[9, 1], both[2, 1]) == (1, np.float32(2**0.5), 1, 0)  # columns: below it
    assert (both.diagonal() == 0).all()


@pytest.mark.parametrize("grid", grids())
def test_rows_are_above_the_diagonal_and_columns_below(grid):
    both, rows = row_and_column_distances(grid).reshape(32, 32), row_distances(grid).reshape(32, 32)
    columns = row_distances(grid.T).reshape(32, 32)
    assert (np.triu(both) == np.triu(rows)).all()
    assert (np.tril(both) == np.tril(columns)).all()


@pytest.mark.parametrize("grid", grids())
def test_which_changes_of_a_digit_the_columns_tell(grid):
    """Inverted ink is still the same and a transposed digit the transposed matrix, bit for bit; a mirror image, which
    the rows cannot tell, is another."""
    expected = row_and_column_distances(grid)
    assert (row_and_column_distances(255 - grid) == expected).all()
    assert (row_and_column_distances(grid.T).reshape(32, 32) == expected.reshape(32, 32).T).all()
    assert (row_and_column_distances(grid[:, ::-1]) != expected).any()
    assert (row_distances(grid[:, ::-1]) == row_distances(grid)).all()


@pytest.mark.parametrize("distances", [row_distances, row_and_column_distances])
def test_many_digits_are_encoded_as_one_by_one(distances):
    together = distances(np.stack(grids()))
    assert (together == np.stack([distances(grid) for grid in grids()])).all()


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_a_digit_for_each_family(path):
    image = Image.open(path)
    assert (encode_digit(image) == encode_digit(image, "replica")).all()
    assert (encode_digit(image, "replica") == row_distances(digit_grid(image))).all()
    assert (encode_digit(image, "frontier") == row_and_column_distances(digit_grid(image))).all()
    assert_valid(encode_digit(image, "frontier"), 0, 32**0.5)
