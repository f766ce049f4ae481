"""The model card says what the results file and the checkpoints say."""

from dataclasses import replace
from pathlib import Path

import pytest

from hetmoe.checkpoint import Checkpoint
from hetmoe.config import CONFIGURATIONS
from tests.results import write_results
from tests.tiny import tiny_checkpoint
from training.report.card import DATA_SETS, card, write_card
from training.report.realdata_tables import gain_text, realdata_table
from training.results import ResultsError, Row, read

ROOT = Path(__file__).parents[1]


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return read(write_results(tmp_path) / "realdata.csv")


def checkpoint(configuration: str) -> Checkpoint:
    """As the real-data training saves it, untrained."""
    provenance = {
        "command": "python -m training realdata",
        "configuration": configuration,
        "seed": 42,
        "steps": 15_000,
        "commit": "0123456789abcdef+",
        "device": "cpu",
        "machine": "x86_64",
        "date": "2026-01-02",
        "data_fingerprint": next(iter(DATA_SETS)),
        "versions": {"torch": "2.11.0"},
    }
    return replace(tiny_checkpoint(configuration), provenance=provenance)


def test_card(rows: list[Row]) -> None:
    files = {f"replica-{name}.safetensors": checkpoint(name) for name in CONFIGURATIONS}
    text = card(rows, files)
    assert text.startswith("---\nlicense: mit\n")
    for name in files:
        assert text.count(f"`{name}`") == 2  # among the files and in the provenance
    assert "python -m training realdata --configurations hybrid --seeds 42\n" in text
    assert realdata_table(rows) in text
    assert gain_text(rows) in text
    assert "61 of 100 grey pictures (hardest: “truck”, 52)" in text
    assert "10,564 training" in text
    assert "Opus at about 34 kbit/s" in text
    assert "`0123456789ab+`" in text
    assert "$" not in text


def test_card_of_other_data_claims_nothing_about_them(rows: list[Row]) -> None:
    one = checkpoint("hybrid")
    text = card(
        rows, {"replica-hybrid.safetensors": replace(one, provenance={**one.provenance, "data_fingerprint": "f"})}
    )
    assert "10,564" not in text
    assert "Which recordings there were is not known." in text


def test_published_card_is_that_of_the_published_files() -> None:
    text = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    files = list((ROOT / "weights").glob("*.safetensors"))
    assert len(files) == len(CONFIGURATIONS)
    assert "is not known" not in text  # of the data: see DATA_SETS in training/report/card.py
    assert all(f"`{path.name}`" in text for path in files)
    assert realdata_table(read(ROOT / "training" / "results" / "realdata.csv")) in text


def test_card_needs_results_and_checkpoints(rows: list[Row], tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no checkpoints"):
        write_card(rows, tmp_path)
