"""The figures of the paper's real-data part: one function each, None if the rows do not suffice for it.

Every number, and every claim in a title, is computed from the rows. Accuracies are shown in per cent.
"""

from collections.abc import Callable
from math import isnan

import numpy as np
import plotly.graph_objects as go

from hetmoe.encoding import MODALITIES
from training.figures.parts import CHANCE, MARKERS, SOURCES, apart, colour, count, error_bars, own_expert, routing_map
from training.report.findings import (
    PAPER_ACCURACY,
    PAPER_SD,
    configurations,
    p_text,
    relative_gain,
    routing,
    seeds,
    summary,
)
from training.results import Row, per_seed
from training.slide import INK, NBSP, PAPER, QUIET, RULE, SMALL, TEXT, slide

Rows = list[Row]


def training_curves(rows: Rows, curves: Rows) -> go.Figure | None:
    """Validation accuracy per epoch: mean over the seeds, with a band of ± sd."""
    lines = {c: table for c in configurations(rows) if (table := _curve(curves, c)).size}
    if not lines:
        return None
    means = {c: table.mean(0) for c, table in lines.items()}
    figure = slide(
        _curves_title(means),
        "Validation accuracy over the four modalities (up to 1,000 inputs of each) against the epoch. "
        f"Lines: mean over the seeds; {_n(rows, 'band')}.",
        "Lines of validation accuracy against the epoch, one for each configuration, with bands",
        right=210,
    )
    for c, table in lines.items():
        epochs = list(range(1, table.shape[1] + 1))
        if len(table) > 1:
            sd = table.std(0, ddof=1)
            band = [*(means[c] + sd), *(means[c] - sd)[::-1]]
            figure.add_scatter(
                x=epochs + epochs[::-1],
                y=band,
                fill="toself",
                fillcolor=colour(c),
                opacity=0.25,
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
                name=f"{c} ± sd",
            )
        figure.add_scatter(
            x=epochs,
            y=means[c].tolist(),
            mode="lines",
            line={"color": colour(c), "width": 4},
            name=c,
            hovertemplate="%{y:.1f} %",
        )
    ends = apart({c: float(m[-1]) for c, m in means.items()}, least=7.5)
    for c, m in means.items():
        label = f"<b>{c}</b><br>{m[-1]:.1f} %"
        figure.add_annotation(
            x=len(m), y=ends[c], text=label, font={"color": colour(c)}, xanchor="left", align="left", xshift=10,
            showarrow=False, name="label",
        )  # fmt: skip
    last = max(len(m) for m in means.values())
    figure.update_xaxes(range=[1, last], title={"text": "epoch", "font": {"size": SMALL, "color": QUIET}})
    low, high = min(float(m.min()) for m in means.values()), max(float(m.max()) for m in means.values())
    figure.update_yaxes(range=[5 * (low // 5), high + 5], ticksuffix=" %")
    return figure


def _curves_title(means: dict[str, np.ndarray]) -> str:
    """Who ends highest, and since which epoch it has been ahead of all others."""
    best = max(means, key=lambda c: float(means[c][-1]))
    end = f"{means[best][-1]:.1f} % on validation data"
    others = [m for c, m in means.items() if c != best]
    epochs = min(len(m) for m in means.values())
    if not others:
        return f"{best.capitalize()} experts end at {end}"
    behind = [e for e in range(epochs) if any(m[e] >= means[best][e] for m in others)]
    since = "in every epoch" if not behind else f"from{NBSP}epoch{NBSP}{behind[-1] + 2}{NBSP}on"
    return f"{best.capitalize()} experts lead {since} and end at {end}"


def _curve(curves: Rows, configuration: str) -> np.ndarray:
    """(seeds, epochs) validation accuracy in per cent, over the epochs that all seeds have."""
    by_seed: dict[str, list[float]] = {}
    for r in curves:
        if (r["configuration"], r["modality"], r["metric"]) == (configuration, "all", "accuracy"):
            by_seed.setdefault(r["seed"], []).append(100 * float(r["value"]))
    epochs = min(map(len, by_seed.values()), default=0)
    return np.array([values[:epochs] for values in by_seed.values()])


def by_modality(rows: Rows, curves: Rows) -> go.Figure | None:
    """Test accuracy for each modality, and the paper's values as diamonds."""
    names = configurations(rows)
    if not names:
        return None
    figure = slide(
        _modality_title(rows),
        f"Test accuracy by modality, whole test sets. {_n(rows, 'error bars')}. "
        "◇ what the paper reports (nothing by modality for hybrid). Dotted: chance.",
        "Bars of test accuracy, grouped by modality, one for each configuration",
    )
    width = 0.8 / len(names)
    for i, c in enumerate(names):
        known = [(j, s) for j, m in enumerate(MODALITIES) if (s := summary(rows, c, m))]
        x = [j + (i - (len(names) - 1) / 2) * width for j, _ in known]
        figure.add_bar(
            x=x,
            y=[100 * s.mean for _, s in known],
            width=0.94 * width,
            marker={"color": colour(c)},
            error_y=error_bars([100 * s.sd for _, s in known]),
            name=c,
            hovertemplate="%{y:.1f} %",
            text=[f"<b>{100 * s.mean:.1f}</b>" for _, s in known],
            textposition="inside",
            insidetextanchor="start",
            textangle=0,
            textfont={"size": TEXT, "color": PAPER},
            constraintext="none",
        )
        paper = [(place, 100 * PAPER_ACCURACY[c][MODALITIES[j]]) for place, (j, _) in zip(x, known, strict=True)
                 if MODALITIES[j] in PAPER_ACCURACY[c]]  # fmt: skip
        figure.add_scatter(
            x=[place for place, _ in paper],
            y=[value for _, value in paper],
            mode="markers",
            marker={"symbol": "diamond", "size": 15, "color": PAPER, "line": {"color": INK, "width": 2}},
            name=f"the paper, {c}",
            showlegend=False,
            hovertemplate="%{y:.1f} %",
        )
    figure.add_hline(y=CHANCE, line={"color": INK, "width": 2, "dash": "dot"})
    ticks = [f"<b>{m}</b><br>{SOURCES[m]}" for m in MODALITIES]
    figure.update_xaxes(
        tickvals=list(range(len(MODALITIES))), ticktext=ticks, tickfont={"size": SMALL, "color": INK}, range=[-0.5, 3.5]
    )
    figure.update_yaxes(range=[0, 101], ticksuffix=" %", dtick=20)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": TEXT}, "itemwidth": 30},
        margin={"t": figure.layout.margin.t + 34},
    )
    return figure


def _modality_title(rows: Rows) -> str:
    gaps = {}
    for m in MODALITIES:
        first, second = summary(rows, "homogeneous", m), summary(rows, "heterogeneous", m)
        if first and second:
            gaps[m] = 100 * (second.mean - first.mean)
    if not gaps:
        return f"Accuracy of {' and '.join(configurations(rows))} experts by modality"
    most = max(gaps, key=lambda m: gaps[m])
    wins = sum(gap > 0 for gap in gaps.values())
    if not wins:
        return f"Heterogeneous experts are ahead of homogeneous ones in none of {len(gaps)} modalities"
    return (
        f"Heterogeneous experts are ahead of homogeneous ones in {wins} of {len(gaps)} modalities, "
        f"most in {most}: {gaps[most]:+.0f} points"
    )


def overall(rows: Rows, curves: Rows) -> go.Figure | None:
    """Test accuracy over all modalities, ± sd, with the paper's beside it."""
    names = configurations(rows)
    if not names:
        return None
    figure = slide(
        _overall_title(rows),
        f"Test accuracy, mean over the four modalities, whole test sets. Filled: this project, "
        f"{_n(rows, 'error bars')}. Outlined: the paper, likewise, n = 3. Dotted: chance.",
        "Bars of test accuracy for each configuration, with the paper's beside them",
    )
    for i, c in enumerate(names):
        ours = summary(rows, c)
        assert ours  # it is among `configurations`
        for place, mean, sd, fill, who in (
            (i - 0.2, ours.mean, ours.sd, colour(c), "this project"),
            (i + 0.2, PAPER_ACCURACY[c]["all"], PAPER_SD[c], PAPER, "the paper"),
        ):
            figure.add_bar(
                x=[place],
                y=[100 * mean],
                width=0.36,
                marker={"color": fill, "line": {"color": colour(c), "width": 3}},
                error_y=error_bars([100 * sd]),
                name=f"{c}, {who}",
                hovertemplate="%{y:.1f} %",
                text=who,
                textposition="inside",
                insidetextanchor="start",
                textfont={"size": TEXT, "color": INK if fill == PAPER else PAPER},
            )
            number = f"<b>{100 * mean:.1f}</b>" + ("" if isnan(sd) else f" ± {100 * sd:.1f}")
            top = 100 * (mean + (0 if isnan(sd) else sd))
            figure.add_annotation(x=place, y=top, text=number, yanchor="bottom", yshift=4, showarrow=False)
    figure.add_hline(y=CHANCE, line={"color": INK, "width": 2, "dash": "dot"})
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=[f"<b>{c}</b><br>{_size(rows, c)}" for c in names],
        tickfont={"size": SMALL, "color": INK},
        range=[-0.5, len(names) - 0.5],
    )
    means = [s.mean for c in names if (s := summary(rows, c))] + [PAPER_ACCURACY[c]["all"] for c in names]
    figure.update_yaxes(range=[0, min(101, 10 * (100 * max(means) // 10) + 20.5)], ticksuffix=" %", dtick=20)
    return figure


def _overall_title(rows: Rows) -> str:
    gain = relative_gain(rows)
    if not gain:
        best = max(configurations(rows), key=lambda c: s.mean if (s := summary(rows, c)) else 0)
        return f"{best.capitalize()} experts reach {_percent(rows, best)}"
    return (
        f"Heterogeneous experts reach {_percent(rows, 'heterogeneous')}, homogeneous ones "
        f"{_percent(rows, 'homogeneous')}: a relative gain of {100 * gain.mean:+.0f} %"
    )


def _size(rows: Rows, configuration: str) -> str:
    parameters, multiply_adds = (summary(rows, configuration, metric=m) for m in ("parameters", "multiply_adds"))
    parts = []
    if parameters:
        parts.append(f"{parameters.mean:,.0f} parameters")
    if multiply_adds:
        parts.append(f"{multiply_adds.mean / 1e6:.1f} M multiply-adds")
    return ", ".join(parts)


def by_seed(rows: Rows, curves: Rows) -> go.Figure | None:
    """A row for each seed, a dot for each configuration: the pairs that the paired test compares."""
    values = {c: per_seed(rows, c, "accuracy") for c in configurations(rows)}
    everyone = sorted({seed for of_one in values.values() for seed in of_one})
    if not everyone:
        return None
    gain = relative_gain(rows)
    test = f" Two-sided paired t-test, n = {len(gain.by_seed)}: {p_text(gain.p)}." if gain and not isnan(gain.p) else ""
    figure = slide(
        _seeds_title(rows),
        "Test accuracy of every run, mean over the four modalities; a row is one seed. "
        f"Right: heterogeneous relative to homogeneous.{test}",
        "Dots of test accuracy, a row for each seed",
        right=190,
    )
    for i, seed in enumerate(everyone):
        mine = sorted((100 * of_one[seed], c) for c, of_one in values.items() if seed in of_one)
        figure.add_scatter(
            x=[v for v, _ in mine], y=[i] * len(mine), mode="lines", line={"color": RULE, "width": 6},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        for j, (value, c) in enumerate(mine):
            above = j != 1 or len(mine) < 3  # the middle one's label below, so that near neighbours stay legible
            name = f"<b>{c}</b><br>" if i == 0 else ""
            text = f"{name}<b>{value:.1f} %</b>" if above else f"<b>{value:.1f} %</b>" + (f"<br><b>{c}</b>" * (i == 0))
            figure.add_annotation(
                x=value, y=i, text=text, font={"color": colour(c)}, showarrow=False,
                yanchor="bottom" if above else "top", yshift=15 if above else -15,
                name="label",
            )  # fmt: skip
        if gain and seed in gain.by_seed:
            figure.add_annotation(
                x=1, xref="paper", y=i, text=f"<b>{100 * gain.by_seed[seed]:+.0f} %</b>", font={"size": 30},
                xanchor="left", xshift=36, showarrow=False,
            )  # fmt: skip
    for c, of_one in values.items():
        figure.add_scatter(
            x=[100 * v for v in of_one.values()],
            y=[everyone.index(seed) for seed in of_one],
            mode="markers",
            marker={"size": 26, "color": colour(c), "symbol": MARKERS[c], "line": {"color": PAPER, "width": 2}},
            name=c,
            hovertemplate="%{x:.1f} %",
        )
    every = [100 * v for of_one in values.values() for v in of_one.values()]
    room = max(2.0, 0.14 * (max(every) - min(every)))
    figure.update_xaxes(range=[min(every) - room, max(every) + room], ticksuffix=" %", showgrid=True)
    figure.update_yaxes(
        tickvals=list(range(len(everyone))),
        ticktext=[f"<b>seed {seed}</b>  " for seed in everyone],
        tickfont={"size": TEXT, "color": INK},
        range=[len(everyone) - 0.4, -0.65],
        showgrid=False,
    )
    figure.update_layout(margin={"l": 160})
    return figure


def _seeds_title(rows: Rows) -> str:
    gain = relative_gain(rows)
    if not gain:
        return f"Accuracy of {' and '.join(configurations(rows))} experts by seed"
    gains = gain.by_seed.values()
    ahead = sum(g > 0 for g in gains)
    low, high = (f"{100 * g:+.0f} %" for g in (min(gains), max(gains)))
    size = f"{low} to {high}" if low != high else low
    n = f"{len(gains)} seed{'s' * (len(gains) > 1)}"
    return f"Heterogeneous experts are ahead of homogeneous ones in {ahead} of {n}, by {size} (relative)"


def radar(rows: Rows, curves: Rows) -> go.Figure | None:
    """Test accuracy of the modalities as a radar chart."""
    shapes: dict[str, list[float]] = {}
    for c in configurations(rows):
        known = [s for m in MODALITIES if (s := summary(rows, c, m))]
        if len(known) == len(MODALITIES):
            shapes[c] = [100 * s.mean for s in known]
    if not shapes:
        return None
    figure = slide(
        _radar_title(shapes),
        f"Test accuracy by modality, mean over the seeds, whole test sets. {_n(rows)}. Centre: 0 %; dotted: chance.",
        "Radar chart of test accuracy with an axis for each modality",
    )
    around = [*MODALITIES, MODALITIES[0]]
    figure.add_scatterpolar(
        r=[CHANCE] * 5,
        theta=around,
        mode="lines",
        line={"color": INK, "width": 2, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    for c, values in sorted(shapes.items(), key=lambda item: -sum(item[1])):  # the largest first, so none is covered
        figure.add_scatterpolar(
            r=[*values, values[0]],
            theta=around,
            mode="lines+markers",
            line={"color": colour(c), "width": 4},
            marker={"size": 12, "symbol": MARKERS[c]},
            name=f"<b>{c}</b>",
            hovertemplate="%{theta}: %{r:.1f} %",
        )
    quiet = {"size": SMALL, "color": QUIET}
    figure.update_polars(
        radialaxis={
            "range": [0, 100], "tickvals": [25, 50, 75, 100], "ticktext": ["", "50 %", "75 %", "100 %"],
            "angle": 45, "tickangle": 45, "ticksuffix": " %", "tickfont": quiet, "gridcolor": RULE, "linecolor": RULE,
            "ticks": "",
        },
        angularaxis={
            "rotation": 90, "direction": "clockwise", "gridcolor": RULE, "linecolor": RULE, "ticks": "",
            "tickvals": list(MODALITIES), "ticktext": [f"<b>{m}</b><br>{SOURCES[m]}" for m in MODALITIES],
            "tickfont": {"size": SMALL, "color": INK},
        },
        bgcolor=PAPER,
        domain={"x": [0.12, 0.72], "y": [0.02, 0.88]},
    )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"x": 0.78, "y": 0.5, "yanchor": "middle", "font": {"size": TEXT}, "itemwidth": 40},
        margin={"l": 48, "b": 48},
    )
    return figure


def _radar_title(shapes: dict[str, list[float]]) -> str:
    """What each configuration is worst at."""
    weakest = {c: min(zip(v, MODALITIES, strict=True)) for c, v in shapes.items()}
    if len({m for _, m in weakest.values()}) == 1:
        shared = next(iter(weakest.values()))[1]
        return f"The weakest modality is {shared}: " + ", ".join(f"{c}{NBSP}{v:.0f} %" for c, (v, _) in weakest.items())
    return "The weakest modality: " + ", ".join(f"{c} {v:.0f} % ({m})" for c, (v, m) in weakest.items())


def routing_weights(rows: Rows, curves: Rows) -> go.Figure | None:
    """Mean routing weight of each expert for each modality, for the configurations with different experts."""
    tables = {c: t for c in ("heterogeneous", "hybrid") if (t := routing(rows, c))}
    if not tables:
        return None
    figure = slide(
        _routing_title(tables),
        "Mean routing weight over the whole test sets, and over the seeds; a row adds up to 100 %, equal shares would "
        f"be 25 %. Framed: the modality's own expert. {_n(rows)}.",
        "Heat maps of routing weight, modality by expert, one for each configuration",
        panels=list(tables),
    )
    for panel, table in enumerate(tables.values(), 1):
        routing_map(figure, table, panel)
    return figure


def _routing_title(tables: dict[str, dict[str, dict[str, float]]]) -> str:
    configuration, table = next(iter(tables.items()))
    weight, most, modalities = own_expert(table)
    return (
        f"In {configuration} models a modality's own expert gets {weight:.0f} % of the weight on average, "
        f"the largest share in {most} of {modalities} modalities"
    )


FIGURES: dict[str, Callable[[Rows, Rows], go.Figure | None]] = {
    "training_curves": training_curves,
    "by_modality": by_modality,
    "overall": overall,
    "by_seed": by_seed,
    "radar": radar,
    "routing_weights": routing_weights,
}


def _percent(rows: Rows, configuration: str) -> str:
    accuracy = summary(rows, configuration)
    return f"{100 * accuracy.mean:.1f} %" if accuracy else "–"


def _n(rows: Rows, spread: str = "") -> str:
    return count({c: seeds(rows, c) for c in configurations(rows)}, spread)
