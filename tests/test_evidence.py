"""What the evidence tab is given: the file as it is, or a sentence that says what to do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hetmoe.demo.colours import CONFIGURATION_COLOURS, GREYS, VERDICT_COLOURS, on_dark
from hetmoe.demo.evidence import PLOTLY, SECTIONS, VERDICTS, read_evidence

Evidence = dict[str, Any]

EVIDENCE: Evidence = {
    "claims": [
        {
            "claim": "A beats B",
            "source": "1",
            "verdict": verdict,
            "measured": "2 to 1",
            "command": "make",
            "rule": "A > B",
        }
        for verdict in VERDICTS
    ],
    "questions": [{"question": "Why?", "answer": "Because.", "rule": "Ours."}],
    "figures": [
        {
            "name": name,
            "section": name,
            "title": "A is ahead",
            "subtitle": "n = 2",
            "alt": "Bars. A is ahead.",
            "figure": {"data": [], "layout": {}},
            "narrow": {},
        }
        for name in SECTIONS
    ],
}


def write(path: Path, evidence: object) -> Path:
    path.write_text(json.dumps(evidence), encoding="utf-8")
    return path


def test_reads_claims_questions_and_figures_in_their_order(tmp_path: Path) -> None:
    file = write(tmp_path / "evidence.json", EVIDENCE | {"made_from": {"realdata.csv": "1 row"}})
    assert read_evidence(file) == EVIDENCE


def test_without_the_file_says_which_command_makes_it(tmp_path: Path) -> None:
    shown = read_evidence(tmp_path / "evidence.json")
    assert list(shown) == ["message"]
    assert "python -m training report" in shown["message"]


DAMAGES: dict[str, Callable[[Evidence], object]] = {
    "no object": lambda e: [e],
    "a part is missing": lambda e: {key: e[key] for key in ("claims", "questions")},
    "a part is no list": lambda e: e | {"questions": 3},
    "a key is missing": lambda e: e | {"questions": [{"question": "Why?"}]},
    "not a text": lambda e: e | {"questions": [{"question": "Why?", "answer": 42, "rule": "Ours."}]},
    "unknown verdict": lambda e: e | {"claims": [e["claims"][0] | {"verdict": "maybe"}]},
    "unknown section": lambda e: e | {"figures": [e["figures"][0] | {"section": "other"}]},
    "a figure without data": lambda e: e | {"figures": [e["figures"][0] | {"figure": {"layout": {}}}]},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_a_sentence(tmp_path: Path, damage: Callable[[Evidence], object]) -> None:
    shown = read_evidence(write(tmp_path / "evidence.json", damage(EVIDENCE)))
    assert list(shown) == ["message"]
    assert "evidence.json is damaged" in shown["message"]
    assert "python -m training report" in shown["message"]


@pytest.mark.parametrize("content", [b"", b'{"claims": [', b"\xff\xfe\x00"])
def test_a_file_cut_short_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "evidence.json"
    file.write_bytes(content)
    assert "damaged" in read_evidence(file)["message"]


def test_plotlys_script_is_the_packages_own() -> None:
    assert PLOTLY.name == "plotly.min.js"
    assert "plotly" in PLOTLY.read_text(encoding="utf-8")[:100]


def test_every_colour_of_a_figure_has_one_on_dark() -> None:
    assert on_dark()[GREYS["paper"][0]] == GREYS["paper"][1]
    assert on_dark()[CONFIGURATION_COLOURS["hybrid"][0]] == CONFIGURATION_COLOURS["hybrid"][1]
    assert set(VERDICT_COLOURS) == set(VERDICTS)
