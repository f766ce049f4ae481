"""The figures of the controls: one function each, None if the rows do not suffice for it.

Every number, and every claim in a title, is computed from the rows. Accuracies are test accuracies in per cent.
"""

from collections.abc import Callable
from math import isnan, log10
from statistics import mean

import plotly.graph_objects as go

from hetmoe.config import CONFIGURATIONS
from hetmoe.demo.colours import CONFIGURATION_COLOURS, EXPERT_COLOURS
from hetmoe.encoding import MODALITIES
from training.controls import COMPLEMENTARITY, CONTROLS
from training.figures.parts import MARKERS, Series, Table, apart, colour, count, dots, heat_map, legend_above
from training.report.comparison import BySeed, paired
from training.report.findings import summary
from training.results import Row, per_seed
from training.slide import INK, QUIET, RULE, SMALL, slide

HETEROGENEOUS = CONFIGURATIONS["heterogeneous"]
# How routing decides, and the mark of each in the figures
ROUTING = {
    "heterogeneous": ("learned", "circle", colour("heterogeneous")),
    "uniform routing": ("uniform", "square", CONFIGURATION_COLOURS["homogeneous"][0]),
    "top-1 routing": ("top-1", "triangle-up", colour("hybrid")),
    "oracle routing": ("oracle, told the modality", "star", INK),
}
# Kind of control: its mark where all controls are shown, and the colour of its name in a legend
KINDS = {
    **{c: (MARKERS[c], colour(c)) for c in CONFIGURATIONS},
    "the same experts, routed otherwise": ("star", colour("heterogeneous")),
    "one expert removed": ("circle-open", colour("heterogeneous")),
    "one expert alone": ("diamond-tall", EXPERT_COLOURS["ffn"][0]),
    "only convolution": ("pentagon", EXPERT_COLOURS["spatial"][0]),
    "compute-matched homogeneous": ("square-open", colour("homogeneous")),
}
# Ways to remove an expert
REMOVED = {"trained anew": "one trained anew with three larger experts", "muted": "itself with an expert muted"}

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
        x0=reference, x1=reference, y0=-0.6, y1=len(order) - 0.4, layer="below", line={"color": RULE, "width": 3}
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
        right=150,
    )
    for c, accuracy in means.items():
        figure.add_scatter(
            x=[costs[c]],
            y=[100 * accuracy],
            mode="markers",
            name=c,
            showlegend=False,
            marker={"size": 17, "color": _colour(c), "symbol": _symbol(c)},
            hovertemplate="%{x:.3s} multiply-adds: %{y:.1f} %",
        )
    for kind in dict.fromkeys(map(_kind, means)):  # for a legend, where there is no room for the names of all
        symbol, of_kind = KINDS[kind]
        figure.add_scatter(
            x=[None], y=[None], mode="markers", marker={"size": 17, "color": of_kind, "symbol": symbol}, name=kind
        )
    for low, high, side in ((0, 1e6, "right"), (1e6, 3e6, "left"), (3e6, 7e6, "left"), (7e6, float("inf"), "right")):
        if group := {c: (costs[c], 100 * means[c]) for c in means if low <= costs[c] < high}:
            _labels(figure, group, side)
    ticks = [m * 1e6 for m in (0.2, 0.5, 1, 2, 5, 10)]
    figure.update_xaxes(
        type="log", tickvals=ticks, ticktext=[f"{t / 1e6:g} M" for t in ticks], showgrid=True,
        range=[log10(min(costs.values())) - 0.12, log10(max(costs.values())) + 0.3],
        title={"text": "multiply-adds of one input", "font": {"size": SMALL, "color": QUIET}},
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
    """What the mixture loses without an expert: trained anew without it, and muted."""

    def drop(configuration: str, metric: str, modality: str) -> float:
        whole = per_seed(rows, "heterogeneous", "accuracy", modality)
        return _mean(paired(per_seed(rows, configuration, metric, modality), whole))

    panels = _complete(
        {
            "trained anew": lambda e, m: drop(f"without {e}", "accuracy", m),
            "muted": lambda e, m: drop("heterogeneous", f"accuracy_without_{e}", m),
        }
    )
    if not panels:
        return None
    figure = slide(
        _experts_title(panels),
        "Change of accuracy in points against the whole heterogeneous mixture, mean over the seeds: of "
        f"{' and of '.join(REMOVED[heading] for heading in panels)}. Framed: the modality's own expert. "
        f"{_n(rows, ['heterogeneous'])}.",
        "Heat maps of what the mixture loses without an expert, modality by expert",
        panels=list(panels),
    )
    for panel, table in enumerate(panels.values(), 1):
        heat_map(figure, table, panel, EXPERT_COLOURS, lambda change: max(0.0, -change / 0.5), _points)
    return figure


def _experts_title(panels: dict[str, Table]) -> str:
    parts = []
    for heading, table in panels.items():
        changes = sorted((mean(table[m][e] for m in MODALITIES) for e in HETEROGENEOUS), key=abs)
        parts.append(f"{_points(changes[0])} to {_points(changes[-1])} {heading}")
    return f"Without one expert, accuracy changes by this many points: {', '.join(parts)}"


def complementarity(rows: Rows, curves: Rows) -> go.Figure | None:
    """How often the mixture is right where an expert alone is wrong, and the reverse."""

    def share(metric: str) -> Callable[[str, str], float]:
        return lambda e, m: _mean(per_seed(rows, COMPLEMENTARITY, f"{metric}_{e}", m))

    panels = _complete(
        {
            "mixture right, expert wrong": share("right_where_wrong"),
            "expert right, mixture wrong": share("wrong_where_right"),
        }
    )
    if not panels:
        return None
    gained, lost = (_range(table) for table in panels.values())
    seeds = sorted(int(r["seed"]) for r in rows if r["configuration"] == COMPLEMENTARITY)
    figure = slide(
        f"The mixture is right in {gained} % of what an expert alone gets wrong, and wrong in {lost} % of what that "
        "gets right",
        "The heterogeneous mixture beside each of its experts trained alone at the mixture's size, on the same test "
        "inputs. In per cent of those that the expert alone gets wrong, or right; mean over the seeds. Framed: the "
        f"modality's own expert. {count({COMPLEMENTARITY: sorted(set(seeds))})}.",
        "Heat maps of how often the mixture and an expert alone disagree, modality by expert",
        panels=list(panels),
    )
    for panel, table in enumerate(panels.values(), 1):
        heat_map(figure, table, panel, EXPERT_COLOURS, lambda part: part / 0.8, lambda part: f"{100 * part:.0f} %")
    return figure


def _range(table: Table) -> str:
    values = [100 * value for of in table.values() for value in of.values()]
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return low if low == high else f"{low} to {high}"


def _complete(panels: dict[str, Callable[[str, str], float]]) -> dict[str, Table]:
    """Heading -> modality -> expert -> value; without the panels that have a value missing."""
    tables = {heading: {m: {e: of(e, m) for e in HETEROGENEOUS} for m in MODALITIES} for heading, of in panels.items()}
    return {h: table for h, table in tables.items() if not any(isnan(v) for of in table.values() for v in of.values())}


FIGURES: dict[str, Callable[[Rows, Rows], go.Figure | None]] = {
    "controls_ranked": ranked,
    "controls_compute": compute,
    "controls_routing": routing_modes,
    "controls_experts": experts,
    "controls_complementarity": complementarity,
}


def _means(rows: Rows) -> dict[str, float]:
    return {c: s.mean for c in CONTROLS if (s := summary(rows, c))}


def _difference(rows: Rows, first: str, second: str, modality: str = "all") -> BySeed:
    return paired(*(per_seed(rows, c, "accuracy", modality) for c in (first, second)))


def _mean(by_seed: BySeed) -> float:
    return mean(by_seed.values()) if by_seed else float("nan")


def _n(rows: Rows, configurations: list[str] | dict[str, float]) -> str:
    return count({c: sorted(per_seed(rows, c, "accuracy")) for c in configurations})


def _kind(control: str) -> str:
    if control in KINDS:
        return control
    if control in ROUTING:
        return "the same experts, routed otherwise"
    if control.startswith("without "):
        return "one expert removed"
    return "one expert alone" if control.endswith(" alone") else "only convolution"


def _colour(control: str) -> str:
    """Its expert's, if it has but one."""
    _, of_kind = KINDS[_kind(control)]
    return EXPERT_COLOURS[control.removesuffix(" alone")][0] if control.endswith(" alone") else of_kind


def _symbol(control: str) -> str:
    return KINDS[_kind(control)][0]


def _labels(figure: go.Figure, points: dict[str, tuple[float, float]], side: str) -> None:
    """Names in a column beside marks (multiply-adds, accuracy) that lie close together, with a line to each mark."""
    heights = apart({c: y for c, (_, y) in points.items()}, least=1.2)
    costs = [log10(x) for x, _ in points.values()]
    for c, (x, y) in points.items():
        figure.add_annotation(
            x=log10(x), y=y, axref="x", ax=max(costs) + 0.07 if side == "right" else min(costs) - 0.06, ayref="y",
            ay=heights[c], text=c, xanchor="left" if side == "right" else "right", showarrow=True, arrowhead=0,
            arrowcolor=RULE, standoff=9, font={"size": SMALL, "color": _colour(c)}, name="label",
        )  # fmt: skip


def _points(difference: float) -> str:
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")


def _thousands(parameters: float) -> str:
    return f"{parameters / 1e6:.1f}M" if parameters >= 1e6 else f"{parameters / 1e3:.0f}K"
