"""The figures of the synthetic experiments: one function each, None if the rows do not suffice for it.

Every number, and every claim in a title, is computed from the rows. Errors are mean squared errors as fractions of the
target's variance in each modality and shown in per cent; over all, the mean over the four.
"""

from collections.abc import Callable
from math import isnan
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from hetmoe.config import CONFIGURATIONS
from hetmoe.demo.colours import EXPERT_COLOURS
from hetmoe.encoding import MODALITIES
from training.figures.parts import (
    MARKERS,
    Series,
    apart,
    colour,
    count,
    dots,
    heat_map,
    legend_above,
    own_expert,
    routing_map,
)
from training.report.comparison import BySeed, relative, select, slopes
from training.report.findings import PAPER_REDUCTION, PAPER_TEMPORAL, routing
from training.results import Row, per_seed, summarise
from training.slide import INK, NBSP, QUIET, SMALL, slide
from training.synthetic import ABLATION_BUDGET

BUDGET = ABLATION_BUDGET  # at which modalities and routing are shown: it is in both experiments
REMOVED = "each expert removed"
HETEROGENEOUS = CONFIGURATIONS["heterogeneous"]
UNIT = "Error: mean squared error in % of the target's variance"
DOTS = "Mean ± one standard deviation over the seeds; small dots: the seeds"
TICKS = [float(f"{digit}e{power}") for power in range(-3, 7) for digit in (1, 2, 5)]  # of a logarithmic scale
LOG_ERROR = {"type": "log", "tickvals": TICKS, "ticktext": [f"{tick:g} %" for tick in TICKS]}

Rows = list[Row]


class Length(NamedTuple):
    """One experiment: all of its runs have the same number of steps."""

    rows: Rows
    steps: str  # "400 steps"
    budgets: list[int]  # of the comparison

    def errors(self, configuration: str, budget: int, modality: str = "all") -> BySeed:
        return per_seed(self.at(budget), configuration, "mse", modality)

    def at(self, budget: int) -> Rows:
        return [r for r in self.rows if int(r["budget"]) == budget]

    def change(self, budget: int, modality: str = "all") -> float | None:
        """Heterogeneous error relative to homogeneous, mean over the seeds that have both: -0.2 is 20 % lower."""
        by_seed = relative(*(self.errors(c, budget, modality) for c in ("heterogeneous", "homogeneous")))
        return summarise(by_seed.values()).mean if by_seed else None


def lengths(rows: Rows) -> list[Length]:
    """The paper's number of steps, and the long one; those that have been run."""
    found = []
    for experiment in ("synthetic", "synthetic long"):
        mine = select(rows, experiment)
        steps = [float(r["value"]) for r in mine if r["metric"] == "steps"]
        compared = sorted({int(r["budget"]) for r in mine if r["configuration"] in CONFIGURATIONS})
        if experiment == "synthetic":
            compared = [b for b in compared if b in PAPER_REDUCTION]
        if steps:
            found.append(Length(mine, f"{max(steps):,.0f}{NBSP}steps", compared))
    return found


def core(rows: Rows, curves: Rows) -> go.Figure | None:
    """The paper's table: the error of the three configurations at its budgets, and again after long training."""
    panels = [length for length in lengths(rows) if length.budgets]
    if not panels:
        return None
    figure = slide(
        _core_title(panels),
        f"{UNIT}, mean over the four modalities. {DOTS}. {_n(panels)}. "
        "Above: heterogeneous relative to homogeneous, here and in the paper.",
        "Dots of error for each configuration at several budgets, a panel for each length of training",
        panels=[length.steps for length in panels],
    )
    for panel, length in enumerate(panels, 1):
        series = [_series(c, [length.errors(c, b) for b in length.budgets]) for c in CONFIGURATIONS]
        dots(figure, panel, series, lambda error: f"{error:#.2g}".rstrip("."), log=True)
        changes = [length.change(budget) for budget in length.budgets]
        papers = [f"<br>paper {_percent(-PAPER_REDUCTION[b])}" if b in PAPER_REDUCTION else "" for b in length.budgets]
        _above(figure, panel, changes, papers)
        _places(figure, panel, [_thousands(budget) for budget in length.budgets])
    return _log_errors(figure, 0.45)


def _core_title(panels: list[Length]) -> str:
    parts = []
    for length in panels:
        changes = [change for budget in length.budgets if (change := length.change(budget)) is not None]
        if changes:
            parts.append(f"{_range(changes)} after {length.steps}")
    if not parts:
        return f"Error of {_measured(panels)} experts by number of parameters"
    return f"Heterogeneous against homogeneous experts: error {', '.join(parts)}"


def by_modality(rows: Rows, curves: Rows) -> go.Figure | None:
    """The error of the three configurations in each modality, at one budget."""
    panels = lengths([r for r in rows if int(r["budget"]) == BUDGET and r["configuration"] in CONFIGURATIONS])
    if not panels:
        return None
    figure = slide(
        _modality_title(panels),
        f"{UNIT}. {_thousands(BUDGET)} parameters. {DOTS}. {_n(panels)}. Above: heterogeneous relative to homogeneous.",
        "Dots of error for each configuration in each modality, a panel for each length of training",
        panels=[length.steps for length in panels],
    )
    for panel, length in enumerate(panels, 1):
        series = [_series(c, [length.errors(c, BUDGET, m) for m in MODALITIES]) for c in CONFIGURATIONS]
        dots(figure, panel, series)
        _above(figure, panel, [length.change(BUDGET, m) for m in MODALITIES], [""] * len(MODALITIES))
        _places(figure, panel, list(MODALITIES))
    return _log_errors(figure, 0.25)


def _modality_title(panels: list[Length]) -> str:
    parts = []
    for length in panels:
        changes = [change for m in MODALITIES if (change := length.change(BUDGET, m)) is not None]
        if changes:
            parts.append(f"{sum(change < 0 for change in changes)} of {len(changes)} after {length.steps}")
    if not parts:
        return f"Error of {_measured(panels)} experts by modality"
    return f"Modalities in which heterogeneous experts have a lower error than homogeneous ones: {', '.join(parts)}"


def routing_weights(rows: Rows, curves: Rows) -> go.Figure | None:
    """Mean routing weights of heterogeneous and hybrid after the paper's number of steps."""
    return _routing(rows, "synthetic")


def routing_weights_long(rows: Rows, curves: Rows) -> go.Figure | None:
    """The same after long training."""
    return _routing(rows, "synthetic long")


def _routing(rows: Rows, experiment: str) -> go.Figure | None:
    chosen = select(rows, experiment, BUDGET)
    tables = {c: t for c in ("heterogeneous", "hybrid") if (t := routing(chosen, c))}
    if not tables:
        return None
    (length,) = lengths(chosen)
    name, table = next(iter(tables.items()))
    weight, most, modalities = own_expert(table)
    figure = slide(
        f"After {length.steps} a modality's own expert has {weight:.0f} % of the weight on average, the most in "
        f"{most} of {modalities} modalities ({name})",
        "Mean routing weight over the test set and the seeds; a row adds up to 100 %, equal shares would be 25 %. "
        f"Framed: the modality's own expert. {_thousands(BUDGET)} parameters. {_n([length])}.",
        "Heat maps of routing weight, modality by expert, one for each configuration",
        panels=list(tables),
    )
    for panel, table in enumerate(tables.values(), 1):
        routing_map(figure, table, panel)
    return figure


def scaling(rows: Rows, curves: Rows) -> go.Figure | None:
    """Error against the parameters of the model and of an expert, on logarithmic scales."""
    mine = select(rows, "synthetic")
    of = {c: sorted({int(r["budget"]) for r in mine if r["configuration"] == c}) for c in CONFIGURATIONS}
    of = {c: budgets for c, budgets in of.items() if len(budgets) > 1}
    if not of:
        return None
    (length,) = lengths(mine)
    figure = slide(
        _scaling_title(mine, of),
        f"{UNIT}, mean over the four modalities. {length.steps}. Lines: mean over the seeds; band: from the lowest to "
        f"the highest seed. {_n_each(mine, of)}. Both scales are logarithmic.",
        "Lines of error against size on logarithmic scales, one for each configuration",
        panels=["parameters of the model", "parameters of an expert"],
        right=190,
    )
    ends = {}
    for panel, metric in enumerate(("parameters", "expert_parameters"), 1):
        for c, budgets in of.items():
            errors = [[100 * error for error in length.errors(c, b).values()] for b in budgets]
            sizes = [summarise(per_seed(length.at(b), c, metric).values()).mean for b in budgets]
            figure.add_scatter(
                x=sizes + sizes[::-1], y=[max(e) for e in errors] + [min(e) for e in errors][::-1], fill="toself",
                fillcolor=colour(c), opacity=0.2, line={"width": 0}, mode="lines", hoverinfo="skip", showlegend=False,
                row=1, col=panel,
            )  # fmt: skip
            means = [float(np.mean(e)) for e in errors]
            figure.add_scatter(
                x=sizes, y=means, mode="lines+markers", line={"color": colour(c), "width": 4}, name=c, legendgroup=c,
                marker={"size": 12, "symbol": MARKERS[c]}, showlegend=panel == 1,
                hovertemplate="%{x:.3s} parameters: %{y:.3g} %", row=1, col=panel,
            )  # fmt: skip
            ends[c] = (float(np.log10(sizes[-1])), float(np.log10(means[-1])))
    heights = apart({c: y for c, (_, y) in ends.items()}, least=0.06)
    for c, (x, _) in ends.items():
        figure.add_annotation(
            x=x, y=heights[c], text=f"<b>{c}</b>", font={"color": colour(c)}, xanchor="left", xshift=14,
            showarrow=False, name="label", row=1, col=2,
        )  # fmt: skip
    figure.update_xaxes(type="log", tickvals=TICKS, ticktext=[_thousands(tick) for tick in TICKS], showgrid=True)
    for panel in (1, 2):
        sizes = np.log10(np.concatenate([trace.x for trace in figure.select_traces(row=1, col=panel)]))
        figure.update_xaxes(range=[sizes.min() - 0.05, sizes.max() + 0.05], row=1, col=panel)
    figure.update_yaxes(**LOG_ERROR)
    return figure


def _scaling_title(rows: Rows, of: dict[str, list[int]]) -> str:
    changes = {c: 2 ** summarise(slopes(rows, c, budgets).values()).mean - 1 for c, budgets in of.items()}
    listed = ", ".join(f"{_percent(change)} ({c})" for c, change in changes.items())
    return f"Twice the parameters change the error by {listed}"


def ablation(rows: Rows, curves: Rows) -> go.Figure | None:
    """What becomes of the error when an expert is removed, and when it is alone, with as many parameters in all."""
    at = select(rows, "synthetic", ABLATION_BUDGET)
    panels = {
        REMOVED: {e: f"without {e}" for e in HETEROGENEOUS},
        "each expert alone": {e: f"{e} alone" for e in (*HETEROGENEOUS, "ffn")},
    }
    tables = {heading: t for heading, names in panels.items() if (t := _ratios(at, names))}
    if not tables:
        return None
    figure = slide(
        _ablation_title(tables),
        f"Error relative to that of the mixture of all four, geometric mean over the seeds; all models have "
        f"{_thousands(ABLATION_BUDGET)} parameters. Framed: the modality's own expert. The paper: in temporal "
        f"{PAPER_TEMPORAL}× with a mismatched bias.",
        "Heat maps of error relative to the whole mixture, modality by expert",
        panels=list(tables),
    )
    for panel, table in enumerate(tables.values(), 1):
        heat_map(figure, table, panel, EXPERT_COLOURS, lambda ratio: max(0.0, np.log2(ratio) / 3), _times)
    return figure


def _ratios(rows: Rows, names: dict[str, str]) -> dict[str, dict[str, float]]:
    """Modality -> expert -> error of the expert's model relative to the mixture's, over the seeds that both have.

    Empty until every expert's model has been run.
    """

    def ratio(configuration: str, modality: str) -> float:
        by_seed = relative(*(per_seed(rows, c, "mse", modality) for c in (configuration, "heterogeneous")))
        return float(np.exp(np.mean(np.log1p(list(by_seed.values()))))) if by_seed else float("nan")

    table = {m: {expert: ratio(name, m) for expert, name in names.items()} for m in MODALITIES}
    return {} if any(isnan(value) for ratios in table.values() for value in ratios.values()) else table


def _ablation_title(tables: dict[str, dict[str, dict[str, float]]]) -> str:
    heading, table = next(iter(tables.items()))
    own = {m: ratios[m] for m, ratios in table.items() if m in ratios}
    least, most = (choose(own, key=lambda m: own[m]) for choose in (min, max))
    what = "Without its own expert" if heading == REMOVED else "With its own expert alone"
    return (
        f"{what} a modality's error becomes {_times(own[least])} ({least}) to {_times(own[most])} ({most}) that of the "
        "whole mixture"
    )


FIGURES: dict[str, Callable[[Rows, Rows], go.Figure | None]] = {
    "synthetic_core": core,
    "synthetic_modalities": by_modality,
    "synthetic_routing": routing_weights,
    "synthetic_routing_long": routing_weights_long,
    "synthetic_scaling": scaling,
    "synthetic_ablation": ablation,
}


def _series(configuration: str, by_place: list[BySeed]) -> Series:
    values = {place: {s: 100 * e for s, e in by_seed.items()} for place, by_seed in enumerate(by_place) if by_seed}
    return Series(configuration, colour(configuration), MARKERS[configuration], values)


def _n(panels: list[Length]) -> str:
    def seeds(length: Length) -> list[int]:
        return sorted({int(r["seed"]) for r in length.rows})

    return count({length.steps: seeds(length) for length in panels})


def _n_each(rows: Rows, of: dict[str, list[int]]) -> str:
    """How many seeds a point stands for."""
    at = [{r["seed"] for r in rows if (r["configuration"], int(r["budget"])) == (c, b)} for c in of for b in of[c]]
    fewest, most = min(map(len, at)), max(map(len, at))
    return f"n = {fewest} seed{'s' * (fewest > 1)}" if fewest == most else f"n = {fewest} to {most} seeds"


def _measured(panels: list[Length]) -> str:
    there = {r["configuration"] for length in panels for r in length.rows}
    return " and ".join(c for c in CONFIGURATIONS if c in there)


def _above(figure: go.Figure, panel: int, changes: list[float | None], notes: list[str]) -> None:
    """Relative changes, with a quiet second line, over the places of a panel."""
    for place, (change, note) in enumerate(zip(changes, notes, strict=True)):
        if change is not None:
            text = f'<b>{_percent(change)}</b><span style="color:{QUIET}">{note}</span>'
            figure.add_annotation(
                x=place, y=1, yref="y domain", yanchor="top", text=text, showarrow=False, font={"size": SMALL},
                row=1, col=panel,
            )  # fmt: skip


def _places(figure: go.Figure, panel: int, names: list[str]) -> None:
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=[f"<b>{name}</b>" for name in names],
        tickfont={"size": SMALL, "color": INK},
        range=[-0.5, len(names) - 0.5],
        row=1,
        col=panel,
    )


def _log_errors(figure: go.Figure, headroom: float) -> go.Figure:
    """A logarithmic scale for all panels. headroom: for what stands above the dots, as a fraction of their range."""
    errors = np.log10([value for trace in figure.data for value in trace.y])
    room = 0.1 * float(np.ptp(errors)) + 0.05
    figure.update_yaxes(
        **LOG_ERROR, range=[errors.min() - room, errors.max() + headroom * (errors.max() - errors.min())]
    )
    legend_above(figure)
    return figure


def _percent(change: float) -> str:
    return f"{100 * change:+.0f} %".replace("-", "−")


def _range(changes: list[float]) -> str:
    low, high = (_percent(choose(changes)).removesuffix(" %") for choose in (max, min))
    return f"{low} to {high} %" if low != high else f"{low} %"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"


def _thousands(parameters: float) -> str:
    return f"{parameters / 1e6:.3g}M" if parameters >= 1e6 else f"{parameters / 1e3:.0f}K"
