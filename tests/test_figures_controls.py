"""The figures of the controls show the numbers of the rows, and their titles say what those say."""

import pytest

from hetmoe.encoding import MODALITIES
from tests.figures import cells, drawn, plain, texts, title, trace
from tests.made_up import control_rows
from training.controls import CONTROLS
from training.figures.controls import FIGURES, complementarity, compute, experts, ranked, routing_modes
from training.results import Row
from training.slide import to_page

ACCURACY = {"spatial alone": 0.7, "heterogeneous": 0.6, "oracle routing": 0.8, "top-1 routing": 0.45}
SPREAD = {42: -0.02, 123: 0.02, 456: 0.0}


def accuracy(control: str, seed: int, modality: str) -> float:
    """Half for every control that is not in ACCURACY; over all, the mean over the four is the same."""
    return ACCURACY.get(control, 0.5) + SPREAD[seed] + 0.1 * (MODALITIES.index(modality) - 1.5)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return control_rows(accuracy)


def test_ranked(rows: list[Row]) -> None:
    figure = drawn(ranked, rows)
    assert title(figure).startswith(f"2 of {len(CONTROLS) - 1} controls are more accurate than the heterogeneous")
    assert title(figure).endswith(": oracle routing, spatial alone")
    labels = [plain(label).strip() for label in figure.layout.yaxis.ticktext]
    assert labels[-3:] == ["heterogeneous", "spatial alone", "oracle routing"]  # the best on top
    assert labels[0] == "top-1 routing"
    whole = trace(figure, "heterogeneous")
    assert (whole.x[0], whole.y[0]) == (pytest.approx(60), len(CONTROLS) - 3)
    assert whole.error_x.array[0] == pytest.approx(2)
    assert sorted(trace(figure, "heterogeneous, seeds").x) == pytest.approx([58, 60, 62])
    assert figure.layout.shapes[0].x0 == pytest.approx(60)
    assert "60.0 %  223K · 4.0 M" in texts(figure)


def test_ranked_says_so_if_no_control_is_better() -> None:
    figure = drawn(ranked, control_rows(lambda c, seed, m: 0.6 if c == "heterogeneous" else 0.5))
    assert title(figure) == f"0 of {len(CONTROLS) - 1} controls are more accurate than the heterogeneous mixture"


def test_compute(rows: list[Row]) -> None:
    figure = drawn(compute, rows)
    assert title(figure) == "Equal compute adds +0.0 points to homogeneous experts; heterogeneous ones are +10.0 beyond"
    assert {t.name: t.y[0] for t in figure.data}["oracle routing"] == pytest.approx(80)
    assert {a.text for a in figure.layout.annotations} == set(CONTROLS)  # each mark has its name


def test_routing_modes(rows: list[Row]) -> None:
    figure = drawn(routing_modes, rows)
    assert "−10.0 (uniform), −15.0 (top-1), +20.0 (oracle) points" in title(figure)
    assert list(trace(figure, "learned").y) == pytest.approx([45, 55, 65, 75, 60])


def test_experts(rows: list[Row]) -> None:
    figure = drawn(experts, rows)
    anew, muted = (cells(figure, panel) for panel in (1, 2))
    assert anew["temporal"] == ["−10.0"] * 4
    assert muted["spatial"] == ["−22.5", "−27.5", "−32.5", "−37.5"]  # half of 45, 55, 65, 75 %
    assert title(figure).endswith("points: −10.0 to −10.0 trained anew, −30.0 to −30.0 muted")


def test_experts_before_any_is_trained_anew_without_one() -> None:
    figure = drawn(experts, control_rows(accuracy, without=False))
    assert [plain(a.text) for a in figure.layout.annotations] == ["muted"]


def test_complementarity(rows: list[Row]) -> None:
    figure = drawn(complementarity, rows)
    assert cells(figure)["spectral"] == ["30 %"] * 4
    assert cells(figure, panel=2)["spatial"] == ["10 %"] * 4
    assert title(figure) == (
        "The mixture is right in 30 % of what an expert alone gets wrong, and wrong in 10 % of what that gets right"
    )


def test_a_legend_of_few_kinds_replaces_the_names_on_a_narrow_page(rows: list[Row]) -> None:
    page = to_page(drawn(compute, rows))
    kinds = [trace["name"] for trace in page["figure"]["data"] if trace.get("showlegend", True)]
    assert len(kinds) == 8
    assert {"heterogeneous", "one expert alone", "only convolution"} <= set(kinds)
    assert page["narrow"]["showlegend"] and not page["narrow"]["annotations"]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_none_without_the_runs_it_compares(draw) -> None:  # type: ignore[no-untyped-def]
    assert draw([], []) is None
    rest = [r for r in control_rows(accuracy) if r["configuration"] in ("ffn alone", "uniform routing")]
    assert draw(rest, []) is None
