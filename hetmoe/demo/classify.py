"""From a file to what the page shows: plain functions, tested without a browser."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hetmoe import variations
from hetmoe.demo.budget import FORMATS, room_for
from hetmoe.demo.landscape import Landscape
from hetmoe.demo.sources import open_source
from hetmoe.encoding import FAMILIES, Family, InputError
from hetmoe.inference import Prediction, Predictor
from hetmoe.variations import MODALITIES

NOTHING_MEASURED = Landscape()
Models = Mapping[Family, Mapping[str, Predictor]]  # by family and configuration
# What an answer repeats of the value that it answers: its number in the page's order, which example, which variation.
ASKED = ("number", "example", "variation")


def encode(kind: str, source: Path | bytes, family: Family) -> dict[str, np.ndarray]:
    """A file of a kind (picture, sound or digit) → modality → (1024,), for each modality it is seen as by the models of
    a family.

    Raises InputError if the file cannot be used.
    """
    return variations.encode(kind, _open(kind, source), family)


def _open(kind: str, source: Path | bytes) -> np.ndarray:
    with room_for(kind, source):
        return variations.open_raw(kind, source, FORMATS)  # as what its room was reckoned for, should it be two things


def named(family: Any) -> Family | None:
    """The family of this name, whatever the browser calls it."""
    return next((known for known in FAMILIES if known == family), None)


def answer(
    models: Models,
    kind: str,
    value: Any,
    landscape: Landscape = NOTHING_MEASURED,
) -> dict[str, Any]:
    """What an input component holds → what the page shows of it, by every configuration's model of one family, the one
    at value["family"], or else frontier:

    {"inputs": [lane, …], "file": data URL of the input's raw form (a PNG or WAV file), "variation": None,
     "message": None}, or, if it cannot be classified, {"inputs": [], "variation": None, "message": a sentence that says
    what to do}; and in both cases "asked": what of the value says which answer this is, with its family. A lane is one
    modality:

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
    family = named(value.get("family")) or "frontier"
    asked = {key: value[key] for key in ASKED if key in value} | {"family": family}
    try:
        raw = _open(kind, open_source(kind, value))
    except InputError as error:
        return {"inputs": [], "variation": None, "message": str(error), "asked": asked}
    variation = value.get("variation")
    shown = partial(_shown, models[family], family, kind, landscape)
    return {
        **shown(variations.Varied(raw, variations.encode(kind, raw, family))),
        "variation": None if variation is None else _variation(shown, family, kind, raw, variation),
        "message": None,
        "asked": asked,
    }


def _variation(
    shown: Callable[[variations.Varied], dict[str, Any]], family: Family, kind: str, raw: np.ndarray, asked: Any
) -> dict[str, Any]:
    """shown: makes of a changed input what the page shows; asked: whatever the browser has sent"""
    try:
        return shown(variations.vary(kind, raw, str(asked["name"]), float(asked["strength"]), family))
    except InputError as error:
        message = str(error)
    except (TypeError, LookupError, ValueError, OverflowError):
        message = "There is no such experiment for this input. Please choose another one."
    return {"inputs": [], "message": message}


def _shown(
    predictors: Mapping[str, Predictor], family: Family, kind: str, landscape: Landscape, varied: variations.Varied
) -> dict[str, Any]:
    by_configuration = {name: predictor.predict(varied.encodings) for name, predictor in predictors.items()}
    mime = "audio/wav" if kind == "sound" else "image/png"
    file = base64.b64encode(variations.as_file(kind, varied.raw)).decode()
    return {
        "inputs": [_lane(modality, by_configuration, family, landscape) for modality in MODALITIES[kind]],
        "file": f"data:{mime};base64,{file}",
    }


def _lane(
    modality: str, by_configuration: Mapping[str, dict[str, Prediction]], family: Family, landscape: Landscape
) -> dict[str, Any]:
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
                **landscape.judge(family, name, p),
            }
            for name, p in predictions.items()
        },
    }
