"""All results together, and paired comparisons over the seeds."""

from pathlib import Path
from typing import NamedTuple

from training.results import COLUMNS, CURVE_COLUMNS, RESULTS, Row, read


class Results(NamedTuple):
    """The rows of all experiments. Each field is that of the file of its name; none for a file that is not there."""

    realdata: list[Row]
    realdata_curves: list[Row]
    synthetic: list[Row]  # the experiments "synthetic" and "synthetic long"
    synthetic_curves: list[Row]
    controls: list[Row]
    controls_curves: list[Row]
    audit: list[Row]

    @classmethod
    def load(cls, folder: Path = RESULTS) -> "Results":
        """Raises ResultsError if a file has other columns than it should."""
        columns = {name: CURVE_COLUMNS if name.endswith("_curves") else COLUMNS for name in cls._fields}
        return cls(*(read(folder / f"{name}.csv", columns[name]) for name in cls._fields))
