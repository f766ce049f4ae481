"""The look of the figures: a 16:9 slide with one type scale, and its export as PNG.

The export needs the package kaleido and a Chrome or Chromium, found on the PATH or named by BROWSER_PATH. Nothing is
loaded from a network.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import wrap

import plotly.graph_objects as go

WIDTH, HEIGHT, SCALE = 1280, 720, 2  # PNG files have SCALE times as many pixels
TITLE, TEXT, SMALL = 34, 22, 18  # the type scale, in pixels at 1280 × 720
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
NBSP = "\N{NO-BREAK SPACE}"
INK, QUIET, LINE, PAPER = "#16191d", "#59626c", "#dfe3e7", "#ffffff"  # the page's greys


class CannotDraw(Exception):
    """Pictures cannot be written here. The message says what is missing."""


def slide(title: str, subtitle: str, *, right: int = 60) -> go.Figure:
    """An empty figure. The title states the finding, the subtitle what is shown, n and what error bars mean.

    right: margin in pixels, for labels beside the plot.
    """
    title, subtitle = (text.replace(" %", f"{NBSP}%").replace(" = ", f"{NBSP}={NBSP}") for text in (title, subtitle))
    title_lines, subtitle_lines = _balanced(title, 62), wrap(subtitle, 122)
    first = 66  # from the top edge to the first line's base
    top = first + 44 * len(title_lines) + 25 * (len(subtitle_lines) - 1) + 36
    figure = go.Figure()
    figure.update_layout(
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
    axis = {"gridcolor": LINE, "zeroline": False, "linecolor": QUIET, "tickfont": {"size": SMALL, "color": QUIET}}
    figure.update_xaxes(**axis, showgrid=False, ticks="")
    figure.update_yaxes(**axis, showline=False)
    return figure


def _balanced(text: str, width: int) -> list[str]:
    """As few lines as it takes at `width` characters, about equally long."""
    fewest = wrap(text, width)
    narrower = (wrap(text, w, break_long_words=False) for w in range(len(text) // len(fewest), width))
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


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
