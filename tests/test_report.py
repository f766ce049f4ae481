"""The report is that of the results files, complete, and every command in it is one of ours."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import pytest

from hetmoe.checkpoint import save_checkpoint
from tests.made_up import about, control_rows, synthetic_rows
from tests.results import write_results
from tests.test_card import checkpoint
from training.__main__ import main, parse
from training.controls import CONTROLS
from training.figures import all_figures
from training.report.claims import claims
from training.report.comparison import Results
from training.report.document import evidence, report, write_report
from training.report.realdata_tables import realdata_table
from training.results import RESULTS, ResultsError, read


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All experiments but the audit."""

    def error(configuration: str, budget: int, seed: int, modality: str) -> float:
        return about(0.1, configuration, budget, seed, modality, within=0.1)

    def accuracy(configuration: str, seed: int, modality: str) -> float:
        return about(0.5, configuration, seed, modality, within=0.1)

    realdata = Results.load(write_results(tmp_path_factory.mktemp("results")))
    synthetic = [*synthetic_rows(error), *synthetic_rows(error, seeds=(1, 2, 3), long=True)]
    return realdata._replace(synthetic=synthetic, controls=control_rows(accuracy))


@pytest.fixture(scope="module")
def text(results: Results) -> str:
    return report(results)


def test_every_claim_has_its_row(results: Results, text: str) -> None:
    for claim in claims(results):
        assert (
            f"| {claim.claim} ({claim.source}) | **{claim.verdict}** | {claim.measured} | `{claim.command}` |" in text
        )
        assert f"- *{claim.claim}*: {claim.rule}" in text
    assert "**not measured**" not in text


def test_tables_are_whole(text: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_every_run_has_its_row(results: Results, text: str) -> None:
    for r in results.synthetic:
        if (r["modality"], r["metric"]) == ("all", "mse"):
            long = "--long " * (r["experiment"] == "synthetic long")
            name = f'"{r["configuration"]}"' if " " in r["configuration"] else r["configuration"]
            assert f"`python -m training synthetic {long}--configurations {name} --budgets {r['budget']}` |" in text
    for c in CONTROLS:
        assert re.search(rf'^\| {c} \|.*`python -m training controls --configurations "?{c}"?` \|$', text, re.MULTILINE)


def test_every_command_is_one_of_ours(text: str) -> None:
    commands = re.findall(r"`(python -m training[^`]*)`", text)
    assert len(commands) > 60
    for command in set(commands):
        parse(shlex.split(command)[3:])  # exits if it does not know them


def test_figures_are_those_that_are_drawn(results: Results, text: str) -> None:
    shown = re.findall(r"^!\[(.+)\]\(figures/(.+)\.png\)$", text, re.MULTILINE)
    assert sorted(name for _, name in shown) == sorted(all_figures(results))


def test_errors_of_a_budget_are_its_own(text: str) -> None:
    (line,) = re.findall(r"^\| 368K hybrid \|.*--configurations hybrid --budgets 368000` \|$", text, re.MULTILINE)[:1]
    values = [about(0.1, "hybrid", 368_000, seed, "all", within=0.1) for seed in range(1, 6)]
    assert f"| {sum(values) / 5:.4f} ±" in line
    assert "(n = 5)" in line
    assert "| 368,000 | 7.36 M |" in line


def test_no_results() -> None:
    nothing = report(Results([], [], [], [], [], [], [], []))
    assert "**holds**" not in nothing
    assert "nan" not in nothing


def test_evidence(tmp_path: Path) -> None:
    folder = write_results(tmp_path)
    write_report(folder)
    written = (folder / "evidence.json").read_bytes()
    assert len(written) < 1_000_000
    content = json.loads(written)
    assert content["claims"][0].keys() >= {"claim", "source", "verdict", "measured", "command"}
    assert [len(content[part]) > 0 for part in ("claims", "questions", "figures")] == [True] * 3
    assert content["made_from"].keys() == {"realdata.csv", "realdata_curves.csv"}
    assert content["made_from"]["realdata.csv"] == hashlib.sha256((folder / "realdata.csv").read_bytes()).hexdigest()
    write_report(folder)
    assert (folder / "evidence.json").read_bytes() == written


def test_report_without_results(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="run `python -m training realdata`"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_published_report_is_that_of_the_published_results() -> None:
    results = Results.load(RESULTS)
    assert (RESULTS / "REPORT.md").read_text(encoding="utf-8") == report(results), "run `python -m training report`"
    published = json.loads((RESULTS / "evidence.json").read_text(encoding="utf-8"))
    made = json.loads(evidence(results, published["made_from"]))
    assert {**published, "figures": len(published["figures"])} == {**made, "figures": len(made["figures"])}
    for name, fingerprint in published["made_from"].items():
        assert hashlib.sha256((RESULTS / name).read_bytes()).hexdigest() == fingerprint, name


def test_report_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--output", str(tmp_path)]) == 1
    assert "run `python -m training realdata`" in capsys.readouterr().err
    results = write_results(tmp_path / "training" / "results")
    save_checkpoint(tmp_path / "weights" / "replica-hybrid.safetensors", checkpoint("hybrid"))
    drawn: list[tuple[Path, Path]] = []

    def write_figures(results: Path, output: Path) -> list[Path]:
        drawn.append((results, output))
        return []

    monkeypatch.setattr("training.__main__.write_figures", write_figures)
    assert main(["report", "--output", str(tmp_path)]) == 0
    assert realdata_table(read(results / "realdata.csv")) in capsys.readouterr().out
    assert "replica-hybrid.safetensors" in (tmp_path / "weights" / "README.md").read_text(encoding="utf-8")
    assert drawn == [(results, results / "figures")]
    assert (results / "REPORT.md").read_text(encoding="utf-8") == report(Results.load(results))
    assert "claims" in json.loads((results / "evidence.json").read_text(encoding="utf-8"))
