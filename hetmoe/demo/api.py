"""The three named end points, for gradio_client and plain HTTP."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from hetmoe.demo.classify import encode
from hetmoe.demo.sources import uploaded
from hetmoe.encoding import InputError
from hetmoe.inference import Prediction, Predictor


def add_endpoints(predictors: Mapping[str, Predictor]) -> None:
    """Adds /classify_picture, /classify_sound and /classify_digit to the Blocks being built."""

    def run(kind: str, file: Any, configuration: str) -> dict[str, Prediction]:
        if configuration not in predictors:
            message = f"There is no configuration {configuration!r}; choose one of {', '.join(predictors)}."
            raise gr.Error(message, print_exception=False)
        try:
            return predictors[configuration].predict(encode(kind, uploaded(file)))
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def classify_picture(file: gr.FileData, configuration: str = "heterogeneous") -> dict[str, Any]:
        """A picture file (PNG, JPEG …) → one prediction, as documented at hetmoe.inference.Prediction.to_json."""
        return run("picture", file, configuration)["spatial"].to_json()

    def classify_sound(file: gr.FileData, configuration: str = "heterogeneous") -> dict[str, Any]:
        """A recording (WAV, MP3, FLAC, OGG; up to 60 s) → {"temporal": prediction, "spectral": prediction}."""
        return {modality: p.to_json() for modality, p in run("sound", file, configuration).items()}

    def classify_digit(file: gr.FileData, configuration: str = "heterogeneous") -> dict[str, Any]:
        """A picture of a digit, dark on light or light on dark → one prediction."""
        return run("digit", file, configuration)["relational"].to_json()

    for endpoint in (classify_picture, classify_sound, classify_digit):
        gr.api(endpoint, api_name=endpoint.__name__)
