"""What tests of figures read from a figure."""

from collections.abc import Callable

import plotly.graph_objects as go

from training.results import Row


def drawn(draw: Callable[[list[Row], list[Row]], go.Figure | None], rows: list[Row]) -> go.Figure:
    """The figure of these rows, which must suffice for it."""
    figure = draw(rows, [])
    assert figure
    return figure


def trace(figure: go.Figure, name: str, panel: int = 1) -> go.Figure:
    """The one of that name in a panel."""
    axis = "x" if panel == 1 else f"x{panel}"
    (found,) = (t for t in figure.data if t.name == name and getattr(t, "xaxis", None) in (None, axis))
    return found


def title(figure: go.Figure) -> str:
    return plain(figure.layout.title.text)


def subtitle(figure: go.Figure) -> str:
    return plain(figure.layout.title.subtitle.text)


def plain(text: str) -> str:
    for tag in ("<b>", "</b>"):
        text = text.replace(tag, "")
    return text.replace("<br>", " ").replace("\N{NO-BREAK SPACE}", " ")


def texts(figure: go.Figure) -> str:
    return " | ".join(plain(a.text) for a in figure.layout.annotations)


def cells(figure: go.Figure, panel: int = 1) -> dict[str, list[str]]:
    """Column -> what is written into its cells, of a panel with a heat map."""
    axis = "x" if panel == 1 else f"x{panel}"
    return {t.name: [cell for (cell,) in t.text] for t in figure.data if t.type == "heatmap" and t.xaxis == axis}
