"""The figures of the synthetic experiments show the numbers of the rows, and their titles say what those say."""

from itertools import pairwise

import pytest

from tests.figures import cells, drawn, plain, subtitle, texts, title, trace
from tests.made_up import synthetic_rows
from training.figures.synthetic import (
    FIGURES,
    ablation,
    by_modality,
    core,
    routing_weights,
    routing_weights_long,
    scaling,
)
from training.results import Row
from training.synthetic import SCALING_BUDGETS

# error of the spatial modality at 100,000 parameters, and what twice the parameters make of it
ERRORS = {"homogeneous": (0.4, 1.0), "heterogeneous": (0.2, 0.5), "hybrid": (0.4, 0.5)}
BUDGET_STEPS = {100_000: 0, 200_000: 1}


def error(configuration: str, budget: int, seed: int, modality: str) -> float:
    """By the power laws of ERRORS; seeds vary by 10 % either way. Without its own expert a modality is thrice that."""
    start, factor = ERRORS.get(configuration, ERRORS["heterogeneous"])
    value = start * (budget / 100_000) ** (0 if factor == 1 else -1) * {1: 0.9, 2: 1.1, 3: 1.0}[seed]
    if configuration == f"without {modality}":
        return 3 * value
    if configuration.endswith("alone"):
        return value * (0.5 if configuration == f"{modality} alone" else 6)
    return value


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return synthetic_rows(error, seeds=(1, 2, 3)) + synthetic_rows(lambda *a: error(*a) / 10, seeds=(1, 2), long=True)


def test_core(rows: list[Row]) -> None:
    figure = drawn(core, rows)
    homogeneous, heterogeneous = (trace(figure, name) for name in ("homogeneous", "heterogeneous"))
    assert list(homogeneous.y) == pytest.approx([40, 40, 40])  # per cent; the paper's three budgets
    assert list(homogeneous.error_y.array) == pytest.approx([4, 4, 4])
    assert list(heterogeneous.y) == pytest.approx([20 / 3.68, 20 / 5.3, 20 / 6.9])
    assert sorted(trace(figure, "homogeneous, seeds").y) == pytest.approx([36] * 3 + [40] * 3 + [44] * 3)
    assert list(trace(figure, "homogeneous", panel=2).y) == pytest.approx([4, 4])  # the long runs' two budgets
    above = [plain(a.text) for a in figure.layout.annotations if a.name not in ("heading", "label")]
    assert [text[: text.index("<")] for text in above] == ["−86 %", "−91 %", "−93 %", "−50 %", "−75 %"]
    assert ["paper −16 %" in text for text in above] == [True, False, False, False, False]
    assert title(figure).endswith("error −86 to −93 % after 400 steps, −50 to −75 % after 5,000 steps")
    assert "n = 3 (400 steps), 2 (5,000 steps) seeds" in subtitle(figure)


def test_core_says_so_if_heterogeneous_experts_are_worse() -> None:
    def reversed_error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return {"homogeneous": 0.1, "heterogeneous": 0.2}.get(configuration, 0.1) + seed / 1e6

    assert "error +100 % after 400 steps" in title(drawn(core, synthetic_rows(reversed_error, seeds=(1,))))


def test_by_modality(rows: list[Row]) -> None:
    figure = drawn(by_modality, rows)
    assert list(trace(figure, "heterogeneous").y) == pytest.approx([10] * 4)  # at 200,000 parameters
    assert "4 of 4 after 400 steps, 4 of 4 after 5,000 steps" in title(figure)


def test_routing(rows: list[Row]) -> None:
    short, long = drawn(routing_weights, rows), drawn(routing_weights_long, rows)
    assert cells(short)["spatial"] == ["40 %"] * 4
    assert title(short).startswith("After 400 steps a modality's own expert has 25 % of the weight on average")
    assert title(long).startswith("After 5,000 steps")
    assert title(long).endswith("the most in 1 of 4 modalities (heterogeneous)")


def test_scaling(rows: list[Row]) -> None:
    figure = drawn(scaling, rows)
    line = trace(figure, "heterogeneous")
    assert list(line.x) == pytest.approx(SCALING_BUDGETS)
    assert [a * x for a, x in zip(line.y, line.x, strict=True)] == pytest.approx([20 * 100_000] * len(SCALING_BUDGETS))
    assert list(trace(figure, "heterogeneous", panel=2).x) == pytest.approx([b / 4 for b in SCALING_BUDGETS])
    assert "error by +0 % (homogeneous), −50 % (heterogeneous), −50 % (hybrid)" in title(figure)
    heights = sorted(a.y for a in figure.layout.annotations if a.name == "label")
    assert all(above - below >= 0.059 for below, above in pairwise(heights)), "labels overlap"


def test_ablation(rows: list[Row]) -> None:
    figure = drawn(ablation, rows)
    assert cells(figure)["temporal"] == ["1.0×", "3.0×", "1.0×", "1.0×"]
    alone = cells(figure, panel=2)
    assert alone["spatial"] == ["0.5×", "6.0×", "6.0×", "6.0×"]
    assert alone["ffn"] == ["6.0×"] * 4
    assert "becomes 3.0× (spatial) to 3.0× (" in title(figure)


@pytest.mark.parametrize(
    "names",
    [
        ["homogeneous"],
        ["heterogeneous"],
        ["hybrid", "ffn alone"],
        ["without spatial"],
        ["heterogeneous", "spatial alone"],
    ],
)
def test_unfinished_grids(names: list[str]) -> None:
    rows = synthetic_rows(error, seeds=(1,), configurations=names)
    for draw in FIGURES.values():
        figure = draw(rows, [])
        if figure is not None:
            assert "nan" not in f"{title(figure)} {subtitle(figure)} {texts(figure)}"
            figure.to_json()


def test_no_rows_no_figures() -> None:
    assert all(draw([], []) is None for draw in FIGURES.values())
