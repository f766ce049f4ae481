"""What the figures share: marks, colours, and the words for n and spread."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan, log10
from statistics import fmean
from typing import NamedTuple

import plotly.graph_objects as go

from hetmoe.demo.colours import CONFIGURATION_COLOURS, EXPERT_COLOURS
from training.results import summarise
from training.slide import CELL, HEIGHT, INK, NBSP, QUIET, SMALL, TEXT

DEPTH = 1.6  # a heat map goes so far short of the full colour that ink is legible on it, on a dark page too

Table = Mapping[str, Mapping[str, float]]  # row -> column -> value

SOURCES = {
    "spatial": "CIFAR-10, grey",
    "temporal": "speech, waveform",
    "spectral": "speech, spectrum",
    "relational": "MNIST, distances",
}
CHANCE = 10.0  # per cent, of ten classes
MARKERS = {"homogeneous": "square", "heterogeneous": "circle", "hybrid": "diamond"}


def colour(configuration: str) -> str:
    return CONFIGURATION_COLOURS[configuration][0]


def count(by_configuration: Mapping[str, list[int]], spread: str = "") -> str:
    """How many seeds, and which; where there are several, what the `spread` drawn means."""
    first, *others = by_configuration.values()
    together = f",{NBSP}"  # on one line
    if all(other == first for other in others):
        text = f"n = {len(first)} seed{'s' * (len(first) > 1)} ({together.join(map(str, first))})"
    else:
        text = "n = " + ", ".join(f"{len(these)} ({c})" for c, these in by_configuration.items()) + " seeds"
    if spread and any(len(these) > 1 for these in by_configuration.values()):
        text += f"; {spread}: ± one standard deviation over the seeds"
    return text


def error_bars(sds: list[float]) -> dict[str, object]:
    """In the units of the axis; none for nan."""
    array = [None if isnan(sd) else sd for sd in sds]
    return {"array": array, "visible": any(array), "color": INK, "thickness": 2.5, "width": 8}


def apart(values: Mapping[str, float], least: float) -> dict[str, float]:
    """Heights for labels near the values, at least `least` apart, in the same order."""
    placed: dict[str, float] = {}
    for name, value in sorted(values.items(), key=lambda item: item[1]):
        placed[name] = max([value] + [v + least for v in placed.values()])
    shift = sum(placed[name] - value for name, value in values.items()) / len(values)
    return {name: place - shift for name, place in placed.items()}


def own_expert(table: Table) -> tuple[float, int, int]:
    """Of weights (fractions), modality by expert: the mean weight of a modality's own expert in per cent, in how many
    modalities it has the most, and of how many."""
    own = {modality: weights[modality] for modality, weights in table.items() if modality in weights}
    most = sum(weight == max(table[modality].values()) for modality, weight in own.items())
    return 100 * fmean(own.values()), most, len(own)


def routing_map(figure: go.Figure, table: Table, panel: int) -> None:
    """Draws a table of weights (fractions), modality by expert, into a panel."""
    heat_map(figure, table, panel, EXPERT_COLOURS, lambda weight: weight / 0.8, lambda weight: f"{100 * weight:.0f} %")
    figure.update_xaxes(title={"text": "expert", "font": {"size": SMALL, "color": QUIET}})


def heat_map(
    figure: go.Figure,
    table: Table,
    panel: int,
    colours: Mapping[str, tuple[str, str]],
    shade: Callable[[float], float],
    text: Callable[[float], str],
) -> None:
    """Draws a table into a panel: a column of cells in each expert's own colour, the row's own expert framed.

    shade: how strong the colour is, 0 to 1. text: what is written into the cell.
    """
    rows, columns = list(table), list(next(iter(table.values())))
    place = {"row": 1, "col": panel}
    for j, column in enumerate(columns):
        values = [table[row][column] for row in rows]
        figure.add_heatmap(
            x=[j], y=list(range(len(rows))), z=[[min(1.0, shade(v))] for v in values], zmin=0, zmax=DEPTH,
            showscale=False, xgap=6, ygap=6, colorscale=[[0, CELL], [1, colours[column][0]]], name=column,
            text=[[text(v)] for v in values], texttemplate="<b>%{text}</b>", textfont={"size": 26, "color": INK},
            hovertemplate="%{text}", **place,
        )  # fmt: skip
        if column in rows:
            i = rows.index(column)
            figure.add_shape(
                x0=j - 0.47, x1=j + 0.47, y0=i - 0.46, y1=i + 0.46, line={"color": INK, "width": 4}, **place
            )
    figure.update_xaxes(
        tickvals=list(range(len(columns))),
        ticktext=[f'<b><span style="color:{colours[column][0]}">{column}</span></b>' for column in columns],
        tickfont={"size": SMALL},
        showline=False,
        **place,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[f"<b>{row}</b>  " for row in rows],
        tickfont={"size": TEXT, "color": INK},
        autorange="reversed",
        showgrid=False,
        **place,
    )
    figure.update_layout(margin={"l": 180})


class Series(NamedTuple):
    """Values of one kind, in several places along the axis."""

    name: str
    colour: str
    symbol: str
    values: Mapping[int, Mapping[int, float]]  # place -> seed -> value; places without a value are left out


def dots(
    figure: go.Figure,
    panel: int,
    series: Sequence[Series],
    number: Callable[[float], str] | None = None,
    log: bool = False,
) -> None:
    """Draws series beside one another at each place: mean ± sd, the mean as a `number`, and the seeds as small dots.

    Places are whole numbers; what they stand for is left to the axis. log: whether the axis of values will be so.
    """
    step = 0.8 / len(series)
    for i, (name, colour_, symbol, values) in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * step
        summaries = {place: summarise(by_seed.values()) for place, by_seed in values.items()}
        figure.add_scatter(
            x=[place + shift - 0.28 * step for place, by_seed in values.items() for _ in by_seed],
            y=[value for by_seed in values.values() for value in by_seed.values()],
            mode="markers",
            marker={"size": 8, "color": colour_, "opacity": 0.55},
            text=[f"{name}, seed {seed}" for by_seed in values.values() for seed in by_seed],
            hovertemplate="%{text}: %{y:.3g}<extra></extra>",
            showlegend=False,
            name=f"{name}, seeds",
            row=1,
            col=panel,
        )
        figure.add_scatter(
            x=[place + shift for place in summaries],
            y=[s.mean for s in summaries.values()],
            error_y=error_bars([s.sd for s in summaries.values()]),
            mode="markers",
            marker={"size": 18, "color": colour_, "symbol": symbol},
            hovertemplate="%{y:.3g}",
            legendgroup=name,
            showlegend=panel == 1,
            name=name,
            row=1,
            col=panel,
        )
        if not number:
            continue
        for place, (mean, sd, _) in summaries.items():
            top = mean if isnan(sd) else mean + sd  # the error bar would run through the number
            figure.add_annotation(
                x=place + shift, y=log10(top) if log else top, text=f"<b>{number(mean)}</b>", name="label",
                font={"size": SMALL, "color": colour_}, showarrow=False, yanchor="bottom", yshift=7, row=1, col=panel,
            )  # fmt: skip


def legend_above(figure: go.Figure) -> None:
    """Makes room for the names of the series above the plots, and above their headings."""
    margin = figure.layout.margin
    top, headings = margin.t + 34, 40 * any(a.name == "heading" for a in figure.layout.annotations)
    y = 1 + headings / (HEIGHT - top - margin.b)
    legend = {"orientation": "h", "x": 0, "y": y, "yanchor": "bottom", "font": {"size": TEXT}, "itemwidth": 40}
    figure.update_layout(showlegend=True, legend=legend, margin={"t": top})
