"""The digits of the project's own samples, written on the pad by hand, are read."""

import numpy as np
from PIL import Image

from tests.browser.conftest import EXAMPLES
from tests.browser.hand import Hand
from tests.browser.handwriting import strokes, write
from tests.media import DIGITS


def test_most_digits_written_by_hand_are_read(hand: Hand) -> None:
    hand.open_tab("Digit")
    right = []
    for i, path in enumerate(sorted([*EXAMPLES.glob("mnist-*.png"), *DIGITS])):
        size, step = (0.5, 0.8)[i % 2], (0.1, 0.05)[i // 2 % 2]
        said = write(hand, strokes(np.asarray(Image.open(path))), size, step)
        right.append(said == path.stem.rpartition("-")[2])
    assert len(right) == 8
    assert sum(right) >= 6
