"""Results files are replaced run by run; statistics over seeds by hand."""

import csv
import math

import numpy as np
import pytest
from scipy import stats

from training.results import (
    COLUMNS,
    CURVE_COLUMNS,
    ResultsError,
    Row,
    Run,
    Summary,
    paired_p,
    per_seed,
    read,
    replace_run,
    summarise,
)


def run(seed: int, configuration: str = "hybrid", family: str = "replica") -> Run:
    return Run("realdata", family, configuration, "223000", str(seed))


def rows(*values: float, metric: str = "accuracy") -> list[Row]:
    return [{"modality": f"m{i}", "metric": metric, "value": str(value)} for i, value in enumerate(values)]


# Statistics


def test_mean_and_standard_deviation_by_hand():
    """Fault 4 of the original: ddof = 0. With ddof = 1: squares 0.01 + 0 + 0.01 over 2, root 0.1."""
    summary = summarise([0.5, 0.6, 0.7])
    assert summary.mean == pytest.approx(0.6)
    assert summary.sd == pytest.approx(0.1)
    assert summary.n == 3


def test_a_single_seed_has_no_deviation():
    assert summarise([0.5])[:1] == (0.5,)
    assert math.isnan(summarise([0.5]).sd)
    assert summarise(iter([0.25, 0.25])) == Summary(0.25, 0.0, 2)


def test_paired_p_by_hand():
    """Differences 1, 2, 3: mean 2, sd 1, t = 2 / (1 / √3) = 3.4641. For two degrees of freedom the two-sided p is
    1 - t / √(t² + 2) = 1 - 3.4641 / √14 = 0.074180."""
    first, second = {42: 11.0, 123: 22.0, 456: 33.0}, {42: 10.0, 123: 20.0, 456: 30.0}
    assert paired_p(first, second) == pytest.approx(0.074180, abs=1e-6)
    assert paired_p(second, first) == pytest.approx(0.074180, abs=1e-6)


def test_paired_p_pairs_by_seed_and_uses_those_that_both_have():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 5), rng.normal(1, 1, 5)
    seeds = (5, 3, 1, 4, 2)
    first = {**dict(zip(seeds, x, strict=True)), 77: 100.0}
    second = {-1: 100.0, **dict(reversed(list(zip(seeds, y, strict=True))))}
    assert paired_p(first, second) == pytest.approx(stats.ttest_rel(x, y).pvalue)
    assert paired_p(first, second) != pytest.approx(stats.ttest_ind(x, y).pvalue)


@pytest.mark.parametrize(("first", "second"), [({}, {}), ({1: 0.5}, {1: 0.6}), ({1: 0.5, 2: 0.5}, {3: 0.6, 4: 0.6})])
def test_fewer_than_two_pairs_have_no_p(first, second):
    assert math.isnan(paired_p(first, second))


def test_per_seed(tmp_path):
    path = tmp_path / "results.csv"
    for seed in (42, 123):
        replace_run(path, run(seed), rows(seed / 1000, 0.5))
        replace_run(path, run(seed, "homogeneous"), rows(0.1, 0.2))
        replace_run(path, run(seed), [*rows(seed / 1000, 0.5), *rows(9, metric="seconds")])
    assert per_seed(read(path), "hybrid", "accuracy", "m0") == {42: 0.042, 123: 0.123}
    assert per_seed(read(path), "hybrid", "seconds", "m0") == {42: 9, 123: 9}
    assert per_seed(read(path), "hybrid", "accuracy") == {}  # of modality "all"


# The file


def test_rows_come_back_with_all_columns(tmp_path):
    path = tmp_path / "new" / "results.csv"
    replace_run(path, run(42), rows(0.1, 0.2))
    assert path.read_text() == (
        "experiment,family,configuration,budget,seed,modality,metric,value\n"
        "realdata,replica,hybrid,223000,42,m0,accuracy,0.1\n"
        "realdata,replica,hybrid,223000,42,m1,accuracy,0.2\n"
    )
    assert [tuple(row) for row in read(path)] == [COLUMNS] * 2


def test_a_run_is_replaced_whole_and_others_stay(tmp_path):
    path = tmp_path / "results.csv"
    others = [run(42, "homogeneous"), run(123), run(42, family="other")]
    for other in others:
        replace_run(path, other, rows(0.7, 0.8))
    replace_run(path, run(42), rows(0.1, 0.2, 0.3))
    replace_run(path, run(42), rows(0.4))
    values: dict[tuple[str, ...], list[str]] = {}
    for row in read(path):
        values.setdefault((row["family"], row["configuration"], row["seed"]), []).append(row["value"])
    assert values == {
        ("replica", "hybrid", "42"): ["0.4"],
        **{(other.family, other.configuration, other.seed): ["0.7", "0.8"] for other in others},
    }


def test_the_file_does_not_depend_on_the_order_of_runs(tmp_path):
    for name, seeds in (("a", (42, 123, 456)), ("b", (456, 42, 123))):
        for seed in seeds:
            replace_run(tmp_path / name, run(seed), rows(seed, 0.2))
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_every_bit_of_a_value_comes_back(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 2 / 3]
    replace_run(tmp_path / "a", run(1), rows(*values))
    assert [float(row["value"]) for row in read(tmp_path / "a")] == values


def test_curves_have_an_epoch(tmp_path):
    lines = [{"epoch": str(i), **row} for i in range(2) for row in rows(0.5)]
    replace_run(tmp_path / "curves.csv", run(1), lines, CURVE_COLUMNS)
    assert [row["epoch"] for row in read(tmp_path / "curves.csv", CURVE_COLUMNS)] == ["0", "1"]


def test_no_file_has_no_rows(tmp_path):
    assert read(tmp_path / "gone.csv") == []


@pytest.mark.parametrize("content", ["", "seed,value\n1,2\n", ",".join(reversed(COLUMNS)) + "\n", "not a table"])
def test_a_file_with_other_columns_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "results.csv"
    path.write_text(content)
    for action in (lambda: read(path), lambda: replace_run(path, run(1), rows(0.5))):
        with pytest.raises(ResultsError, match=r"results\.csv has the columns .*, not \['experiment'.* move it away"):
            action()
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (b"realdata,replica,hybrid,2230", "a row is too long or too short"),
        (b"realdata,replica,hybrid,223000,1,all,accuracy,0.5,0.6\n", "a row is too long or too short"),
        (b"\xff\xfe", "can't decode"),
        (b'"' + 200_000 * b"x", "field limit"),
    ],
)
def test_a_damaged_file_is_said_and_left_alone(tmp_path, tail, why):
    path = tmp_path / "results.csv"
    replace_run(path, run(1), rows(0.5))
    path.write_bytes(path.read_bytes() + tail)
    before = path.read_bytes()
    for action in (lambda: read(path), lambda: replace_run(path, run(2), rows(0.5))):
        with pytest.raises(ResultsError, match=rf"results\.csv is damaged \(.*{why}.*\); please move it away"):
            action()
    assert path.read_bytes() == before


def test_a_row_with_an_unknown_column_leaves_the_file_alone(tmp_path):
    path = tmp_path / "results.csv"
    replace_run(path, run(1), rows(0.5))
    before = path.read_text()
    with pytest.raises(ValueError, match="epoch"):
        replace_run(path, run(2), [{"epoch": "1", **rows(0.5)[0]}])
    assert path.read_text() == before


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    replace_run(path, run(1), rows(0.5))
    before = path.read_text()
    with monkeypatch.context() as patch:

        def half(part, content):
            with part.open("wb") as file:
                file.write(content[:30])
            raise OSError("no space left on device")

        patch.setattr("pathlib.Path.write_bytes", half)
        with pytest.raises(OSError, match="no space"):
            replace_run(path, run(2), rows(0.6))
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]
    replace_run(path, run(2), rows(0.6))
    assert {row["seed"] for row in csv.DictReader(path.open())} == {"1", "2"}
