"""Look closer: what each expert of one model answered to in one input, and what goes on inside it."""

from math import floor, log10
from threading import BoundedSemaphore, Lock
from typing import Any

import gradio as gr
import numpy as np

from hetmoe.analysis import attributions, inside
from hetmoe.demo.classify import Models
from hetmoe.demo.theme import ASSETS, script
from hetmoe.encoding import N_INPUTS

LARGEST = 100.0  # no encoding comes near it
BANDS = 64  # of the filters' responses, evenly spaced in log frequency

_one_at_a_time = Lock()  # gradients are slow: predictions beside eight at a time took five times as long as beside one
_waiting = BoundedSemaphore(4)  # each holds a thread of those that predictions need
BUSY = {"message": "Many visitors look closer just now. Please choose something again in a moment."}


def look_closer(models: Models, question: Any) -> dict[str, Any]:
    """What there is to draw of one input and one class, about 45 KB as JSON:

    {"attributions": {expert: [float] * 1024}, "inside": {expert: view}}, or, if the question is none, {"message": a
    sentence}. The attributions are those of `analysis.attributions`, in logits; the views those of `analysis.inside`,
    but the replica's spectral expert's {"magnitude_response": K rows of 64}, the mean gain in bands from 0 to 512
    cycles that are evenly spaced in log(1 + cycles). All are rounded to as many places as give the largest of their
    kind three digits.

    question: from the browser, so it may be anything. Asked well, it is {"family": str, "configuration": str,
        "modality": str, "label": str, "encoding": 1024 numbers as `classify.answer` gives them}.
    """
    match question:
        case {
            "family": "frontier" | "replica" as family,
            "configuration": str(configuration),
            "modality": str(modality),
            "label": str(label),
            "encoding": encoding,
        }:
            pass
        case _:
            return {"message": "To look closer takes a family, a configuration, a modality, a label and an encoding."}
    predictors = models[family]
    if configuration not in predictors:
        return {"message": f"There is no such configuration; choose one of {', '.join(predictors)}."}
    predictor = predictors[configuration]
    labels = predictor.checkpoint.labels
    if modality not in labels:
        return {"message": f"There is no such modality; choose one of {', '.join(labels)}."}
    if label not in labels[modality]:
        return {"message": f"There is no such label; choose one of {', '.join(labels[modality])}."}
    if not _is_encoding(encoding):
        return {"message": f"An encoding is {N_INPUTS} numbers from {-LARGEST:.0f} to {LARGEST:.0f}."}
    x = np.array(encoding, np.float32)
    if not _waiting.acquire(blocking=False):
        return BUSY
    try:
        with _one_at_a_time:
            rows = attributions(predictor, x, modality, labels[modality].index(label))
            views = inside(predictor, x, modality)
    finally:
        _waiting.release()
    experts = predictor.checkpoint.model.config.expert_labels()
    return {
        "attributions": {expert: _rounded(row) for expert, row in zip(experts, rows, strict=True)},
        "inside": {expert: _small(view) for expert, view in views.items()},
    }


def make_closer(models: Models) -> gr.HTML:
    """The panel. The browser asks for its contents when it comes into sight."""

    # Gradio runs it in a thread of its pool, as it does the predictions: the event loop goes on.
    def ask_closer(question: Any) -> dict[str, Any]:
        return look_closer(models, question)

    return gr.HTML(
        html_template=(ASSETS / "closer.html").read_text(encoding="utf-8"),
        js_on_load=script("closer.words", "closer.draw", "closer"),
        server_functions=[ask_closer],
        apply_default_css=False,
    )


def _is_encoding(numbers: Any) -> bool:
    def is_number(x: Any) -> bool:
        return type(x) in (int, float) and abs(x) <= LARGEST  # which NaN and infinity are not, and a bool is no int

    return isinstance(numbers, list) and len(numbers) == N_INPUTS and all(map(is_number, numbers))


def _small(view: dict[str, Any]) -> dict[str, Any]:
    view = {name: np.array(value) if isinstance(value, list) else value for name, value in view.items()}
    response = view.get("magnitude_response")
    if response is not None and response.ndim == 2:
        view["magnitude_response"] = _in_bands(response)
    return {name: _rounded(value) if isinstance(value, np.ndarray) else value for name, value in view.items()}


def _in_bands(response: np.ndarray) -> np.ndarray:
    """(K, 513) -> (K, 64): a mean over each band, or, below the width of a bin, that bin."""
    n_bins = response.shape[1]
    first = np.round(n_bins ** (np.arange(BANDS) / BANDS)).astype(int) - 1
    width = np.maximum(1, np.diff(first, append=n_bins))
    return np.add.reduceat(response, first, axis=1) / width  # of an empty band, reduceat gives its first bin


def _rounded(values: np.ndarray) -> Any:
    """As nested lists, the largest magnitude to three digits and all others to as many places."""
    largest = float(np.abs(values).max())
    places = 2 - floor(log10(largest)) if largest else 0
    return values.astype(np.float64).round(places).tolist()
