"""The figure of the frontier family, None if the rows do not suffice for it.

Every number, and every claim in the title, is computed from the rows. Accuracies are test accuracies in per cent.
"""

from collections.abc import Callable

import plotly.graph_objects as go

from hetmoe.demo.colours import EXPERT_COLOURS
from hetmoe.encoding import MODALITIES
from training.figures.parts import MARKERS, SOURCES, Series, colour, count, dots, legend_above
from training.report.findings import summary
from training.report.frontier_tables import gaps, measured
from training.results import Row, per_seed
from training.slide import INK, SMALL, slide

Rows = list[Row]

# Of each configuration, its mark and colour
MARKS = {
    **{c: (symbol, colour(c)) for c, symbol in MARKERS.items()},
    "convolutional": ("pentagon", EXPERT_COLOURS["spatial"][0]),
}


def by_modality(rows: Rows, replica: Rows) -> go.Figure | None:
    """The mixture and its controls by modality, beside the replica's heterogeneous mixture."""
    names = measured(rows)
    if "heterogeneous" not in names:
        return None
    figure = slide(
        _title(rows),
        "Test accuracy by modality and over all, whole test sets: mean ± one standard deviation over the seeds; small "
        f"dots: the seeds. {count({c: sorted(per_seed(rows, c, 'accuracy')) for c in names})}.",
        "Dots of test accuracy by modality, for the frontier mixture, its controls and the paper's mixture",
        panels=[""],
    )
    series = [Series(c, MARKS[c][1], MARKS[c][0], _accuracies(rows, c)) for c in names]
    if per_seed(replica, "heterogeneous", "accuracy"):
        values = _accuracies(replica, "heterogeneous")
        series.append(Series("the paper's family, heterogeneous", colour("heterogeneous"), "circle-open", values))
    dots(figure, 1, series, lambda accuracy: f"{accuracy:.0f}")
    places = [*(f"<b>{m}</b><br>{SOURCES[m].split(',')[0]}" for m in MODALITIES), "<b>all</b>"]
    figure.update_xaxes(
        tickvals=list(range(len(places))), ticktext=places, tickfont={"size": SMALL, "color": INK},
        range=[-0.5, len(places) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(ticksuffix=" %")
    legend_above(figure)
    return figure


def _title(rows: Rows) -> str:
    by_control = gaps(rows)
    mixture = summary(rows, "heterogeneous")
    assert mixture
    reaches = f"The frontier mixture reaches {100 * mixture.mean:.1f} %"
    if not by_control:
        return reaches
    best, gap = next(iter(by_control.items()))
    points = 100 * sum(gap.values()) / len(gap)
    if points <= 0:
        return f"{reaches} and does not beat its best control, {best}: {points:+.1f} points"
    return f"{reaches}, {points:+.1f} points against its best control, {best}"


def _accuracies(rows: Rows, configuration: str) -> dict[int, dict[int, float]]:
    """Place on the axis -> seed -> accuracy in per cent."""
    return {
        i: {seed: 100 * a for seed, a in per_seed(rows, configuration, "accuracy", m).items()}
        for i, m in enumerate((*MODALITIES, "all"))
    }


FIGURES: dict[str, Callable[[Rows, Rows], go.Figure | None]] = {"frontier_by_modality": by_modality}
