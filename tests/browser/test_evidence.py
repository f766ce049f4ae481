"""The evidence tab, read as a person reads it."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from hetmoe.demo.colours import CONFIGURATION_COLOURS, GREYS, on_dark
from hetmoe.demo.evidence import PLOTLY, read_evidence
from tests.browser.hand import Hand
from tests.conftest import serving

GREY, VIOLET = (CONFIGURATION_COLOURS[name] for name in ("homogeneous", "heterogeneous"))
CLAIMS = [
    ("Different experts are better", "holds", "68.8 % against 50.6 %"),
    ("At every budget", "holds partly", "at 2 of 3 budgets"),
    ("Hybrid is best", "does not hold", "67.5 % against 68.8 %"),
    ("Variance is lower", "not measured", "no run yet"),
]
COMMAND = "python -m training realdata --seeds 42 123 456 --configurations heterogeneous homogeneous hybrid"
SUBTITLED = "spatial, pictures"  # the first category in one line
AXIS = {"tickvals": [0, 1], "ticktext": ["<b>spatial</b><br>pictures", "temporal"], "automargin": True}


def figure(name: str, data: list[dict[str, Any]], **layout: Any) -> dict[str, Any]:
    full = {"height": 400, "annotations": [], "showlegend": True, "margin": {"t": 40, "b": 40}} | layout
    return {
        "name": name,
        "section": "controls" if name == "lines" else "realdata",
        "title": f"What the {name} say",
        "subtitle": "n = 3 seeds",
        "alt": f"Chart of {name}.",
        "figure": {"data": data, "layout": full},
        "narrow": full | {"height": 320},
    }


BARS = figure(
    "bars",
    [
        {"type": "bar", "name": "<b>homogeneous</b>", "x": [-0.2, 0.8], "y": [39.2, 14.94],
         "marker": {"color": GREY[0]}, "error_y": {"array": [0.48, None]}},
        {"type": "bar", "name": "heterogeneous", "x": [0.2, 1.2], "y": [66.3, None], "marker": {"color": VIOLET[0]}},
        {"type": "scatter", "name": "homogeneous, seeds", "x": [0.7, 0.7], "y": [14, 16], "mode": "markers",
         "text": ["homogeneous, seed 1", "homogeneous, seed 2"], "hovertemplate": "%{text}: %{y}"},
        {"type": "scatter", "name": "paper, spatial", "x": [0], "y": [34]},
        {"type": "scatter", "x": [0, 1], "y": [10, 10], "mode": "lines", "hoverinfo": "skip", "showlegend": False},
    ],
    xaxis=AXIS,
    yaxis={"ticksuffix": " %"},
)  # fmt: skip
MAPS = figure(
    "maps",
    [
        {"type": "heatmap", "x": [0, 1], "y": [0, 1], "z": [[0.5, 0.5], [0.25, 0.75]], "showscale": False,
         "colorscale": [[0, GREYS["raised"][0]], [1, VIOLET[0]]]},
        {"type": "heatmap", "x": [0, 1], "y": [0, 1], "z": [[1, 0], [0, 1]], "text": [["all", "none"], ["none", "all"]],
         "xaxis": "x2", "yaxis": "y2", "showscale": False, "colorscale": [[0, GREYS["paper"][0]], [1, VIOLET[0]]]},
    ],
    xaxis=AXIS | {"domain": [0, 0.45]},
    xaxis2=AXIS | {"domain": [0.55, 1]},
    yaxis=AXIS,
    yaxis2=AXIS | {"anchor": "x2"},
    annotations=[
        {"name": "heading", "text": f"<b>{text}</b>", "x": x, "y": 1, "xref": "paper", "yref": "paper"}
        for x, text in ((0, "soft"), (0.6, "hard"))
    ],
)  # fmt: skip
LINES = figure(
    "lines",
    [
        {"type": "scatter", "name": "homogeneous", "x": [200_000], "y": [0.01], "line": {"color": GREY[0]}},
        {"type": "scatter", "name": "heterogeneous", "x": [100_000, 200_000], "y": [0.02, 0.005]},
    ],
    xaxis={"title": {"text": "parameters"}},
)  # fmt: skip
DOTS = figure(
    "dots",
    [
        {"type": "scatter", "name": name, "x": [0.1 + x, 0.5 + x, 0.9 + x], "y": [0.2, 0.4, 0.6]}
        for name, x in (("homogeneous", 0.01), ("heterogeneous", 0.02))
    ],
    xaxis={"title": {"text": "confidence"}},
)
ALONE = figure("points", [{"type": "scatter", "name": name, "x": [x], "y": [60]} for name, x in (("A", 5.5), ("B", 6))])
EVIDENCE = {
    "claims": [
        {"claim": claim, "source": "Table 1", "verdict": verdict, "measured": measured, "command": COMMAND}
        | {"rule": "Relative difference."}
        for claim, verdict, measured in CLAIMS
    ],
    "questions": [{"question": "Is it just convolution?", "answer": "Mostly: by -4 of 5 points.", "rule": "Ours."}],
    "figures": [BARS, MAPS, DOTS, ALONE, LINES],
}


TABLES = {
    BARS["title"]: [
        [
            ["", "homogeneous", "heterogeneous", "paper"],
            [SUBTITLED, "39.2\u202f% ± 0.48", "66.3\u202f%", "34\u202f%"],
            ["temporal", "14.94\u202f%", "–", "–"],
            ["temporal, seed 1", "14\u202f%", "–", "–"],
            ["temporal, seed 2", "16\u202f%", "–", "–"],
        ]
    ],
    MAPS["title"]: [
        [["", SUBTITLED, "temporal"], [SUBTITLED, "0.5", "0.5"], ["temporal", "0.25", "0.75"]],
        [["", SUBTITLED, "temporal"], [SUBTITLED, "all", "none"], ["temporal", "none", "all"]],
    ],
    DOTS["title"]: [
        [
            ["", "homogeneous: confidence", "homogeneous", "heterogeneous: confidence", "heterogeneous"],
            ["1", "0.11", "0.2", "0.12", "0.2"],
            ["2", "0.51", "0.4", "0.52", "0.4"],
            ["3", "0.91", "0.6", "0.92", "0.6"],
        ]
    ],
    ALONE["title"]: [[["", "at", "value"], ["A", "5.5", "60"], ["B", "6", "60"]]],
    LINES["title"]: [
        [["parameters", "homogeneous", "heterogeneous"], ["100,000", "–", "0.02"], ["200,000", "0.01", "0.005"]]
    ],
}


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with the evidence above, in place of the published one."""
    folder = tmp_path_factory.mktemp("evidence")
    file = folder / "evidence.json"
    file.write_text(json.dumps(EVIDENCE), encoding="utf-8")
    with serving(
        ["-c", f"from pathlib import Path; from hetmoe.demo.page import serve; serve(Path({str(file)!r}))"], folder
    ) as url:
        yield url


@pytest.fixture
def read(open_page: Callable[..., Hand]) -> Callable[..., Page]:
    """Opens the page and its evidence tab; keyword arguments are those of Browser.new_context."""

    def read_(**options: object) -> Page:
        page = open_page(**options).page
        page.get_by_role("tab", name="Evidence").click()
        expect(page.locator(".hm-claim").first).to_be_visible()
        return page

    return read_


def drawn(page: Page, title: str) -> Locator:
    """The chart with this title, scrolled to and drawn."""
    chart = page.locator("article", has=page.get_by_role("heading", name=title)).locator(".hm-plot")
    chart.scroll_into_view_if_needed()
    expect(chart.locator(".main-svg").first).to_be_visible()
    return chart


def fill(chart: Locator, trace: int) -> str:
    """The colour in which a bar chart's trace is painted."""
    found = chart.locator(".trace.bars").nth(trace).locator("path").first
    return str(found.evaluate("(path) => getComputedStyle(path).fill"))


def rgb(colour: str) -> str:
    return f"rgb{tuple(bytes.fromhex(colour[1:]))}"


def test_claims_come_first_each_with_a_verdict_in_words(read: Callable[..., Page]) -> None:
    page = read()
    rows = page.get_by_role("listitem").filter(has=page.locator(".hm-verdict"))
    assert rows.count() == len(CLAIMS)
    for row, (claim, verdict, measured) in zip(rows.all(), CLAIMS, strict=True):
        expect(row.locator(".hm-verdict")).to_have_text(verdict)
        expect(row.locator(".hm-verdict svg")).to_be_visible()
        for text in (claim, "Table 1", measured.replace(" %", "\u00a0%"), "Relative difference.", COMMAND):
            expect(row).to_contain_text(text)
    signs = [sign.inner_html() for sign in rows.locator(".hm-verdict svg").all()]
    assert len(set(signs)) == len(signs)
    headings = [h.inner_text() for h in page.locator(".hm-evidence h2").all()]
    assert [h.split(" ")[0].rstrip(":") for h in headings] == ["What", "Four", "Real", "Controls"]
    expect(page.locator(".hm-questions")).to_have_text(
        "Is it just convolution?Mostly:by −4 of 5 points.By the rule: Ours."
    )


def test_a_command_is_copied_as_it_is_typed(read: Callable[..., Page]) -> None:
    page = read(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Rule and command").first.click()
    page.get_by_role("button", name=f"Copy the command {COMMAND}").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == COMMAND
    assert page.locator("code").first.inner_text().strip() == COMMAND


def test_figures_are_drawn_whole_from_this_server_alone(open_page: Callable[..., Hand]) -> None:
    page = open_page().page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("tab", name="Digit").click()
    page.wait_for_timeout(500)
    assert not any("plotly" in url for url in asked)
    page.get_by_role("tab", name="Evidence").click()
    for expected, nodes in ((BARS, ".bars path, .trace.scatter"), (MAPS, ".hm image"), (LINES, ".js-line")):
        chart = drawn(page, expected["title"])
        n_traces = len(expected["figure"]["data"])
        assert chart.evaluate("(chart) => chart.data.length") == n_traces
        assert chart.locator(".trace.bars, .trace.scatter, .hm").count() == n_traces
        assert chart.locator(nodes).count() >= n_traces
        expect(chart).to_have_attribute("aria-label", expected["alt"])
    assert sum(PLOTLY.name in url for url in asked) == 1


def test_no_other_file_of_plotly_is_served(app_url: str) -> None:
    def status(path: Path) -> int:
        try:
            with urllib.request.urlopen(f"{app_url}/gradio_api/file={quote(path.as_posix())}") as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status(PLOTLY) == 200
    assert status(PLOTLY.parent / "widgetbundle.js") == 404
    assert status(PLOTLY.parents[1] / "__init__.py") == 404


def test_the_theme_recolours_in_place_and_zoom_stays(read: Callable[..., Page]) -> None:
    page = read(color_scheme="light")
    chart = drawn(page, BARS["title"])
    assert fill(chart, 1) == rgb(VIOLET[0])
    chart.evaluate("(chart) => Plotly.relayout(chart, { 'yaxis.range': [0, 200] })")
    page.evaluate("window.kept = [...document.querySelectorAll('.hm-evidence h3, .hm-plot, .hm-plot .main-svg')]")
    page.emulate_media(color_scheme="dark")
    expect(chart.locator(".trace.bars").nth(1).locator("path").first).to_have_css("fill", rgb(on_dark()[VIOLET[0]]))
    expect(chart.locator(".ytick text").first).to_have_css("fill", rgb(GREYS["quiet"][1]))
    expect(chart.locator(".legendtext").first).to_have_css("fill", rgb(GREYS["ink"][1]))
    assert page.evaluate("window.kept.every((node) => node.isConnected)")
    assert chart.evaluate("(chart) => chart.layout.yaxis.range") == [0, 200]


def test_hovering_says_the_number(read: Callable[..., Page]) -> None:
    page = read()
    chart = drawn(page, BARS["title"])
    chart.locator(".trace.bars").first.locator("path").first.hover(force=True)
    expect(chart.locator(".hovertext").first).to_contain_text("39.2")


def test_every_chart_has_its_numbers_as_tables(read: Callable[..., Page]) -> None:
    page = read()
    cells = "(table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    for title, expected in TABLES.items():
        article = page.locator("article", has=page.get_by_role("heading", name=title))
        article.locator("summary").click()
        expect(article.locator("table").first).to_be_visible()
        assert [table.evaluate(cells) for table in article.locator("table").all()] == expected
    assert page.locator(".hm-evidence caption").all_inner_texts() == ["soft", "hard"]


def test_links_lead_to_the_sections(read: Callable[..., Page]) -> None:
    page = read()
    contents = page.get_by_role("navigation", name="Evidence")
    assert [b.inner_text() for b in contents.get_by_role("button").all()] == [
        "Claims",
        "Questions",
        "Real data",
        "Controls",
    ]
    contents.get_by_role("button", name="Controls").click()
    heading = page.get_by_role("heading", name="Controls")
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()
    expect(contents).to_be_in_viewport()
    expect(page.get_by_label("Chart of lines.").locator(".main-svg").first).to_be_visible()


def test_fits_a_phone(read: Callable[..., Page]) -> None:
    page = read(viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True)
    for entry in (BARS, MAPS, LINES):
        chart = drawn(page, entry["title"])
        box = chart.locator(".main-svg").first.bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= 375
        assert round(box["height"]) == entry["narrow"]["height"]
        for text in chart.locator(".legendtext").all():
            legend = text.bounding_box()
            assert legend is not None
            assert legend["x"] >= 0 and legend["x"] + legend["width"] <= 375
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    for tab in page.get_by_role("tab").all():
        assert tab.evaluate("(tab) => tab.scrollWidth <= tab.clientWidth")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [(json.dumps(read_evidence(Path("nowhere/evidence.json"))), "python -m training report"), ("", "reload the page")],
)
def test_without_evidence_there_is_a_sentence(hand: Hand, body: str, sentence: str) -> None:
    hand.page.route(re.compile("component_server"), lambda route: route.fulfill(body=body))
    hand.page.get_by_role("tab", name="Evidence").click()
    expect(hand.page.locator(".hm-evidence .hm-message")).to_contain_text(sentence)
    expect(hand.page.locator(".hm-evidence h2")).to_have_count(0)
