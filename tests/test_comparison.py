"""Comparisons over the seeds, with values worked out by hand."""

from math import isnan, log
from pathlib import Path

import pytest
from scipy import stats

from tests.made_up import synthetic_rows
from tests.results import write_results
from training.report.comparison import Results, estimate, mean_of, paired, relative, select, slopes, wilcoxon_floor
from training.results import ResultsError


def test_estimate_of_three_differences() -> None:
    e = estimate({1: 1, 2: 2, 3: 3})
    assert e
    assert e.mean == 2
    assert e.d == 2  # sd 1
    half = 4.302653 / 3**0.5  # Student's t at 97.5 %, two degrees of freedom
    assert (e.low, e.high) == pytest.approx((2 - half, 2 + half))
    assert e.p == pytest.approx(0.0741799)  # t = 2·√3
    assert e.wilcoxon == 0.25
    assert (e.n, e.wins) == (3, 3)


def test_p_is_that_of_the_paired_test() -> None:
    first, second = {1: 0.61, 2: 0.63, 3: 0.60, 4: 0.66}, {1: 0.58, 2: 0.64, 3: 0.57, 4: 0.61}
    e = estimate(paired(first, second))
    assert e
    assert e.p == pytest.approx(stats.ttest_rel(list(first.values()), list(second.values())).pvalue)
    assert e.wins == 3


@pytest.mark.parametrize(("n", "floor"), [(3, 0.25), (5, 0.0625)])
def test_wilcoxon_cannot_go_below_its_floor(n: int, floor: float) -> None:
    assert wilcoxon_floor(n) == floor
    e = estimate({seed: 1000.0 + seed for seed in range(n)})  # as clear as it gets
    assert e
    assert e.wilcoxon == floor
    assert e.p < 0.001


def test_a_single_seed_has_a_mean_and_nothing_else() -> None:
    e = estimate({7: 0.5})
    assert e
    assert e.mean == 0.5
    assert all(isnan(x) for x in (e.low, e.high, e.p, e.wilcoxon, e.d))
    assert estimate({}) is None


def test_only_shared_seeds_are_compared() -> None:
    first, second = {1: 3.0, 2: 5.0, 3: 8.0}, {2: 4.0, 3: 4.0, 9: 1.0}
    assert paired(first, second) == {2: 1, 3: 4}
    assert relative(first, second) == {2: 0.25, 3: 1}
    assert mean_of([first, second]) == {2: 4.5, 3: 6}


def test_slope_is_the_exponent_of_a_power_law() -> None:
    rows = synthetic_rows(lambda c, budget, seed, m: budget ** (-0.1 * seed), seeds=(1, 2))
    found = slopes(rows, "homogeneous", [100_000, 368_000, 690_000])
    assert found == pytest.approx({1: -0.1, 2: -0.2})


def test_slope_by_least_squares() -> None:
    errors = {100_000: 1.0, 200_000: 0.5, 368_000: 0.5}
    rows = synthetic_rows(lambda c, budget, seed, m: errors.get(budget, 1.0), seeds=(1,))
    x = [log(b) for b in errors]
    y = [log(e) for e in errors.values()]
    mx, my = sum(x) / 3, sum(y) / 3
    by_hand = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
    assert slopes(rows, "homogeneous", errors) == pytest.approx({1: by_hand})


def test_slope_leaves_out_seeds_without_all_budgets() -> None:
    rows = synthetic_rows(lambda *of: 1.0, seeds=(1, 2))
    rows = [r for r in rows if (r["seed"], r["budget"]) != ("2", "368000")]
    assert slopes(rows, "hybrid", [200_000, 368_000]).keys() == {1}
    assert slopes(rows, "hybrid", [200_000, 530_000]).keys() == {1, 2}


def test_select() -> None:
    rows = [*synthetic_rows(lambda *of: 1.0), *synthetic_rows(lambda *of: 1.0, long=True)]
    assert {r["experiment"] for r in select(rows, "synthetic")} == {"synthetic"}
    assert {(r["experiment"], r["budget"]) for r in select(rows, "synthetic long", 100_000)} == {
        ("synthetic long", "100000")
    }


def test_results_of_the_files_that_there_are(tmp_path: Path) -> None:
    write_results(tmp_path)
    results = Results.load(tmp_path)
    assert {r["experiment"] for r in results.realdata} == {"realdata"}
    assert "epoch" in results.realdata_curves[0]
    assert results.controls == results.synthetic == results.audit == []


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "controls.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"controls\.csv has the columns"):
        Results.load(tmp_path)
