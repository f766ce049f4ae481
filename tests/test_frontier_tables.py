"""The frontier's tables, its question and its figure say what the rows say, with one seed or a control missing too."""

from pathlib import Path

import pytest

from tests.evaluations import RUN, repeated, rows_of
from tests.made_up import frontier_rows
from tests.results import write_results
from tests.test_claims import NOTHING
from training.audit.command import audit_table
from training.figures.frontier import by_modality
from training.report.comparison import Results
from training.report.document import report
from training.report.findings import summary
from training.report.frontier_tables import calibration_table, frontier_report, gap_text, goals_text
from training.report.questions import Question, questions
from training.report.realdata_tables import mean_sd
from training.results import Row, read, replace_run, run_of
from training.slide import NBSP

BETTER = {"heterogeneous": 0.85, "convolutional": 0.84, "hybrid": 0.83, "homogeneous": 0.6}


def question(rows: list[Row]) -> Question:
    return questions(NOTHING._replace(frontier=rows))[-1]


def title(rows: list[Row]) -> str:
    figure = by_modality(rows, [])
    assert figure
    return str(figure.layout.title.text).replace("<br>", " ").replace(NBSP, " ")


def test_a_mixture_that_beats_all() -> None:
    rows = frontier_rows(BETTER)
    text = frontier_report(rows)
    assert f"| heterogeneous | {mean_sd(summary(rows, 'heterogeneous'))} (n = 3) |" in text
    assert "The heterogeneous mixture beats its best control, convolutional: +1.0 points against convolutional" in text
    assert "| heterogeneous: input | spatial | temporal | spectral | relational |" in text
    answer = question(rows).answer
    assert answer.startswith("Yes, the mixture beats every control: accuracy of heterogeneous minus that of convol")
    assert "Muting an expert after training costs spatial +42.5 points" in answer
    assert "Not run yet" not in answer
    assert "+1.0 points against its best control, convolutional" in title(rows)


def test_a_mixture_that_does_not_is_said_plainly() -> None:
    rows = frontier_rows(BETTER | {"convolutional": 0.87})
    assert "does **not** beat its best control, convolutional: -2.0 points" in gap_text(rows)
    assert question(rows).answer.startswith("No, the mixture does not beat its best control, convolutional: ")
    assert "does not beat its best control, convolutional: -2.0 points" in title(rows)


def test_one_seed_and_controls_missing() -> None:
    rows = frontier_rows({c: BETTER[c] for c in ("heterogeneous", "convolutional")}, {"convolutional": (42,)})
    text = frontier_report(rows)
    assert "| convolutional |" in text and "± – (n = 1)" in text and "one seed)" in text
    answer = question(rows).answer
    assert answer.startswith("It looks so, but these seeds and controls do not settle it: ")
    assert "(one seed)" in answer and "Not run yet: hybrid, homogeneous. n = 1." in answer
    assert "nan" not in text + answer + title(rows)


@pytest.mark.parametrize("names", [[], ["heterogeneous"], ["homogeneous"], ["hybrid", "heterogeneous"]])
def test_without_the_control(names: list[str]) -> None:
    rows = frontier_rows({c: BETTER[c] for c in names})
    assert "Not answered yet: this needs `python -m training frontier" in question(rows).answer
    assert ("Not run yet: `python -m training frontier`." in frontier_report(rows)) == (not names)
    assert (by_modality(rows, []) is None) == ("heterogeneous" not in names)
    assert "nan" not in report(NOTHING._replace(frontier=rows))


def test_what_was_asked_for_and_missed() -> None:
    text = goals_text(frontier_rows({"heterogeneous": 0.85}))
    assert "asked for at least, it misses spectral (85.0 instead of 88.0 %), relational" in text
    assert "as an aim, it misses all (85.0 instead of 87.0 %), spatial" in text
    assert goals_text(frontier_rows({"heterogeneous": 0.99})).count("it misses nothing.") == 2


def test_calibration_before_and_after(tmp_path: Path) -> None:
    good, bad = repeated([0.9, 0.1], 75, 25), repeated([0.9, 0.1], 90, 10)  # 0.75 sure with the temperature
    of_frontier = RUN._replace(family="frontier")
    replace_run(tmp_path / "audit.csv", of_frontier, rows_of(good, temporal=bad))
    replace_run(tmp_path / "audit.csv", RUN, rows_of(bad))
    rows = read(tmp_path / "audit.csv")
    text = calibration_table(rows)
    assert "| heterogeneous | 15.0 → 0.0 | 0.0 → 15.0 | 15.0 → 0.0 | 15.0 → 0.0 |" in text
    assert "Too large: heterogeneous temporal (15.0 %)." in text
    assert calibration_table([row for row in rows if row["family"] == "replica"]) == ""
    whole = report(NOTHING._replace(audit=rows))
    assert text in whole
    for run in (of_frontier, RUN):
        assert audit_table([row for row in rows if run_of(row) == run]) in whole


def test_the_replica_is_told_as_if_there_were_no_frontier(tmp_path: Path) -> None:
    alone = Results.load(write_results(tmp_path))
    more = frontier_rows(BETTER)
    for run in {run_of(row) for row in more}:
        rows = [{key: row[key] for key in ("modality", "metric", "value")} for row in more if run_of(row) == run]
        replace_run(tmp_path / "realdata.csv", run, rows)
    both = Results.load(tmp_path)
    assert both._replace(frontier=[]) == alone
    assert len(both.frontier) == len(more)
    figure = by_modality(both.frontier, both.realdata)
    assert figure and len([trace for trace in figure.data if trace.showlegend]) == 5
