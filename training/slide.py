"""The look of the figures: a 16:9 slide with one type scale, its export as PNG, and what the page needs of it.

The export needs the package kaleido and a Chrome or Chromium, found on the PATH or named by BROWSER_PATH. Nothing is
loaded from a network.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

WIDTH, HEIGHT, SCALE = 1280, 720, 2  # PNG files have SCALE times as many pixels
TITLE, TEXT, SMALL = 34, 22, 18  # the type scale, in pixels at 1280 × 720
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
NBSP = "\N{NO-BREAK SPACE}"
INK, QUIET, LINE, PAPER = "#16191d", "#59626c", "#dfe3e7", "#ffffff"  # the page's greys
RULE, CELL = "#c3cad1", "#f4f6f7"  # lines that connect marks; the palest cell of a heat map

BELOW_LEGEND = 0.92  # of the height: where headings are on the page
PAGE_SCALE = 0.6  # of marks and lines: a slide is read from further away than a page
LABEL_SCALE = 0.85  # of the room beside the plot: text shrinks a little less
RIGHT = 12  # pixels, where nothing is written there


class CannotDraw(Exception):
    """Pictures cannot be written here. The message says what is missing."""


def slide(
    title: str,
    subtitle: str,
    shows: str,
    *,
    right: int = 60,
    panels: Sequence[str] = (),
    shared_y: bool = True,
    gap: float = 0.05,
) -> go.Figure:
    """An empty figure. The title states the finding, the subtitle what is shown, n and what error bars mean.

    shows: the kind of chart and what it is of, for those who cannot see it. right: margin in pixels, for labels beside
    the plot. panels: headings of plots side by side, `gap` of the width apart, with one scale upwards if `shared_y`.
    """
    title, subtitle = (text.replace(" %", f"{NBSP}%").replace(" = ", f"{NBSP}={NBSP}") for text in (title, subtitle))
    title_lines, subtitle_lines = _balanced(title, 62), wrap(subtitle, 122)
    first = 66  # from the top edge to the first line's base
    top = first + 44 * len(title_lines) + 25 * (len(subtitle_lines) - 1) + 36 + 40 * bool(panels)
    figure = go.Figure()
    if panels:
        headings = [f"<b>{heading}</b>" for heading in panels]
        figure = make_subplots(1, len(panels), shared_yaxes=shared_y, horizontal_spacing=gap, subplot_titles=headings)
        figure.update_annotations(name="heading", font={"size": TEXT, "color": INK}, yshift=6)
    figure.update_layout(
        template="none",
        meta={"title": title, "subtitle": subtitle, "alt": f"{shows}. {title}."},
        title={
            "text": "<b>" + "<br>".join(title_lines) + "</b>",
            "font": {"size": TITLE, "color": INK},
            "subtitle": {"text": "<br>".join(subtitle_lines), "font": {"size": SMALL + 1, "color": QUIET}},
            "x": 0,
            "xref": "container",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 48, "t": first},
        },
        font={"family": FONT, "size": TEXT, "color": INK},
        margin={"l": 90, "r": right, "t": top, "b": 84},
        plot_bgcolor=PAPER,
        paper_bgcolor=PAPER,
        barmode="overlay",  # bars stand where their x says
        showlegend=False,  # figures label directly where they can
        hoverlabel={"font": {"family": FONT, "size": SMALL}},
    )
    axis = {
        "gridcolor": LINE,
        "zeroline": False,
        "linecolor": QUIET,
        "ticks": "",
        "tickfont": {"size": SMALL, "color": QUIET},
    }
    figure.update_xaxes(**axis, showgrid=False)
    figure.update_yaxes(**axis, showline=False)
    return figure


def _balanced(text: str, width: int) -> list[str]:
    """As few lines as it takes at `width` characters, about equally long."""
    fewest = wrap(text, width)
    narrower = (wrap(text, w, break_long_words=False) for w in range(len(text) // len(fewest), width))
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


def to_page(figure: go.Figure) -> dict[str, Any]:
    """What the page needs to draw a figure itself at any width: plain JSON with the keys

    title, subtitle, alt: text;
    figure: {"data", "layout"} without title, fonts and backgrounds: text is of the page's own size and colour;
    narrow: another layout for the same data, for screens of about 350 to 640 pixels: panels below one another, and a
        legend instead of labels beside the marks, for which there is no room;
    layout.height in both: the height in pixels at which it reads well.

    Its colours are those on a light page; hetmoe.demo.colours.on_dark has the others.
    """
    plain = json.loads(json.dumps(figure.to_plotly_json(), default=lambda array: array.tolist()))
    layout = plain["layout"]
    text = layout.pop("meta")
    for key in ("title", "font", "hoverlabel", "plot_bgcolor", "paper_bgcolor", "template"):
        layout.pop(key, None)
    layout.setdefault("annotations", [])
    labelled = any(_is_label(a) for a in layout["annotations"])
    layout["legend"] = {"orientation": "h", "x": 0, "yref": "container", "y": 1, "yanchor": "top"}
    layout["uniformtext"] = {"mode": "hide", "minsize": 10}  # numbers in bars that are too narrow for them
    right = round(LABEL_SCALE * layout["margin"]["r"]) if labelled else RIGHT
    layout["margin"] = {"l": 8, "r": right, "t": 12, "b": 8}  # axes make room for their own labels
    for axis in _axes(layout, "x") + _axes(layout, "y"):
        axis["automargin"] = True
    headings = [a for a in layout["annotations"] if a.get("name") == "heading"]
    if headings:
        layout["margin"]["t"] = 36
    if headings and layout["showlegend"]:  # the legend's place is above the plots, the headings' too
        for part in headings:
            part["y"] = BELOW_LEGEND
        for axis in _axes(layout, "y"):
            axis["domain"] = [0, BELOW_LEGEND]
    if "polar" in layout:
        layout["polar"]["domain"] = {"x": [0.2, 0.8], "y": [0.1, 0.9]}  # its labels do not make room for themselves
    layout["height"] = 440
    for trace in plain["data"]:
        trace.pop("constraintext", None)
    shrunk = {"data": _shrunk(plain["data"]), "layout": _shrunk(layout)}
    return {**text, "figure": shrunk, "narrow": _narrow(shrunk["layout"])}


def _axes(layout: dict[str, Any], letter: str) -> list[dict[str, Any]]:
    return [layout[key] for key in layout if re.fullmatch(rf"{letter}axis\d*", key)]


def _shrunk(value: Any, key: str = "") -> Any:
    """Fonts without size and without the slide's greys, marks and lines at the page's scale."""
    if isinstance(value, list):
        return [_shrunk(item, key) for item in value]
    if not isinstance(value, dict):
        return value
    if key.endswith("font"):
        inherited = (INK, QUIET) if key != "textfont" else ()  # what Plotly would set in marks is its own guess
        return {k: v for k, v in value.items() if k != "size" and v not in inherited}
    scaled = {"marker": ("size",), "line": ("width",), "error_y": ("thickness", "width"), "annotations": ("yshift",)}
    scaled["error_x"] = scaled["error_y"]
    scaled["annotations"] = ("xshift", "yshift")
    return {k: _scaled(v) if k in scaled.get(key, ()) else _shrunk(v, k) for k, v in value.items()}


def _scaled(value: Any) -> Any:
    return [PAGE_SCALE * v for v in value] if isinstance(value, list) else PAGE_SCALE * value


def _is_label(annotation: dict[str, Any]) -> bool:
    """Beside its mark; others are headings, and numbers that belong to a place on the axis."""
    return annotation.get("name") == "label"


def _narrow(wide: dict[str, Any]) -> dict[str, Any]:
    """Panels below one another; a legend for labels; labels of axes in one plain line; numbers without their ± sd."""
    layout = json.loads(json.dumps(wide))
    layout["showlegend"] = layout["showlegend"] or any(_is_label(a) for a in layout["annotations"])
    layout["annotations"] = [a for a in layout["annotations"] if not _is_label(a)]
    layout["margin"]["r"] = RIGHT
    across, upwards = _axes(layout, "x"), _axes(layout, "y")
    for axis in [*across, *upwards, *([layout["polar"]["angularaxis"]] if "polar" in layout else [])]:
        if "ticktext" in axis:
            axis["ticktext"] = [re.sub("</?b>", "", label.split("<br>")[0]) for label in axis["ticktext"]]
    for annotation in layout["annotations"]:
        annotation["text"] = annotation["text"].split(" ± ")[0]
    panels = len(across)
    if panels > 1:
        ceiling = 1 - (1 - BELOW_LEGEND) / panels if layout["showlegend"] else 1
        tops = [ceiling - i / panels for i in range(panels)]
        for x, y, top in zip(across, upwards, tops, strict=True):
            x["domain"] = [0, 1]
            y["domain"] = [top - 0.72 / panels, top]
            y.pop("showticklabels", None)
        headings = [a for a in layout["annotations"] if a.get("name") == "heading"]
        for heading, top in zip(headings, tops, strict=True):
            heading.update(x=0, xanchor="left", y=top)
        layout["height"] = 320 * panels
    return layout


def write_pngs(figures: dict[Path, go.Figure]) -> None:
    """Draws each figure into its file. Raises CannotDraw if kaleido or a browser is missing."""
    try:
        import kaleido
        from kaleido.errors import ChromeNotFoundError
    except ImportError:
        raise CannotDraw("figures need the package kaleido: pip install -r requirements-dev.txt") from None

    async def draw() -> None:
        page = kaleido.PageGenerator(mathjax=False)  # plotly's own script is in its package; MathJax would be fetched
        async with kaleido.Kaleido(n=1, page_generator=page, timeout=60) as browser:
            for path, figure in figures.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                options = {"format": "png", "width": WIDTH, "height": HEIGHT, "scale": SCALE}
                await browser.write_fig(figure, path=path, opts=options, cancel_on_error=True)

    try:
        with ThreadPoolExecutor(1) as thread:  # where no event loop runs yet, as one does in a notebook
            thread.submit(asyncio.run, draw()).result()
    except ChromeNotFoundError:
        raise CannotDraw("figures need Chrome or Chromium: install one, or name it in BROWSER_PATH") from None
