"""Where an input lies among the test inputs, and whether it is foreign: as `python -m training landscape` has measured
it."""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from hetmoe.analysis import energy
from hetmoe.demo.evidence import PLOTLY
from hetmoe.demo.theme import ASSETS, script
from hetmoe.encoding import MODALITIES
from hetmoe.familiarity import Usual, unfamiliarity
from hetmoe.inference import Prediction
from hetmoe.project import PROJECT

LANDSCAPE = PROJECT / "training" / "results" / "landscape.json"
REMEDY = "run “python -m training landscape”, then start this page again"


@dataclass(frozen=True)
class Scale:
    """How a model tells foreign inputs of one modality."""

    score: Callable[[Prediction], float]  # high for foreign inputs
    threshold: float  # of the score: above it, an input is foreign


@dataclass(frozen=True)
class Landscape:
    """What the file says, or else only a message that says what to do.

    shown: what the panel draws: {family: {configuration: {"experts": [4], "modalities": {modality: {
        "routing": base64 of (k, 4) uint8, 255 times the routing weights of the k test inputs to draw, of "n" in all,
        "mean": [4] routing weights, "flagged": {kind of foreign input, or "test": share called foreign} or None}}}}}
    scales: by family, configuration and modality; none where nothing tells foreign inputs
    """

    shown: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[tuple[str, str, str], Scale] = field(default_factory=dict)
    message: str | None = None

    def judge(self, family: str, configuration: str, prediction: Prediction) -> dict[str, bool | None]:
        """{"foreign": bool, or None where it is not known}"""
        scale = self.scales.get((family, configuration, prediction.modality))
        return {"foreign": bool(scale.score(prediction) > scale.threshold) if scale else None}


def read_landscape(path: Path) -> Landscape:
    """The file written by training.landscape; without one, or with a damaged one, a Landscape that is a message."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Landscape(
            shown={
                family: {
                    configuration: {
                        "experts": [str(expert) for expert in model["experts"]],
                        "modalities": {m: _shown(of["modalities"][m], model["modalities"][m]) for m in MODALITIES},
                    }
                    for configuration, model in of["models"].items()
                }
                for family, of in content["families"].items()
            },
            scales={
                (family, configuration, m): scale
                for family, of in content["families"].items()
                for configuration, model in of["models"].items()
                for m in MODALITIES
                if (scale := _scale(of["modalities"][m], model["modalities"][m]))
            },
        )
    except FileNotFoundError:
        return Landscape(message=f"Where the test inputs lie has not been measured yet: {REMEDY}.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Landscape(message=f"The file {path.name} is damaged: {REMEDY}.")


def _shown(inputs: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """inputs, of: what the file says of a modality, and of a model's answers to it. Raises ValueError if they do not
    fit each other."""
    mean, n = [float(g) for g in of["mean_routing"]], int(inputs["n"]["test"])
    if len(b64decode(of["routing"], validate=True)) % len(mean):
        raise ValueError("routing weights are missing")
    by = _foreign_by(inputs, of)
    return {"routing": of["routing"], "n": n, "mean": mean, "flagged": by and by["flagged"]}


def _scale(inputs: dict[str, Any], of: dict[str, Any]) -> Scale | None:
    by = _foreign_by(inputs, of)
    if by is None:
        return None
    usual = Usual(np.array(inputs["familiarity"]["mean"], float), np.array(inputs["familiarity"]["precision"], float))
    score = energy if inputs["foreign_by"] == "energy" else partial(unfamiliarity, usual=usual)
    return Scale(score, float(by["threshold"]))


def _foreign_by(inputs: dict[str, Any], of: dict[str, Any]) -> dict[str, Any] | None:
    """Where the file has the threshold of the score that is to tell a foreign input."""
    return {None: None, "familiarity": inputs["familiarity"], "energy": of["energy"]}[inputs["foreign_by"]]


def make_landscape(landscape: Landscape) -> gr.HTML:
    """The panel. What it draws is sent when it first comes near the screen, and so is Plotly's script."""

    def load_landscape(_: object) -> dict[str, Any]:
        return {"message": landscape.message, "families": landscape.shown}

    return gr.HTML(
        (ASSETS / "landscape.html").read_text(encoding="utf-8"),
        js_on_load=script("plotly", "landscape"),
        server_functions=[load_landscape],
        apply_default_css=False,
        plotly=f"gradio_api/file={PLOTLY.as_posix()}",
    )
