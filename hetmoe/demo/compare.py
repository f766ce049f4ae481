"""What the compare panel and the tour say about the published models: the numbers that their checkpoints carry."""

from collections.abc import Mapping
from typing import Any

from hetmoe.demo.classify import MODALITIES
from hetmoe.inference import Predictor


def facts(predictors: Mapping[str, Predictor]) -> dict[str, dict[str, Any]]:
    """configuration → {"parameters": int, "multiply_adds": int for one input, "accuracy": mean over the modalities'
    test sets, in [0, 1], "modalities": {modality: {"accuracy", "routing": {expert: mean weight}}}}."""
    return {name: _facts(predictor) for name, predictor in predictors.items()}


def _facts(predictor: Predictor) -> dict[str, Any]:
    metrics = predictor.checkpoint.metrics
    experts = predictor.checkpoint.model.config.expert_labels()
    modalities = [modality for of_kind in MODALITIES.values() for modality in of_kind]
    return {
        "parameters": int(metrics["test/all/parameters"]),
        "multiply_adds": int(metrics["test/all/multiply_adds"]),
        "accuracy": metrics["test/all/accuracy"],
        "modalities": {
            modality: {
                "accuracy": metrics[f"test/{modality}/accuracy"],
                "routing": {expert: metrics[f"test/{modality}/routing_{expert}"] for expert in experts},
            }
            for modality in modalities
        },
    }
