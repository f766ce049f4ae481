"""Writing digits by hand on the page's pad: the strokes of a pen, traced from a picture of a digit and drawn anew."""

import base64

import numpy as np
from scipy import ndimage

from hetmoe.variations import as_file, open_raw
from tests.browser.hand import Hand

FINER = 4  # a digit is traced in pixels so much smaller than its picture's
LOOK = 2 * FINER  # pixels, over which the direction of a stroke is taken
SHORTEST = 2 * FINER  # pixels; what is shorter is left over from thinning, not a stroke
STRAIGHT_ON = 0.5  # cosine of the largest turn, 60 degrees, with which a pen goes on through a crossing

Pixel = tuple[int, int]  # row, column
Graph = dict[Pixel, list[Pixel]]  # each pixel's neighbours that the pen has not yet gone to


def strokes(ink: np.ndarray) -> list[np.ndarray]:
    """The picture of a digit, (h, w) uint8, white ink on black → its strokes, (n, 2) float64 each, points x and y one
    after another, in the middle of [-0.5, 0.5]², the longer side of which they fill.

    Along the ink's middle, from an end to where it stops, meets another stroke or would have to turn sharply to go on
    through a crossing; the highest end first. Raises ValueError if there is no stroke.
    """
    graph = _graph(thinned(ndimage.zoom(ink.astype(np.float64), FINER, order=1) > ink.max() / 2))
    paths = []
    while left := [pixel for pixel, ways in graph.items() if ways]:
        ends = [pixel for pixel in left if len(graph[pixel]) == 1]
        paths.append(_walk(graph, min(ends or left)))
    paths = [path for path in paths if len(path) >= SHORTEST]
    if not paths:
        raise ValueError("there is no stroke in this picture")
    smooth = [ndimage.gaussian_filter1d(path[:, ::-1], FINER / 2, axis=0, mode="nearest") for path in paths]
    points = np.concatenate(smooth)
    low, high = points.min(0), points.max(0)
    return [(path - (low + high) / 2) / (high - low).max() for path in smooth]


def thinned(mask: np.ndarray) -> np.ndarray:
    """(h, w) bool → the same, lines of a pixel's width along the middle of what was set (Zhang and Suen 1984, "A fast
    parallel algorithm for thinning digital patterns")."""
    mask = np.pad(mask, 1)
    while True:
        before = mask
        for parity in (0, 1):
            around = [np.roll(mask, shift, (0, 1)) for shift in AROUND]  # from above, clockwise
            above, right, below, left = around[::2]
            steps = sum(~here & there for here, there in zip(around, around[1:] + around[:1], strict=True))
            if parity == 0:
                edge = ~(above & right & below) & ~(right & below & left)
            else:
                edge = ~(above & right & left) & ~(above & below & left)
            n = np.sum(around, axis=0)
            mask = mask & ~((n >= 2) & (n <= 6) & (steps == 1) & edge)
        if (mask == before).all():
            return mask[1:-1, 1:-1]


# By what np.roll brings the pixel above, above right, right … to a pixel's place.
AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def _graph(lines: np.ndarray) -> Graph:
    """Thin lines, (h, w) bool → their graph; diagonal neighbours count only where there is no way round a corner."""
    pixels = {(int(row), int(column)) for row, column in np.argwhere(lines)}

    def neighbours(row: int, column: int) -> list[Pixel]:
        return [
            (row + down, column + right)
            for down, right in AROUND
            if (row + down, column + right) in pixels
            and not (down and right and {(row + down, column), (row, column + right)} & pixels)
        ]

    return {pixel: neighbours(*pixel) for pixel in sorted(pixels)}


def _walk(graph: Graph, start: Pixel) -> np.ndarray:
    """One stroke, (n, 2) rows and columns, which is taken out of the graph."""
    path = [start]
    while ways := graph[path[-1]]:
        here = path[-1]
        way = ways[0]
        if len(ways) > 1 and len(path) > 1:
            direction = _unit(np.subtract(here, path[-LOOK - 1 :][0]))
            straight = [float(direction @ _unit(np.subtract(_ahead(graph, here, way), here))) for way in ways]
            if max(straight) < STRAIGHT_ON:
                break
            way = ways[int(np.argmax(straight))]
        graph[here].remove(way)
        graph[way].remove(here)
        path.append(way)
    return np.array(path, dtype=np.float64)


def _ahead(graph: Graph, before: Pixel, here: Pixel) -> Pixel:
    """Where one is some steps from `before` by way of `here`, or at the next crossing or end."""
    for _ in range(LOOK - 1):
        ways = [way for way in graph[here] if way != before]
        if len(ways) != 1:
            break
        before, here = here, ways[0]
    return here


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def write(
    hand: Hand, digit: list[np.ndarray], size: float, step: float, middle: tuple[float, float] = (0.5, 0.5)
) -> str:
    """Draws a digit's strokes on the cleared pad of the open digit tab → what the page then says it is.

    size: of the digit's longer side; step: from one event of the pointer to the next, so the larger the faster a hand;
    middle: of the digit; all as shares of the pad's width
    """
    hand.part("clear").click()
    hand.expect_sentence("Draw a digit")
    for stroke in digit:
        first, *others = (spaced(size * stroke, step) + middle).tolist()
        hand.pen(first)
        hand.page.mouse.down()
        hand.pen(*others)
        hand.page.mouse.up()
    drawn = as_file("digit", open_raw("digit", hand.pad()))
    hand.page.wait_for_function(
        "(drawn) => hm.payload?.file.endsWith(drawn)",  # the answer to the last point has come
        arg=base64.b64encode(drawn).decode(),
    )
    return hand.see()[0].answer[0].name


def spaced(stroke: np.ndarray, step: float) -> np.ndarray:
    """(n, 2) points → (m, 2) points evenly along the same line, at most `step` apart, both ends among them."""
    along = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(stroke, axis=0), axis=1))))
    at = np.linspace(0, along[-1], max(2, 1 + int(np.ceil(along[-1] / step))))
    return np.stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)], 1)
