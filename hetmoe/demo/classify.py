"""From a file to what the page shows: plain functions, tested without a browser."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hetmoe.demo.sources import open_source
from hetmoe.encoding import InputError
from hetmoe.inference import Prediction, Predictor

# What each kind of input is seen as; a recording is seen twice.
MODALITIES = {"picture": ("spatial",), "sound": ("temporal", "spectral"), "digit": ("relational",)}


def classify(predictor: Predictor, kind: str, source: Path | bytes) -> dict[str, Prediction]:
    """A file of a kind (picture, sound or digit) → a prediction for each modality it is seen as.

    Raises InputError if the file cannot be used.
    """
    if kind == "sound":
        return predictor.recording_file(source)
    (modality,) = MODALITIES[kind]
    return {modality: predictor.picture(source) if kind == "picture" else predictor.digit(source)}


def answer(
    predictors: Mapping[str, Predictor], kind: str, value: dict[str, Any] | None, configuration: str
) -> dict[str, Any]:
    """What an input component holds → what the results show: {"predictions": [...], "message": None}, or, if it cannot
    be classified, {"predictions": [], "message": a sentence that says what to do}."""
    try:
        predictions = classify(predictors[configuration], kind, open_source(kind, value))
    except InputError as error:
        return {"predictions": [], "message": str(error)}
    return {"predictions": [_shown(p) for p in predictions.values()], "message": None}


def _shown(prediction: Prediction) -> dict[str, Any]:
    """The parts of a prediction that are drawn, rounded: during a pen stroke they are sent many times a second."""
    return {
        "modality": prediction.modality,
        "encoding": _rounded(prediction.encoding),
        "experts": list(prediction.experts),
        "routing_weights": _rounded(prediction.routing_weights),
        "top": [[label, round(probability, 4)] for label, probability in prediction.top(5)],
        "alone": [
            [prediction.labels[best], round(float(probabilities[best]), 4)]
            for probabilities in prediction.expert_probabilities
            for best in [int(np.argmax(probabilities))]
        ],
    }


def _rounded(array: np.ndarray) -> list[float]:
    return [round(x, 4) for x in array.tolist()]
