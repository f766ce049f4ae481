"""From a file to what the page shows: plain functions, tested without a browser."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hetmoe.demo.sources import open_source
from hetmoe.encoding import (
    InputError,
    encode_digit,
    encode_picture,
    encode_recording,
    open_picture,
    open_recording,
)
from hetmoe.inference import Prediction, Predictor

# What each kind of input is seen as; a recording is seen twice.
MODALITIES = {"picture": ("spatial",), "sound": ("temporal", "spectral"), "digit": ("relational",)}


def encode(kind: str, source: Path | bytes) -> dict[str, np.ndarray]:
    """A file of a kind (picture, sound or digit) → modality → (1024,), for each modality it is seen as.

    Raises InputError if the file cannot be used.
    """
    if kind == "sound":
        return encode_recording(*open_recording(source))
    (modality,) = MODALITIES[kind]
    image = open_picture(source)
    return {modality: encode_picture(image) if kind == "picture" else encode_digit(image)}


def answer(predictors: Mapping[str, Predictor], kind: str, value: dict[str, Any] | None) -> dict[str, Any]:
    """What an input component holds → what the page shows of it, by every configuration's model:

    {"inputs": [lane, …], "message": None}, or, if it cannot be classified, {"inputs": [], "message": a sentence that
    says what to do}. A lane is one modality:

    {"modality": str, "encoding": [float] * 1024, "labels": [str] * C,
     "models": {configuration: {"experts": [str] * E, "routing_weights": [float] * E, "expert_logits": E × C floats}}}

    Everything that a person then changes is mixed anew from these numbers, without asking again.
    """
    try:
        encodings = encode(kind, open_source(kind, value))
    except InputError as error:
        return {"inputs": [], "message": str(error)}
    by_configuration = {name: predictor.predict(encodings) for name, predictor in predictors.items()}
    return {"inputs": [_lane(modality, by_configuration) for modality in MODALITIES[kind]], "message": None}


def _lane(modality: str, by_configuration: Mapping[str, dict[str, Prediction]]) -> dict[str, Any]:
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
            }
            for name, p in predictions.items()
        },
    }
