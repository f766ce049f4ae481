"""The three named end points, for gradio_client and plain HTTP."""

from typing import Any

import gradio as gr

from hetmoe.demo.classify import Models, encode, named
from hetmoe.demo.sources import uploaded
from hetmoe.encoding import FAMILIES, InputError
from hetmoe.inference import Prediction


def add_endpoints(models: Models) -> None:
    """Adds /classify_picture, /classify_sound and /classify_digit to the Blocks being built."""

    def run(kind: str, file: Any, configuration: str, family: str) -> dict[str, Prediction]:
        known = named(family)
        if known is None:
            message = f"There is no family {family!r}; choose one of {', '.join(FAMILIES)}."
            raise gr.Error(message, print_exception=False)
        if not isinstance(configuration, str) or configuration not in models[known]:
            message = f"There is no configuration {configuration!r}; choose one of {', '.join(models[known])}."
            raise gr.Error(message, print_exception=False)
        try:
            return models[known][configuration].predict(encode(kind, uploaded(file), known))
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def classify_picture(
        file: gr.FileData, configuration: str = "heterogeneous", family: str = "frontier"
    ) -> dict[str, Any]:
        """A picture file (PNG, JPEG …) → one prediction, as documented at hetmoe.inference.Prediction.to_json."""
        return run("picture", file, configuration, family)["spatial"].to_json()

    def classify_sound(
        file: gr.FileData, configuration: str = "heterogeneous", family: str = "frontier"
    ) -> dict[str, Any]:
        """A recording (WAV, MP3, FLAC, OGG; up to 60 s) → {"temporal": prediction, "spectral": prediction}."""
        return {modality: p.to_json() for modality, p in run("sound", file, configuration, family).items()}

    def classify_digit(
        file: gr.FileData, configuration: str = "heterogeneous", family: str = "frontier"
    ) -> dict[str, Any]:
        """A picture of a digit, dark on light or light on dark → one prediction."""
        return run("digit", file, configuration, family)["relational"].to_json()

    for endpoint in (classify_picture, classify_sound, classify_digit):
        gr.api(endpoint, api_name=endpoint.__name__)
