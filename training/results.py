"""Results: one tidy CSV per experiment, appended run by run; every table and figure is computed from it.

Columns: experiment, family, configuration, budget, seed, modality, metric, value. Accuracies and weights are fractions;
the modality `all` is the whole (for accuracy: the mean over the four). Curves have the same columns and `epoch`.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from training.loop import write_text

RESULTS = Path(__file__).parent / "results"
RUN_COLUMNS = ("experiment", "family", "configuration", "budget", "seed")
COLUMNS = (*RUN_COLUMNS, "modality", "metric", "value")
CURVE_COLUMNS = (*RUN_COLUMNS, "epoch", "modality", "metric", "value")

Row = dict[str, str]


class ResultsError(Exception):
    """A results file that cannot be used. The message names it and says why."""


class Run(NamedTuple):
    """What identifies a run; all as text, as in the files."""

    experiment: str
    family: str
    configuration: str
    budget: str
    seed: str


class Summary(NamedTuple):
    mean: float
    sd: float  # over seeds, ddof = 1; nan for a single seed
    n: int


def read(path: Path, columns: tuple[str, ...] = COLUMNS) -> list[Row]:
    """The rows of a results file, none if it does not exist. Raises ResultsError if it is another kind of file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            found, rows = reader.fieldnames, list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ResultsError(f"{path} is damaged ({error}); please move it away") from error
        if tuple(found or ()) != columns:
            raise ResultsError(f"{path} has the columns {found}, not {list(columns)}; please move it away")
        if any(None in (*row, *row.values()) for row in rows):
            raise ResultsError(f"{path} is damaged (a row is too long or too short); please move it away")
        return rows


def replace_run(path: Path, run: Run, rows: Iterable[Row], columns: tuple[str, ...] = COLUMNS) -> None:
    """Puts one whole run's rows into a results file, in place of an earlier run of the same identity."""
    others = [row for row in read(path, columns) if run_of(row) != run]
    mine: list[Row] = [{**run._asdict(), **row} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    ordered: list[Row] = sorted(others + mine, key=run_of)  # stable: rows keep their order within a run
    writer.writerows(ordered)
    write_text(path, text.getvalue())


def row(modality: str, metric: str, value: float) -> Row:
    """One measurement, without the columns of its run."""
    return {"modality": modality, "metric": metric, "value": str(value)}


def run_of(row: Row) -> Run:
    """The identity of the run that a row belongs to."""
    return Run(*(row[column] for column in RUN_COLUMNS))


def of_family(rows: list[Row], family: str) -> list[Row]:
    """The rows of one family of models."""
    return [row for row in rows if row["family"] == family]


def per_seed(rows: list[Row], configuration: str, metric: str, modality: str = "all") -> dict[int, float]:
    """Seed -> value."""
    wanted = (configuration, metric, modality)
    return {
        int(r["seed"]): float(r["value"]) for r in rows if (r["configuration"], r["metric"], r["modality"]) == wanted
    }


def summarise(values: Iterable[float]) -> Summary:
    """Mean and standard deviation (ddof = 1)."""
    x = np.array(list(values))
    return Summary(float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else float("nan"), len(x))


def paired_p(first: dict[int, float], second: dict[int, float]) -> float:
    """Two-sided p of a paired t-test over the seeds that both have; nan for fewer than two."""
    seeds = sorted(first.keys() & second.keys())
    if len(seeds) < 2:
        return float("nan")
    return float(stats.ttest_rel([first[s] for s in seeds], [second[s] for s in seeds]).pvalue)
