"""The evidence tab: the paper's claims, the questions and the figures, as `python -m training report` has left them."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from hetmoe.demo.colours import on_dark
from hetmoe.demo.theme import ASSETS, script
from hetmoe.project import PROJECT

EVIDENCE = PROJECT / "training" / "results" / "evidence.json"
PLOTLY = Path(str(files("plotly") / "package_data" / "plotly.min.js"))  # the one file served from outside this project
REMEDY = "run “python -m training report”, then start this page again"

VERDICTS = ("holds", "holds partly", "does not hold", "not measured")
SECTIONS = ("realdata", "synthetic", "controls", "frontier", "audit")

Needed = Mapping[str, "type | tuple[str, ...] | Needed"]  # key: its type, the values it may take, or keys in their turn

# part of the file: what each of its entries must have
PARTS: dict[str, Needed] = {
    "claims": {"claim": str, "source": str, "verdict": VERDICTS, "measured": str, "command": str, "rule": str},
    "questions": {"question": str, "answer": str, "rule": str},
    "figures": {
        "name": str,
        "section": SECTIONS,
        "title": str,
        "subtitle": str,
        "alt": str,
        "figure": {"data": list, "layout": dict},
        "narrow": dict,
    },
}


def read_evidence(path: Path) -> dict[str, Any]:
    """What the tab shows: {"claims": [...], "questions": [...], "figures": [...]} from the file, or, if there is
    none or it is damaged, {"message": a sentence that says what to do}.

    A figure has Plotly's data and layout at "figure", and at "narrow" the layout for a narrow screen.
    """
    try:
        evidence = json.loads(path.read_text(encoding="utf-8"))
        return {part: [_checked(entry, needed) for entry in evidence[part]] for part, needed in PARTS.items()}
    except FileNotFoundError:
        return {"message": f"The evidence has not been put together yet: {REMEDY}."}
    except (OSError, ValueError, KeyError, TypeError):
        return {"message": f"The file {path.name} is damaged: {REMEDY}."}


def _checked(entry: dict[str, Any], needed: Needed) -> dict[str, Any]:
    """The needed keys of an entry. Raises KeyError, TypeError or ValueError if it does not have them all."""
    kept = {}
    for key, kind in needed.items():
        kept[key] = value = entry[key]
        if isinstance(kind, Mapping):
            kept[key] = _checked(value, kind)
        elif not (isinstance(value, kind) if isinstance(kind, type) else value in kind):
            raise ValueError(f"{key} is {value!r}")
    return kept


def make_evidence(path: Path) -> gr.HTML:
    """The content of the tab. The file is read now; it and Plotly's script are sent when the tab is first opened."""
    evidence = read_evidence(path)

    def load_evidence(_: object) -> dict[str, Any]:
        return evidence

    return gr.HTML(
        html_template=(ASSETS / "evidence.html").read_text(encoding="utf-8"),
        js_on_load=script("plotly", "evidence.table", "evidence.plot", "evidence"),
        server_functions=[load_evidence],
        apply_default_css=False,
        plotly=f"gradio_api/file={PLOTLY.as_posix()}",
        on_dark=on_dark(),
    )
