"""The figures of the fairness audit show the numbers of its rows, and their titles say what those numbers say."""

from pathlib import Path

import plotly.graph_objects as go
import pytest

from tests.evaluations import RUN, evaluation, repeated, rows_of
from training.figures.audit import FIGURES, disparity, reliability
from training.results import Row, read, replace_run
from training.slide import NBSP


def audited(folder: Path) -> list[Row]:
    """The rows of two runs: the hybrid one is as good as its word, but for the temporal inputs."""
    good = repeated([0.9, 0.1], 90, 10)
    bad = evaluation([[0.9, 0.1], [0.1, 0.9]] * 50, [0] * 100)  # half of the cats are taken for dogs
    for configuration, rows in (("heterogeneous", rows_of(good)), ("hybrid", rows_of(good, temporal=bad))):
        replace_run(folder / "audit.csv", RUN._replace(configuration=configuration), rows)
        replace_run(folder / "audit.csv", RUN._replace(configuration=configuration, seed="123"), rows_of(bad))
        replace_run(folder / "audit.csv", RUN._replace(configuration=configuration, family="frontier"), rows_of(bad))
    return read(folder / "audit.csv")


def title(figure: go.Figure) -> str:
    return figure.layout.title.text.replace("<br>", " ").replace(NBSP, " ")


def test_reliability_figure(tmp_path: Path) -> None:
    figure = reliability(audited(tmp_path))
    assert figure
    assert "Confidence exceeds accuracy most in temporal: heterogeneous +0, hybrid +40 points" in title(figure)
    hybrid = [trace for trace in figure.data if trace.name == "hybrid"]
    assert [(list(t.x), list(t.y)) for t in hybrid] == [
        ([pytest.approx(90)], [pytest.approx(accuracy)]) for accuracy in (90, 50, 90, 90)
    ]
    half = 1.96 * 0.05 * 100  # of the interval around 50 %, n = 100
    assert hybrid[1].error_y.array[0] == pytest.approx(half, abs=1)


def test_disparity_figure(tmp_path: Path) -> None:
    figure = disparity(audited(tmp_path))
    assert figure
    assert "The worst served modality: heterogeneous spatial 90 %, hybrid temporal 50 %" in title(figure)
    assert "Seed 42." in figure.layout.title.subtitle.text
    assert [bar.y[0] for bar in figure.data if bar.name.startswith("hybrid,")] == pytest.approx([90, 50, 90, 90])
    classes = next(trace for trace in figure.data if trace.name == "heterogeneous")
    assert (list(classes.text), list(classes.y)) == (["dog", "cat"], [0, 100])


def test_figures_of_nothing_are_none() -> None:
    assert [draw([]) for draw in FIGURES.values()] == [None, None]
