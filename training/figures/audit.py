"""The figures of the fairness audit, drawn from its rows: one function each, None if the rows do not suffice for it.

Drawn are the paper's configurations as trained for `realdata` in the replica family, of each the run with the smallest
seed. Every number, and every claim in a title, is computed from the rows. Whiskers are 95 % intervals, by bootstrap
over the test inputs.
"""

from collections.abc import Callable
from typing import NamedTuple

import plotly.graph_objects as go

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from training.audit.measures import BINS, Measurement, Measurements, measurements, parts
from training.audit.verdicts import extremes
from training.figures.parts import CHANCE, MARKERS, SOURCES, colour
from training.results import Row, of_family, run_of
from training.slide import INK, NBSP, PAPER, QUIET, SMALL, TEXT, slide

LEAST = 20  # inputs in a bin that is drawn: fewer say little
SYMBOLS = {"square": "■", "circle": "●", "diamond": "◆"}


class Audited(NamedTuple):
    """One run."""

    configuration: str
    seed: int
    measured: dict[str, Measurements]

    @property
    def colour(self) -> str:
        return colour(self.configuration)


def reliability(rows: list[Row]) -> go.Figure | None:
    """Accuracy against confidence in 15 bins, a panel for each modality; the area of a marker is the bin's share."""
    runs = _audited(rows)
    if not runs:
        return None
    figure = slide(
        _reliability_title(runs),
        f"Accuracy of the test inputs of which a model is so sure ({BINS} bins, of {LEAST} inputs or more; larger: "
        f"more inputs). Below the dotted line it is overconfident. {_what(runs)}.",
        "Reliability diagrams, one for each modality: accuracy against confidence, one line for each configuration",
        panels=MODALITIES,
        gap=0.03,
    )
    for panel, modality in enumerate(MODALITIES, 1):
        dots = {"color": INK, "width": 2, "dash": "dot"}
        figure.add_scatter(
            x=[0, 100], y=[0, 100], mode="lines", line=dots, hoverinfo="skip", showlegend=False, row=1, col=panel
        )
        for run in runs:
            bins = _bins(run.measured[modality])
            figure.add_scatter(
                x=[100 * confidence for confidence, _, _ in bins],
                y=[100 * accuracy.value for _, accuracy, _ in bins],
                error_y=_whiskers([accuracy for _, accuracy, _ in bins], run.colour),
                mode="lines+markers",
                line={"color": run.colour, "width": 2.5},
                marker={
                    "size": [max(4, 32 * share**0.5) for _, _, share in bins],
                    "symbol": MARKERS[run.configuration],
                    "opacity": 0.8,
                    "line": {"color": PAPER, "width": 1},
                },
                name=run.configuration,
                legendgroup=run.configuration,
                showlegend=panel == 1,
                cliponaxis=False,
                hovertemplate="sure %{x:.0f} %, right %{y:.0f} %",
                row=1,
                col=panel,
            )
    figure.update_xaxes(range=[0, 106], tickvals=[20, 60, 100], ticksuffix=f"{NBSP}%", showgrid=True)
    figure.update_yaxes(range=[0, 106], dtick=20, ticksuffix=f"{NBSP}%")
    quiet = {"font": {"size": SMALL, "color": QUIET}, "standoff": 8}
    figure.update_xaxes(title={"text": "confidence", **quiet})
    figure.update_yaxes(title={"text": "accuracy", **quiet}, col=1)
    figure.update_layout(margin={"l": 116, "t": figure.layout.margin.t + 34})
    _legend(figure, runs, above=40)
    return figure


def _bins(measured: Measurements) -> list[tuple[float, Measurement, float]]:
    """Of each bin that has inputs enough: mean confidence, accuracy, share of the inputs."""
    confidence, accuracy, count = (parts(measured, f"reliability_{x}") for x in ("confidence", "accuracy", "count"))
    n = measured["inputs"].value
    return [(confidence[b].value, accuracy[b], c.value / n) for b, c in count.items() if c.value >= LEAST]


def _reliability_title(runs: list[Audited]) -> str:
    """The modality whose confidence is farthest from its accuracy, on average over the configurations."""
    gaps = {
        m: [100 * (run.measured[m]["confidence"].value - run.measured[m]["accuracy"].value) for run in runs]
        for m in MODALITIES
    }
    worst = max(gaps, key=lambda m: abs(sum(gaps[m])))
    verb = "exceeds" if sum(gaps[worst]) > 0 else "falls short of"
    by = ", ".join(f"{run.configuration}{NBSP}{gap:+.0f}" for run, gap in zip(runs, gaps[worst], strict=True))
    return f"Confidence {verb} accuracy most in {worst}: {by}{NBSP}points"


def disparity(rows: list[Row]) -> go.Figure | None:
    """Accuracy of each modality and of its classes, from the worst served to the best."""
    runs = _audited(rows)
    if not runs:
        return None
    figure = slide(
        _disparity_title(runs),
        f"Classes of one modality differ by up to {_largest_gap(runs):.0f} points. Test accuracy: bars of the modality,"
        f" markers of each class, from the worst served to the best (named). {_what(runs)}. Dotted: chance.",
        "Bars of the accuracy of each modality for each configuration, with the accuracy of each class as a marker",
    )
    width = 0.92 / len(runs)
    for i, run in enumerate(runs):
        for j, modality in enumerate(MODALITIES):
            centre = j + (i - (len(runs) - 1) / 2) * width
            _served(figure, run, modality, centre, width, in_legend=j == 0)
    figure.add_hline(y=CHANCE, line={"color": INK, "width": 2, "dash": "dot"}, layer="below")
    ticks = [f"<b>{m}</b><br>{SOURCES[m]}" for m in MODALITIES]
    figure.update_xaxes(
        tickvals=list(range(len(MODALITIES))),
        ticktext=ticks,
        tickfont={"size": SMALL, "color": INK},
        range=[-0.5, len(MODALITIES) - 0.5],
        showline=False,
    )
    figure.update_yaxes(range=[-7, 108], ticksuffix=" %", dtick=20, zeroline=True, zerolinecolor=QUIET)
    figure.update_layout(margin={"t": figure.layout.margin.t + 36})
    _legend(figure, runs, above=4)
    return figure


def _served(figure: go.Figure, run: Audited, modality: str, centre: float, width: float, in_legend: bool) -> None:
    """One bar of `width` around `centre`, and before it the classes in their order, the first and the last named."""
    classes = parts(run.measured[modality], "accuracy")
    order = sorted(classes, key=lambda c: classes[c])
    x = [centre + 0.08 * width * (place - (len(order) - 1) / 2) for place in range(len(order))]
    figure.add_bar(
        x=[centre],
        y=[100 * run.measured[modality]["accuracy"].value],
        width=0.94 * width,
        marker={"color": run.colour},
        opacity=0.2,
        name=f"{run.configuration}, {modality}",
        showlegend=False,
        hovertemplate="%{y:.1f} %",
    )
    figure.add_scatter(
        x=x,
        y=[100 * classes[c].value for c in order],
        error_y=_whiskers([classes[c] for c in order], run.colour),
        mode="markers",
        marker={"size": 9, "color": run.colour, "symbol": MARKERS[run.configuration]},
        text=order,
        name=run.configuration,
        legendgroup=run.configuration,
        showlegend=in_legend,
        hovertemplate="%{text}: %{y:.1f} %",
    )
    label = {"name": "label", "showarrow": False, "font": {"size": SMALL, "color": run.colour}}
    worst, best = order[0], order[-1]
    low = 100 * classes[worst].low
    figure.add_annotation(
        x=x[0], y=low if low > 8 else 0, text=worst, xanchor="left", xshift=-8, yanchor="top", **label
    )
    figure.add_annotation(
        x=x[-1], y=100 * classes[best].high, text=best, xanchor="right", xshift=8, yanchor="bottom", **label
    )


def _disparity_title(runs: list[Audited]) -> str:
    """The worst served modality."""
    accuracies = [{m: run.measured[m]["accuracy"] for m in MODALITIES} for run in runs]
    worst = [extremes(of)[0] for of in accuracies]
    shared = len(set(worst)) == 1
    listed = ", ".join(
        f"{run.configuration}{'' if shared else f' {m}'}{NBSP}{100 * of[m].value:.0f}{NBSP}%"
        for run, of, m in zip(runs, accuracies, worst, strict=True)
    )
    return f"The worst served modality{f' is {worst[0]}' * shared}: {listed}"


def _largest_gap(runs: list[Audited]) -> float:
    """Between the best and the worst served class of one modality, in points."""
    return 100 * max(run.measured[m]["class_gap"].value for run in runs for m in MODALITIES)


def _legend(figure: go.Figure, runs: list[Audited], above: int) -> None:
    """Names the configurations, so many pixels above the plot."""
    words = "   ".join(
        f'<b><span style="color:{run.colour}">{SYMBOLS[MARKERS[run.configuration]]} {run.configuration}</span></b>'
        for run in runs
    )
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", text=words, xanchor="left", yanchor="bottom", yshift=above,
        showarrow=False, font={"size": TEXT}, name="label",
    )  # fmt: skip


def _audited(rows: list[Row]) -> list[Audited]:
    audited = []
    everything = {run_of(row) for row in of_family(rows, "replica")}
    for configuration in CONFIGURATIONS:
        runs = [run for run in everything if (run.experiment, run.configuration) == ("realdata", configuration)]
        if runs:
            first = min(runs, key=lambda run: int(run.seed))
            measured = measurements([row for row in rows if run_of(row) == first])
            audited.append(Audited(configuration, int(first.seed), measured))
    return audited


def _what(runs: list[Audited]) -> str:
    seeds = sorted({run.seed for run in runs})
    return f"Seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}. Whiskers: 95 % intervals over the test inputs"


def _whiskers(measured: list[Measurement], shade: str) -> dict[str, object]:
    return {
        "array": [100 * (m.high - m.value) for m in measured],
        "arrayminus": [100 * (m.value - m.low) for m in measured],
        "color": shade, "thickness": 1.5, "width": 3,
    }  # fmt: skip


FIGURES: dict[str, Callable[[list[Row]], go.Figure | None]] = {"reliability": reliability, "disparity": disparity}
