"""The model card says what the results file and the checkpoints say."""

from dataclasses import replace
from pathlib import Path

import pytest

from hetmoe.checkpoint import Checkpoint
from hetmoe.config import CONFIGURATIONS, ModelConfig
from hetmoe.encoding import FAMILIES, Family
from hetmoe.model import HetMoE
from tests.made_up import frontier_rows
from tests.results import write_results
from tests.tiny import tiny_checkpoint, tiny_config
from training.report.card import DATA_SETS, card, write_card
from training.report.comparison import Results
from training.report.frontier_tables import frontier_table, gap_text
from training.report.realdata_tables import gain_text, realdata_table
from training.results import ResultsError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results.load(write_results(tmp_path))


def checkpoint(configuration: str, family: Family = "replica") -> Checkpoint:
    """As the real-data training saves it, untrained."""
    provenance = {
        "command": f"python -m training {'realdata' if family == 'replica' else family}",
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
    return replace(tiny_checkpoint(configuration, family=family), provenance=provenance)


def test_card(results: Results) -> None:
    rows = results.realdata
    files = {f"replica-{name}.safetensors": checkpoint(name) for name in CONFIGURATIONS}
    text = card(results, files)
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
    assert "Not run yet: `python -m training frontier`." in text


def test_card_of_both_families(results: Results) -> None:
    names = ("heterogeneous", "homogeneous")
    files = {f"{f}-{c}.safetensors": checkpoint(c, f) for f in FAMILIES for c in names}
    one_expert = ModelConfig(tiny_config().experts[:1], routing="uniform")  # without a router
    provenance = checkpoint("hybrid", "frontier").provenance | {"configuration": "convolutional"}
    control = replace(checkpoint("hybrid", "frontier"), model=HetMoE(one_expert), provenance=provenance)
    files["frontier-convolutional.safetensors"] = control
    rows = frontier_rows({"heterogeneous": 0.85, "convolutional": 0.8})
    text = card(results._replace(frontier=rows), files)
    assert frontier_table(rows) in text and gap_text(rows) in text
    assert realdata_table(results.realdata) in text
    assert "python -m training frontier --configurations convolutional --seeds 42\n" in text
    assert "| `frontier-heterogeneous.safetensors` | 1.50 | 1.50 | 1.50 | 1.50 |" in text
    assert text.count("10,564 training") == 1
    assert "calibration error" not in text and "Calibration is not measured yet: `python -m training audit`." in text
    assert all(text.count(f"| `{name}` |") >= 2 for name in files)
    assert "$" not in text


def test_card_of_other_data_claims_nothing_about_them(results: Results) -> None:
    one = checkpoint("hybrid")
    text = card(
        results, {"replica-hybrid.safetensors": replace(one, provenance={**one.provenance, "data_fingerprint": "f"})}
    )
    assert "10,564" not in text
    assert "Which recordings there were is not known." in text


def test_published_card_is_that_of_the_published_files() -> None:
    text = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    files = list((ROOT / "weights").glob("*.safetensors"))
    assert len(files) >= len(CONFIGURATIONS)
    assert "is not known" not in text  # of the data: see DATA_SETS in training/report/card.py
    assert all(f"`{path.name}`" in text for path in files)
    assert realdata_table(Results.load().realdata) in text


def test_card_needs_results_and_checkpoints(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no checkpoints"):
        write_card(results, tmp_path / "weights")
