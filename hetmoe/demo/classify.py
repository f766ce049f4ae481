"""From a file to what the page shows: plain functions, tested without a browser."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hetmoe import variations
from hetmoe.demo.landscape import Landscape
from hetmoe.demo.sources import open_source
from hetmoe.encoding import InputError
from hetmoe.inference import Prediction, Predictor
from hetmoe.variations import MODALITIES

NOTHING_MEASURED = Landscape()
# What an answer repeats of the value that it answers: its number in the page's order, which example, which variation.
ASKED = ("number", "example", "variation")


def encode(kind: str, source: Path | bytes) -> dict[str, np.ndarray]:
    """A file of a kind (picture, sound or digit) → modality → (1024,), for each modality it is seen as.

    Raises InputError if the file cannot be used.
    """
    return variations.encode(kind, variations.open_raw(kind, source))


def answer(
    predictors: Mapping[str, Predictor],
    kind: str,
    value: Any,
    landscape: Landscape = NOTHING_MEASURED,
) -> dict[str, Any]:
    """What an input component holds → what the page shows of it, by every configuration's model:

    {"inputs": [lane, …], "file": data URL of the input's raw form (a PNG or WAV file), "variation": None,
     "message": None}, or, if it cannot be classified, {"inputs": [], "variation": None, "message": a sentence that says
    what to do}; and in both cases "asked": what of the value says which answer this is. A lane is one modality:

    {"modality": str, "encoding": [float] * 1024, "labels": [str] * C,
     "models": {configuration: {"experts": [str] * E, "routing_weights": [float] * E, "expert_logits": E × C floats,
                                "calibration": float, "foreign": bool}}}

    calibration: the temperature by which to divide the mixture's logits for calibrated probabilities; foreign: whether
    the input looks like nothing the model was trained on, None where `landscape` does not know.

    Everything that a person then changes is mixed anew from these numbers, without asking again.

    If the value also has a key "variation", {"name": one of VARIATIONS, "strength": number in [0, 1]}, the answer's
    "variation" is {"inputs": [lane, …], "file": data URL} of the input changed like this, or, if that cannot be done,
    {"inputs": [], "message": sentence}.

    value: from the browser, so it may be anything; asked well, it is as `sources.open_source` explains
    """
    value = value if isinstance(value, dict) else {}
    asked = {key: value[key] for key in ASKED if key in value}
    try:
        raw = variations.open_raw(kind, open_source(kind, value))
    except InputError as error:
        return {"inputs": [], "variation": None, "message": str(error), "asked": asked}
    variation = value.get("variation")
    return {
        **_shown(predictors, kind, landscape, variations.Varied(raw, variations.encode(kind, raw))),
        "variation": None if variation is None else _variation(predictors, kind, landscape, raw, variation),
        "message": None,
        "asked": asked,
    }


def _variation(
    predictors: Mapping[str, Predictor], kind: str, landscape: Landscape, raw: np.ndarray, asked: Any
) -> dict[str, Any]:
    """asked: whatever the browser has sent"""
    try:
        varied = variations.vary(kind, raw, str(asked["name"]), float(asked["strength"]))
        return _shown(predictors, kind, landscape, varied)
    except InputError as error:
        message = str(error)
    except (TypeError, LookupError, ValueError, OverflowError):
        message = "There is no such experiment for this input. Please choose another one."
    return {"inputs": [], "message": message}


def _shown(
    predictors: Mapping[str, Predictor], kind: str, landscape: Landscape, varied: variations.Varied
) -> dict[str, Any]:
    by_configuration = {name: predictor.predict(varied.encodings) for name, predictor in predictors.items()}
    mime = "audio/wav" if kind == "sound" else "image/png"
    file = base64.b64encode(variations.as_file(kind, varied.raw)).decode()
    return {
        "inputs": [_lane(modality, by_configuration, landscape) for modality in MODALITIES[kind]],
        "file": f"data:{mime};base64,{file}",
    }


def _lane(modality: str, by_configuration: Mapping[str, dict[str, Prediction]], landscape: Landscape) -> dict[str, Any]:
    """Rounded: during a pen stroke it is sent many times a second."""
    predictions = {name: of[modality] for name, of in by_configuration.items()}
    any_of_them = next(iter(predictions.values()))
    return {
        "modality": modality,
        "encoding": any_of_them.encoding.astype(np.float64).round(4).tolist(),
        "labels": list(any_of_them.labels),
        "models": {
            name: {
                "experts": list(p.experts),
                "routing_weights": p.routing_weights.round(5).tolist(),
                "expert_logits": p.expert_logits.round(4).tolist(),
                "calibration": p.temperature,
                **landscape.judge("frontier", name, p),
            }
            for name, p in predictions.items()
        },
    }
