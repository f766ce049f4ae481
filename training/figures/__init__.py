"""Every figure of the results, drawn from the results files alone. One that the rows do not suffice for is left out."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import plotly.graph_objects as go

from training.figures import audit, controls, frontier, realdata, synthetic
from training.report.comparison import Results
from training.results import ResultsError
from training.slide import to_page, write_pngs

Section = Literal["realdata", "synthetic", "controls", "frontier", "audit"]


class Drawn(NamedTuple):
    section: Section
    figure: go.Figure
    alt: str  # what it shows and says, for those who cannot see it


def all_figures(results: Results) -> dict[str, Drawn]:
    """Name -> figure, in the order in which they are told."""
    sections: dict[Section, dict[str, go.Figure | None]] = {
        "realdata": {name: draw(results.realdata, results.realdata_curves) for name, draw in realdata.FIGURES.items()},
        "synthetic": {
            name: draw(results.synthetic, results.synthetic_curves) for name, draw in synthetic.FIGURES.items()
        },
        "controls": {name: draw(results.controls, results.controls_curves) for name, draw in controls.FIGURES.items()},
        "frontier": {name: draw(results.frontier, results.realdata) for name, draw in frontier.FIGURES.items()},
        "audit": {name: draw(results.audit) for name, draw in audit.FIGURES.items()},
    }
    return {
        name: Drawn(section, figure, figure.layout.meta["alt"])
        for section, figures in sections.items()
        for name, figure in figures.items()
        if figure is not None
    }


def page_figures(results: Results) -> list[dict[str, Any]]:
    """Every figure as plain JSON: its name, its section, and what `to_page` says."""
    return [
        {"name": name, "section": drawn.section, **to_page(drawn.figure)}
        for name, drawn in all_figures(results).items()
    ]


def write_figures(results: Path, output: Path) -> list[Path]:
    """Draws every figure that the files in `results` suffice for into `output`/NAME.png.

    Returns the files. Raises ResultsError if there are no results, CannotDraw if kaleido or a browser is missing.
    """
    drawn = {output / f"{name}.png": one.figure for name, one in all_figures(Results.load(results)).items()}
    if not drawn:
        raise ResultsError(f"{results} has no results: run `python -m training realdata` first")
    write_pngs(drawn)
    return list(drawn)
