"""Where an input lies among the test inputs, how far its answer is to be trusted, and whether it is foreign: as
`python -m training landscape` has measured it."""

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

LANDSCAPE = Path(__file__).parents[2] / "training" / "results" / "landscape.json"
REMEDY = "run “python -m training landscape”, then start this page again"


@dataclass(frozen=True)
class Scale:
    """How a configuration's answers to one modality are to be taken."""

    score: Callable[[Prediction], float] | None  # high for foreign inputs; None: in this modality nothing tells them
    threshold: float  # of the score: above it, an input is foreign


@dataclass(frozen=True)
class Landscape:
    """What the file says, or else only a message that says what to do.

    shown: what the panel draws: {family: {configuration: {"experts": [E], "modalities": {modality: {
        "routing": base64 of (n, E) uint8, 255 times the routing weights of the test inputs,
        "mean": [E] routing weights, "flagged": {kind of foreign input, or "test": share called foreign} or None}}}}}
    """

    shown: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[tuple[str, str, str], Scale] = field(default_factory=dict)  # by family, configuration and modality
    message: str | None = None

    def judge(self, family: str, configuration: str, prediction: Prediction) -> dict[str, Any]:
        """{"foreign": bool, or None where it is not known}"""
        scale = self.scales.get((family, configuration, prediction.modality))
        return {"foreign": scale and scale.score and bool(scale.score(prediction) > scale.threshold)}


def read_landscape(path: Path) -> Landscape:
    """The file written by training.landscape; without one, or with a damaged one, a Landscape that is a message."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        inputs, models = content["modalities"], content["models"]
        return Landscape(
            shown={
                "replica": {
                    configuration: {
                        "experts": [str(expert) for expert in model["experts"]],
                        "modalities": {m: _shown(inputs[m], model["modalities"][m]) for m in MODALITIES},
                    }
                    for configuration, model in models.items()
                }
            },
            scales={
                ("replica", configuration, m): _scale(inputs[m], model["modalities"][m])
                for configuration, model in models.items()
                for m in MODALITIES
            },
        )
    except FileNotFoundError:
        return Landscape(message=f"Where the test inputs lie has not been measured yet: {REMEDY}.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Landscape(message=f"The file {path.name} is damaged: {REMEDY}.")


def _shown(inputs: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """inputs, of: what the file says of a modality, and of a model's answers to it. Raises ValueError if they do not
    fit each other."""
    mean = [float(g) for g in of["mean_routing"]]
    if len(b64decode(of["routing"], validate=True)) != inputs["n"]["test"] * len(mean):
        raise ValueError("there are not as many routing weights as test inputs")
    by = _foreign_by(inputs, of)
    return {"routing": of["routing"], "mean": mean, "flagged": by and by["flagged"]}


def _scale(inputs: dict[str, Any], of: dict[str, Any]) -> Scale:
    by = _foreign_by(inputs, of)
    if by is None:
        return Scale(None, 0)
    usual = Usual(np.array(inputs["familiarity"]["mean"], float), np.array(inputs["familiarity"]["precision"], float))
    score = energy if inputs["foreign_by"] == "energy" else partial(unfamiliarity, usual=usual)
    return Scale(score, float(by["threshold"]))


def _foreign_by(inputs: dict[str, Any], of: dict[str, Any]) -> dict[str, Any] | None:
    """Where the file has the threshold of the score that is to tell a foreign input."""
    return {None: None, "familiarity": inputs["familiarity"], "energy": of["energy"]}[inputs["foreign_by"]]


def make_landscape(landscape: Landscape) -> gr.HTML:
    """The panel. What it draws is sent when it first comes near the screen, and so is Plotly's script."""

    def load_landscape(_: object) -> dict[str, Any]:
        return {"message": landscape.message, "models": landscape.shown}

    return gr.HTML(
        (ASSETS / "landscape.html").read_text(encoding="utf-8"),
        js_on_load=script("plotly", "landscape"),
        server_functions=[load_landscape],
        apply_default_css=False,
        plotly=f"gradio_api/file={PLOTLY.as_posix()}",
    )
