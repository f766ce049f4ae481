"""What the compare panel and the tour say about the published models: the numbers that their checkpoints carry."""

from typing import Any

from hetmoe.checkpoint import load_checkpoint
from hetmoe.demo.classify import MODALITIES, Models
from hetmoe.inference import Predictor, default_checkpoint


def facts(models: Models) -> dict[str, dict[str, dict[str, Any]]]:
    """family → configuration → {"parameters": int, "multiply_adds": int for one input, "accuracy": mean over the
    modalities' test sets, in [0, 1], "modalities": {modality: {"accuracy", "routing": {expert: mean weight}}}}."""
    return {
        family: {name: _facts(predictor) for name, predictor in of_family.items()}
        for family, of_family in models.items()
    }


def control() -> float:
    """The accuracy, as in `facts`, of the frontier's control: one convolutional net of a mixture's size.

    Raises CheckpointError if its checkpoint cannot be loaded.
    """
    return float(load_checkpoint(default_checkpoint("convolutional")).metrics["test/all/accuracy"])


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
