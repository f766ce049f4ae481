"""The strokes of a pen are found in pictures of digits."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.browser.handwriting import spaced, strokes, thinned
from tests.media import DIGITS


def drawn(*lines: list[tuple[int, int]]) -> np.ndarray:
    image = Image.new("L", (28, 28))
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=255, width=3)
    return np.asarray(image)


def test_a_bar_is_thinned_to_its_middle() -> None:
    mask = np.zeros((20, 30), bool)
    mask[8:13, 5:25] = True
    lines = thinned(mask)
    assert set(np.flatnonzero(lines.any(1))) == {10}
    assert lines[10, 8:22].all()


def test_thinned_touches_neither_lines_nor_their_number() -> None:
    line = np.zeros((9, 9), bool)
    line[4, 1:8] = True
    assert (thinned(line) == line).all()
    assert not thinned(np.zeros((9, 9), bool)).any()


@pytest.mark.parametrize(
    ("ink", "n"),
    [
        (drawn([(14, 4), (14, 24)]), 1),
        (drawn([(4, 4), (24, 4), (12, 24)]), 1),  # a 7 bends, but the pen stays down
        (drawn([(4, 14), (24, 14)], [(14, 4), (14, 24)]), 2),  # and crosses straight on
        (drawn([(4, 24), (24, 24)], [(14, 4), (14, 24)]), 2),
        (drawn([(4, 8), (24, 8)], [(4, 20), (24, 20)]), 2),
        (drawn([(6, 6), (22, 6), (22, 22), (6, 22), (6, 6)]), 1),
    ],
)
def test_number_of_strokes(ink: np.ndarray, n: int) -> None:
    assert len(strokes(ink)) == n


def test_a_line_is_followed_from_its_upper_end() -> None:
    (line,) = strokes(drawn([(10, 4), (18, 24)]))
    assert line[0] == pytest.approx((-0.2, -0.5), abs=0.05)
    assert line[-1] == pytest.approx((0.2, 0.5), abs=0.05)
    assert (np.diff(line[:, 1]) >= 0).all()


@pytest.mark.parametrize("path", DIGITS, ids=lambda p: p.stem)
def test_strokes_cover_the_ink(path) -> None:
    ink = np.asarray(Image.open(path))
    points = np.concatenate(strokes(ink))
    assert np.abs(points).max() == pytest.approx(0.5)
    rows, columns = np.nonzero(ink > 127)
    box = max(np.ptp(rows), np.ptp(columns))
    at = np.stack([columns - (columns.min() + columns.max()) / 2, rows - (rows.min() + rows.max()) / 2], 1) / box
    distances = np.linalg.norm(at[:, None] - points, axis=2).min(1)
    assert distances.max() < 0.15  # of the digit's size: a stroke is about a tenth wide


def test_nothing_drawn_has_no_strokes() -> None:
    with pytest.raises(ValueError, match="no stroke"):
        strokes(np.zeros((28, 28), np.uint8))


def test_points_are_spaced_evenly_and_keep_both_ends() -> None:
    corner = np.array([[0.0, 0.0], [0.3, 0.0], [0.3, 0.1]])
    points = spaced(corner, 0.1)
    np.testing.assert_allclose(points, np.array([[0, 0], [0.1, 0], [0.2, 0], [0.3, 0], [0.3, 0.1]]), atol=1e-12)
    assert len(spaced(corner, 10)) == 2
