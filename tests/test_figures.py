"""The figures show the numbers of the results files, and their titles say what those numbers say."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import plotly.graph_objects as go
import pytest
from PIL import Image

from hetmoe.demo.colours import on_dark
from hetmoe.encoding import MODALITIES
from tests.figures import cells, plain, subtitle, texts, title, trace
from tests.results import ACCURACY, SEEDS, WEIGHTS, write_results
from training.figures import all_figures, page_figures, write_figures
from training.figures.realdata import FIGURES, by_modality, by_seed, overall, radar, routing_weights, training_curves
from training.report.comparison import Results
from training.results import CURVE_COLUMNS, ResultsError, Row, read
from training.slide import HEIGHT, INK, SCALE, WIDTH, CannotDraw, to_page

Draw = Callable[[list[Row], list[Row]], go.Figure | None]
REVERSED = {"homogeneous": ACCURACY["heterogeneous"], "heterogeneous": ACCURACY["homogeneous"]}


@pytest.fixture
def rows_and_curves(tmp_path: Path) -> tuple[list[Row], list[Row]]:
    return load(write_results(tmp_path))


def load(folder: Path) -> tuple[list[Row], list[Row]]:
    return read(folder / "realdata.csv"), read(folder / "realdata_curves.csv", CURVE_COLUMNS)


def drawn(draw: Draw, data: tuple[list[Row], list[Row]]) -> go.Figure:
    figure = draw(*data)
    assert figure
    return figure


def test_training_curves(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(training_curves, rows_and_curves)
    middle = 100 * (sum(ACCURACY["hybrid"]) / 4 + 0.01)
    assert list(trace(figure, "hybrid").y) == pytest.approx([middle / 3, 2 * middle / 3, middle])
    upper, lower = trace(figure, "hybrid ± sd").y[2], trace(figure, "hybrid ± sd").y[3]
    assert (upper - lower) / 2 == pytest.approx(1.0)  # sd of three values 0.01 apart, ddof = 1
    assert "Heterogeneous experts lead in every epoch and end at 67.0 %" in title(figure)


def test_by_modality(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(by_modality, rows_and_curves)
    bars = trace(figure, "heterogeneous")
    assert list(bars.y) == pytest.approx([61, 51, 61, 95])
    assert list(bars.error_y.array) == pytest.approx([1, 1, 1, 1])
    assert list(trace(figure, "the paper, heterogeneous").y) == pytest.approx([51.5, 38.4, 32.1, 91.8])
    assert list(trace(figure, "the paper, hybrid").y) == []
    assert "4 of 4 modalities, most in" in title(figure)
    assert "+30 points" in title(figure)


def test_overall(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(overall, rows_and_curves)
    assert trace(figure, "homogeneous, this project").y[0] == pytest.approx(46.0)
    assert trace(figure, "homogeneous, the paper").y[0] == pytest.approx(39.02)
    assert trace(figure, "hybrid, the paper").error_y.array[0] == pytest.approx(0.93)
    assert "67.0 %" in title(figure)
    assert "relative gain of +46 %" in title(figure)


def test_by_seed(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(by_seed, rows_and_curves)
    assert sorted(trace(figure, "homogeneous").x) == pytest.approx([45, 46, 47])
    assert list(figure.layout.yaxis.ticktext) == [f"<b>seed {seed}</b>  " for seed in SEEDS]
    assert "in 3 of 3 seeds, by +43 % to +48 %" in title(figure)
    assert "Two-sided paired t-test, n = 3: p < 0.001" in subtitle(figure)


def test_radar(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(radar, rows_and_curves)
    assert list(trace(figure, "<b>homogeneous</b>").r) == pytest.approx([41, 21, 31, 91, 41])
    assert "weakest modality is temporal: homogeneous 21 %, heterogeneous 51 %" in title(figure)


def test_routing_weights(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    figure = drawn(routing_weights, rows_and_curves)
    assert cells(figure) == {m: [f"{100 * w:.0f} %"] * 4 for m, w in zip(MODALITIES, WEIGHTS, strict=True)}
    assert list(cells(figure, panel=2)) == ["ffn", "spatial", "temporal", "spectral"]
    assert "own expert gets 25 % of the weight on average, the largest share in 1 of 4 modalities" in title(figure)


@pytest.mark.parametrize("name", ["training_curves", "by_modality", "overall", "by_seed", "radar"])
def test_titles_follow_the_data(name: str, tmp_path: Path) -> None:
    usual = drawn(FIGURES[name], load(write_results(tmp_path / "usual")))
    opposite = drawn(FIGURES[name], load(write_results(tmp_path / "opposite", REVERSED)))
    assert title(usual) != title(opposite)
    expected = {
        "training_curves": "Homogeneous experts lead",
        "by_modality": "none of 4 modalities",
        "overall": "a relative gain of -31 %",
        "by_seed": "0 of 3 seeds",
        "radar": "homogeneous 51 %, heterogeneous 21 %",
    }
    assert expected[name] in title(opposite)


@pytest.mark.parametrize("names", [["homogeneous"], ["heterogeneous"], ["hybrid"], ["homogeneous", "heterogeneous"]])
def test_a_single_seed_and_missing_configurations(names: list[str], tmp_path: Path) -> None:
    rows, curves = load(write_results(tmp_path, {name: ACCURACY[name] for name in names}, seeds=(42,)))
    for name, draw in FIGURES.items():
        figure = draw(rows, curves)
        if figure is None:
            assert (name, names) == ("routing_weights", ["homogeneous"])
            continue
        shown = f"{title(figure)} {subtitle(figure)} {texts(figure)}"
        assert "nan" not in shown
        assert "n = 1 seed (42)" in shown or name == "by_seed"
        figure.to_json()


def test_no_rows_no_figures(tmp_path: Path) -> None:
    assert all(draw([], []) is None for draw in FIGURES.values())
    with pytest.raises(ResultsError, match="has no results"):
        write_figures(tmp_path, tmp_path)


def test_unequal_seeds_are_counted(tmp_path: Path) -> None:
    write_results(tmp_path, {"homogeneous": ACCURACY["homogeneous"]}, seeds=(42,))
    write_results(tmp_path, {"heterogeneous": ACCURACY["heterogeneous"]})
    assert "n = 1 (homogeneous), 3 (heterogeneous) seeds" in subtitle(drawn(overall, load(tmp_path)))


def test_all_figures_in_their_sections(tmp_path: Path) -> None:
    drawn = all_figures(Results.load(write_results(tmp_path)))
    assert {name for name, one in drawn.items() if one.section == "realdata"} == set(FIGURES)
    assert "accuracy for each configuration" in drawn["overall"].alt
    assert "a relative gain of +46 %" in plain(drawn["overall"].alt)


def test_the_page_gets_plain_figures_of_its_own_look(tmp_path: Path) -> None:
    pages = page_figures(Results.load(write_results(tmp_path)))
    assert [page["name"] for page in pages] == list(FIGURES)
    text = json.dumps(pages)
    colours = set(re.findall("#[0-9a-fA-F]{3,8}", text)) | set(re.findall(r"rgba?\(", text))
    assert colours <= set(on_dark()), "a colour without a counterpart on the dark page"
    for page in pages:
        for layout in (page["figure"]["layout"], page["narrow"]):
            assert not layout.keys() & {"title", "font", "template", "paper_bgcolor", "plot_bgcolor", "width"}
            assert f'"color": "{INK}", "size"' not in json.dumps(layout)


def test_labels_beside_the_marks_become_a_legend_on_a_narrow_page(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    page = to_page(drawn(training_curves, rows_and_curves))
    wide, narrow = page["figure"]["layout"], page["narrow"]
    assert (len(wide["annotations"]), wide["showlegend"]) == (3, False)
    assert (len(narrow["annotations"]), narrow["showlegend"]) == (0, True)
    assert wide["margin"]["r"] > 100 > narrow["margin"]["r"]
    named = [trace["name"] for trace in page["figure"]["data"] if trace.get("showlegend", True)]
    assert named == list(ACCURACY)
    assert plain(page["title"]) == "Heterogeneous experts lead in every epoch and end at 67.0 % on validation data"


def test_panels_lie_below_one_another_on_a_narrow_page(rows_and_curves: tuple[list[Row], list[Row]]) -> None:
    page = to_page(drawn(routing_weights, rows_and_curves))
    wide, narrow = page["figure"]["layout"], page["narrow"]
    assert wide["xaxis"]["domain"][1] < wide["xaxis2"]["domain"][0]
    assert wide["yaxis"]["domain"] == wide["yaxis2"]["domain"]
    assert narrow["xaxis"]["domain"] == narrow["xaxis2"]["domain"] == [0, 1]
    assert narrow["yaxis"]["domain"][0] > narrow["yaxis2"]["domain"][1]
    headings = [a for a in narrow["annotations"] if a["text"] in ("<b>heterogeneous</b>", "<b>hybrid</b>")]
    assert [a["y"] for a in headings] == [narrow["yaxis"]["domain"][1], narrow["yaxis2"]["domain"][1]]


def test_figures_do_without_gradio() -> None:
    code = "import sys, training.figures; sys.exit('gradio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido")
    monkeypatch.setattr("training.figures.realdata.FIGURES", {"overall": overall})
    try:
        (path,) = write_figures(write_results(tmp_path), tmp_path / "figures")
    except CannotDraw as error:
        pytest.skip(str(error))
    with Image.open(path) as image:
        assert image.size == (SCALE * WIDTH, SCALE * HEIGHT)
        assert len(set(image.convert("RGB").resize((64, 36)).get_flattened_data())) > 20
