"""The figures of the controls: one function each, None if the rows do not suffice for it.

Every number, and every claim in a title, is computed from the rows. Accuracies are test accuracies in per cent.
"""

from collections.abc import Callable
from math import log10
from statistics import mean

import numpy as np
import plotly.graph_objects as go

from hetmoe.config import CONFIGURATIONS
from hetmoe.demo.colours import CONFIGURATION_COLOURS, EXPERT_COLOURS
from hetmoe.encoding import MODALITIES
from training.comparison import BySeed, paired
from training.controls import COMPLEMENTARITY, CONTROLS
from training.figures.parts import MARKERS, Series, apart, colour, count, dots, heat_map, legend_above
from training.findings import summary
from training.results import Row, per_seed
from training.slide import INK, LINE, QUIET, RULE, SMALL, slide

HETEROGENEOUS = CONFIGURATIONS["heterogeneous"]
# How routing decides, and the mark of each in the figures
ROUTING = {
    "heterogeneous": ("learned", "circle", colour("heterogeneous")),
    "uniform routing": ("uniform", "square", CONFIGURATION_COLOURS["homogeneous"][0]),
    "top-1 routing": ("top-1", "triangle-up", colour("hybrid")),
    "oracle routing": ("oracle, told the modality", "star", INK),
}
CONVOLUTION = ("convolutional net", "ensemble of four spatial")

Rows = list[Row]


def ranked(rows: Rows, curves: Rows) -> go.Figure | None:
    """All controls, the most accurate on top, and heterogeneous as a line to compare with."""
    means = _means(rows)
    if "heterogeneous" not in means or len(means) < 2:
        return None
    order = sorted(means, key=lambda c: means[c])
    above = [c for c in reversed(order) if means[c] > means["heterogeneous"]]
    figure = slide(
        f"{len(above)} of {len(means) - 1} controls are more accurate than the heterogeneous mixture"
        + (f": {', '.join(above)}" if 0 < len(above) < 4 else ""),
        "Accuracy over the four modalities: mean ± one standard deviation, and the seeds. Right: parameters and "
        f"multiply-adds of one input. {_n(rows, means)}.",
        "Dots of accuracy, a row for each control",
        right=230,
    )
    for i, c in enumerate(order):
        by_seed = {s: 100 * a for s, a in per_seed(rows, c, "accuracy").items()}
        parameters, cost = (summary(rows, c, metric=metric) for metric in ("parameters", "multiply_adds"))
        s = summary(rows, c)
        assert s and parameters and cost
        figure.add_scatter(
            x=list(by_seed.values()), y=[i] * len(by_seed), mode="markers", showlegend=False, name=f"{c}, seeds",
            marker={"size": 8, "color": _colour(c), "opacity": 0.5}, hovertemplate="%{x:.1f} %",
        )  # fmt: skip
        sd = [100 * s.sd] if s.n > 1 else None
        figure.add_scatter(
            x=[100 * s.mean], y=[i], mode="markers", showlegend=False, name=c,
            error_x={"array": sd, "visible": bool(sd), "color": _colour(c), "thickness": 2.5, "width": 6},
            marker={"size": 15, "color": _colour(c), "symbol": _symbol(c)}, hovertemplate="%{x:.1f} %",
        )  # fmt: skip
        figure.add_annotation(
            x=1, xref="paper", y=i, xanchor="left", xshift=12, showarrow=False, font={"size": SMALL, "color": QUIET},
            text=f"<b>{100 * s.mean:.1f} %</b>  {_thousands(parameters.mean)} · {cost.mean / 1e6:.1f} M",
            name="label",
        )  # fmt: skip
    reference = 100 * means["heterogeneous"]
    figure.add_shape(
        x0=reference, x1=reference, y0=-0.6, y1=len(order) - 0.4, layer="below", line={"color": LINE, "width": 4}
    )
    labels = [f"<b>{c}</b>  " if c in CONFIGURATIONS else f"{c}  " for c in order]
    figure.update_yaxes(
        tickvals=list(range(len(order))), ticktext=labels, tickfont={"size": SMALL, "color": INK}, showgrid=False,
        range=[-0.6, len(order) - 0.4],
    )  # fmt: skip
    figure.update_xaxes(showgrid=True, ticksuffix=" %")
    figure.update_layout(margin={"l": 320})
    return figure


def compute(rows: Rows, curves: Rows) -> go.Figure | None:
    """Accuracy against multiply-adds: is it compute?"""
    means = _means(rows)
    costs = {c: s.mean for c in means if (s := summary(rows, c, metric="multiply_adds"))}
    if not {"heterogeneous", "compute-matched homogeneous"} <= means.keys():
        return None
    gain = 100 * (means["compute-matched homogeneous"] - means.get("homogeneous", float("nan")))
    short = 100 * (means["heterogeneous"] - means["compute-matched homogeneous"])
    figure = slide(
        f"Equal compute adds {gain:+.1f} points to homogeneous experts; heterogeneous ones are {short:+.1f} beyond",
        "Accuracy over the four modalities, mean over the seeds, against multiply-adds for one input (logarithmic). "
        f"The oracle is counted with all four experts and computes one. {_n(rows, means)}.",
        "Dots of accuracy against multiply-adds, one for each control",
        right=120,
    )
    for c, accuracy in means.items():
        figure.add_scatter(
            x=[costs[c]],
            y=[100 * accuracy],
            mode="markers",
            name=c,
            marker={"size": 17, "color": _colour(c), "symbol": _symbol(c)},
            hovertemplate="%{x:.3s} multiply-adds: %{y:.1f} %",
        )
    for low, high, side in ((0, 1e6, "right"), (1e6, 3e6, "right"), (3e6, 7e6, "left"), (7e6, float("inf"), "right")):
        if group := {c: (costs[c], 100 * means[c]) for c in means if low <= costs[c] < high}:
            _labels(figure, group, side)
    ticks = [m * 1e6 for m in (0.2, 0.5, 1, 2, 5, 10)]
    figure.update_xaxes(
        type="log", tickvals=ticks, ticktext=[f"{t / 1e6:g} M" for t in ticks], showgrid=True,
        range=[log10(min(costs.values())) - 0.12, log10(max(costs.values())) + 0.3],
    )  # fmt: skip
    figure.update_yaxes(ticksuffix=" %")
    return figure


def routing_modes(rows: Rows, curves: Rows) -> go.Figure | None:
    """The same four experts, routed in four ways."""
    there = [c for c in ROUTING if per_seed(rows, c, "accuracy")]
    if "heterogeneous" not in there or len(there) < 2:
        return None
    gains = [
        f"{_points(mean(difference.values()))} ({ROUTING[c][0].split(',')[0]})"
        for c in there
        if c != "heterogeneous" and (difference := _difference(rows, c, "heterogeneous"))
    ]
    figure = slide(
        f"The same four experts, routed otherwise: {', '.join(gains)} points against learned routing",
        "Accuracy by modality and over all: mean ± one standard deviation over the seeds; small dots: the seeds. "
        f"{_n(rows, there)}.",
        "Dots of accuracy for each way of routing, by modality",
        panels=[""],
    )
    places = [*MODALITIES, "all"]
    series = []
    for c in there:
        label, symbol, of_mark = ROUTING[c]
        values = {i: {s: 100 * a for s, a in per_seed(rows, c, "accuracy", m).items()} for i, m in enumerate(places)}
        series.append(Series(label, of_mark, symbol, values))
    dots(figure, 1, series, lambda accuracy: f"{accuracy:.0f}")
    figure.update_xaxes(
        tickvals=list(range(len(places))), ticktext=[f"<b>{p}</b>" for p in places],
        tickfont={"size": SMALL, "color": INK}, range=[-0.5, len(places) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(ticksuffix=" %")
    legend_above(figure)
    return figure


def experts(rows: Rows, curves: Rows) -> go.Figure | None:
    """What the mixture loses without an expert, and what it gets right where the expert alone is wrong."""

    def table(of: Callable[[str, str], BySeed]) -> dict[str, dict[str, float]]:
        return {m: {e: _mean(of(e, m)) for e in HETEROGENEOUS} for m in MODALITIES}

    def whole(modality: str) -> BySeed:
        return per_seed(rows, "heterogeneous", "accuracy", modality)

    muted = table(lambda e, m: paired(per_seed(rows, "heterogeneous", f"accuracy_without_{e}", m), whole(m)))
    measured = {
        "trained anew without: points": table(
            lambda e, m: paired(per_seed(rows, f"without {e}", "accuracy", m), whole(m))
        ),
        "muted: points": muted,
        "right where it alone is wrong": table(
            lambda e, m: per_seed(rows, COMPLEMENTARITY, f"right_where_wrong_{e}", m)
        ),
    }
    panels = {
        heading: t for heading, t in measured.items() if not np.isnan([list(of.values()) for of in t.values()]).any()
    }
    if not panels:
        return None
    figure = slide(
        _experts_title(rows, muted),
        "Accuracy of the heterogeneous mixture with an expert muted (or trained anew without it, the others larger) "
        "minus that of the whole, in points; and how often the mixture is right of the inputs that the expert alone, "
        f"at the mixture's size, gets wrong. Framed: the modality's own expert. {_n(rows, ['heterogeneous'])}.",
        "Heat maps of what each expert adds, modality by expert",
        panels=list(panels),
    )
    for panel, (heading, values) in enumerate(panels.items(), 1):
        if "points" in heading:
            heat_map(figure, values, panel, EXPERT_COLOURS, lambda v: max(0.0, -v / 0.5), _points)
        else:
            heat_map(figure, values, panel, EXPERT_COLOURS, lambda v: v, lambda v: f"{100 * v:.0f} %")
    return figure


def _experts_title(rows: Rows, muted: dict[str, dict[str, float]]) -> str:
    by_expert = {e: mean(muted[m][e] for m in MODALITIES) for e in HETEROGENEOUS}
    most, least = min(by_expert, key=lambda e: by_expert[e]), max(by_expert, key=lambda e: by_expert[e])
    return (
        f"Muting an expert costs {_points(by_expert[least]).lstrip('−+')} ({least}) to "
        f"{_points(by_expert[most]).lstrip('−+')} points ({most}) of accuracy"
    )


FIGURES: dict[str, Callable[[Rows, Rows], go.Figure | None]] = {
    "controls_ranked": ranked,
    "controls_compute": compute,
    "controls_routing": routing_modes,
    "controls_experts": experts,
}


def _means(rows: Rows) -> dict[str, float]:
    return {c: s.mean for c in CONTROLS if (s := summary(rows, c))}


def _difference(rows: Rows, first: str, second: str, modality: str = "all") -> BySeed:
    return paired(*(per_seed(rows, c, "accuracy", modality) for c in (first, second)))


def _mean(by_seed: BySeed) -> float:
    return mean(by_seed.values()) if by_seed else float("nan")


def _n(rows: Rows, configurations: list[str] | dict[str, float]) -> str:
    return count({c: sorted(per_seed(rows, c, "accuracy")) for c in configurations})


def _colour(control: str) -> str:
    if control in CONFIGURATIONS:
        return colour(control)
    if control.endswith(" alone"):
        return EXPERT_COLOURS[control.removesuffix(" alone")][0]
    if control in CONVOLUTION:
        return EXPERT_COLOURS["spatial"][0]
    return colour("homogeneous") if "homogeneous" in control else colour("heterogeneous")


def _symbol(control: str) -> str:
    if control in ROUTING:
        return ROUTING[control][1]
    if control in CONVOLUTION:
        return "pentagon" if control == "convolutional net" else "hexagon2"
    return MARKERS.get(control, "diamond-tall" if control.endswith(" alone") else "square-open")


def _labels(figure: go.Figure, points: dict[str, tuple[float, float]], side: str) -> None:
    """Names in a column beside marks (multiply-adds, accuracy) that lie close together, with a line to each mark."""
    heights = apart({c: y for c, (_, y) in points.items()}, least=1.2)
    costs = [log10(x) for x, _ in points.values()]
    for c, (x, y) in points.items():
        figure.add_annotation(
            x=log10(x), y=y, axref="x", ax=max(costs) + 0.07 if side == "right" else min(costs) - 0.15, ayref="y",
            ay=heights[c], text=c, xanchor="left" if side == "right" else "right", showarrow=True, arrowhead=0,
            arrowcolor=RULE, standoff=9, font={"size": SMALL, "color": _colour(c)}, name="label",
        )  # fmt: skip


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")


def _thousands(parameters: float) -> str:
    return f"{parameters / 1e6:.1f}M" if parameters >= 1e6 else f"{parameters / 1e3:.0f}K"
