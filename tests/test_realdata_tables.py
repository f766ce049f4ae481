"""The real-data tables say what the results file says."""

from pathlib import Path

import pytest

from tests.results import ACCURACY, write_results
from training.report.findings import PAPER_ACCURACY, relative_gain
from training.report.realdata_tables import airplane_text, gain_text, realdata_report, realdata_table, routing_table
from training.results import Row, read


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return read(write_results(tmp_path) / "realdata.csv")


def cells(table: str, first: str) -> list[str]:
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_table(rows: list[Row]) -> None:
    table = realdata_table(rows)
    by_modality = ["61.00 ± 1.00", "51.00 ± 1.00", "61.00 ± 1.00", "95.00 ± 1.00"]
    expected = ["67.00 ± 1.00 (n = 3)", *by_modality, "222,999", "4.00 M", "53.46 ± 0.44 %"]
    assert cells(table, "heterogeneous") == ["heterogeneous", *expected]
    assert cells(table, "homogeneous")[-1] == "39.02 ± 0.38 %"
    assert cells(table, "hybrid")[-1] == "48.63 ± 0.93 %"
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1


def test_gain(rows: list[Row]) -> None:
    gain = relative_gain(rows)
    assert gain
    assert gain.mean == pytest.approx(0.67 / 0.46 - 1)
    assert gain.by_seed == pytest.approx({42: 0.66 / 0.45 - 1, 123: 0.67 / 0.47 - 1, 456: 0.68 / 0.46 - 1})
    text = gain_text(rows)
    assert "+45.7 % in the mean (the paper's figures give +37.0 %)" in text
    assert "+46.7 % (seed 42), +42.6 % (seed 123), +47.8 % (seed 456)" in text
    assert "p < 0.001, n = 3" in text
    assert "Relative to hybrid, heterogeneous accuracy is +7.2 % in the mean (the paper's figures give +9.9 %)" in text


def test_gain_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    write_results(tmp_path, {"homogeneous": ACCURACY["homogeneous"]}, seeds=(42, 123))
    write_results(tmp_path, {"heterogeneous": ACCURACY["heterogeneous"]})
    gain = relative_gain(read(tmp_path / "realdata.csv"))
    assert gain
    assert list(gain.by_seed) == [42, 123]


def test_routing(rows: list[Row]) -> None:
    table = routing_table(rows)
    assert "| heterogeneous: input | spatial | temporal | spectral | relational |" in table
    assert "| hybrid: input | ffn | spatial | temporal | spectral |" in table
    assert "| relational | 40.0 | 30.0 | 20.0 | 10.0 |" in table
    assert "airplane" not in table


def test_airplane(rows: list[Row]) -> None:
    text = airplane_text(rows)
    assert "55.0 % (heterogeneous, n = 3), 55.0 % (hybrid, n = 3)" in text
    assert "74.3 %" in text


def test_the_paper_is_quoted_as_it_is() -> None:
    for configuration, of_modality in PAPER_ACCURACY.items():
        parts = [value for modality, value in of_modality.items() if modality != "all"]
        if parts:  # its overall figure is the mean over the modalities, as ours
            assert sum(parts) / 4 == pytest.approx(of_modality["all"], abs=0.0006), configuration


@pytest.mark.parametrize("names", [["homogeneous"], ["heterogeneous"], ["hybrid"], ["homogeneous", "heterogeneous"]])
def test_a_single_seed(names: list[str], tmp_path: Path) -> None:
    folder = write_results(tmp_path, {name: ACCURACY[name] for name in names}, seeds=(42,))
    text = realdata_report(read(folder / "realdata.csv"))
    assert "± – (n = 1)" in text
    assert "nan" not in text


def test_no_rows() -> None:
    assert "nan" not in realdata_report([])
