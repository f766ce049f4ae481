"""`python -m training landscape`: what the page needs to say where an input lies, as results/landscape.json.

    {"families": {family: {
         "modalities": {modality: {
             "n":           {"validation": int, "test": int}
             "familiarity": {"mean": [3], "precision": [3][3], "threshold", "quantiles", "flagged"}
             "foreign_by":  "familiarity" or "energy", whose threshold is to tell a foreign input of this modality; null
                            for the waveform: whether a recording is foreign, its spectrum tells}},
         "models": {configuration: {
             "experts":    [4 names],
             "provenance": {"commit", "seed"} of the checkpoint,
             "modalities": {modality: {
                 "routing":      routing weights g of DRAWN test inputs, evenly spaced in their order, base64 of (k, 4)
                                 uint8, round(255 g)
                 "mean_routing": [4], mean of g over all test inputs
                 "energy":       {"threshold": float, "quantiles": {"5": float, ... "95"},
                                  "flagged": {"test" or kind: share}}}}}}}}}

A model of other than four experts, the corners of the page's tetrahedron, is left out. Energy: -logsumexp of the
mixture's logits (Liu et al. 2020, "Energy-based Out-of-distribution Detection"); the higher, the less the model has
seen the like. Familiarity: hetmoe.familiarity, with the Usual of the training inputs. Threshold: that of 5 % false
alarms on the validation inputs, whose quantiles are given. Flagged: the shares above it of the test inputs and of
foreign inputs (training.foreign).
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from hetmoe.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from hetmoe.encoding import FAMILIES, Family, standardise
from hetmoe.familiarity import Usual, distance, traits
from training.data import LABELS, Data, data_folder, load_splits
from training.foreign import Foreign, foreign_inputs
from training.loop import evaluate, predict, write_text

QUANTILES = (5, 25, 50, 75, 95)  # per cent
FALSE_ALARMS = 0.05
CORNERS = 4  # of the page's tetrahedron: the experts of a model that is shown there
DRAWN = 1600  # points of each modality: as many as there are recordings
FOREIGN_BY: dict[str, str | None] = {  # chosen in training.familiarity_choices, for both families
    "spatial": "familiarity",
    "temporal": None,
    "spectral": "familiarity",
    "relational": "energy",
}


def landscape_command(weights: Path, data_dir: Path | None, device: str, results: Path) -> Path:
    """Writes `results`/landscape.json, whole or not at all, on every checkpoint of four experts in the folder
    `weights`.

    Raises CheckpointError, before anything is measured, for a file that cannot be read, has other labels than the data
    or is of the same family and configuration as another, and if there is none; DataError.
    """
    checkpoints: dict[Family, dict[str, Checkpoint]] = {family: {} for family in FAMILIES}
    for path in sorted(weights.glob("*.safetensors")):
        checkpoint = load_checkpoint(path, device)
        if checkpoint.labels != LABELS:
            raise CheckpointError(f"{path} has other labels than the test sets, which therefore are not its landscape")
        configuration, same_family = checkpoint.provenance["configuration"], checkpoints[checkpoint.family]
        if configuration in same_family:
            raise CheckpointError(f"{path} is {configuration}, as another one in its folder; please remove one of them")
        if len(checkpoint.model.config.experts) == CORNERS:
            same_family[configuration] = checkpoint
    if not any(checkpoints.values()):
        raise CheckpointError(f"there are no checkpoints in {weights}: `python -m training realdata` makes them")
    families = {family: _family(family, of, data_dir) for family, of in checkpoints.items() if of}
    write_text(results / "landscape.json", json.dumps({"families": families}, separators=(",", ":")) + "\n")
    return results / "landscape.json"


def _family(family: Family, checkpoints: dict[str, Checkpoint], data_dir: Path | None) -> dict[str, Any]:
    data = load_splits(data_dir, family=family)
    foreign = foreign_inputs(data_folder(data_dir), data, "test", family)
    return {
        "modalities": {
            modality: {
                "n": {"validation": len(data.validation.labels[modality]), "test": len(data.test.labels[modality])},
                "familiarity": _familiarity(modality, data, foreign[modality]),
                "foreign_by": by,
            }
            for modality, by in FOREIGN_BY.items()
        },
        "models": {name: _model(checkpoint, data, foreign) for name, checkpoint in checkpoints.items()},
    }


def energy(logits: np.ndarray) -> np.ndarray:
    """(n, C) mixture logits -> (n,)"""
    return -logsumexp(logits.astype(np.float64), axis=1)


def _model(checkpoint: Checkpoint, data: Data, foreign: Foreign) -> dict[str, Any]:
    validation, test = (evaluate(checkpoint.model, split, checkpoint.statistics) for split in data[1:3])
    return {
        "experts": checkpoint.model.config.expert_labels(),
        "provenance": {name: checkpoint.provenance[name] for name in ("commit", "seed")},
        "modalities": {
            modality: {
                "routing": _base64(np.rint(255 * _evenly_spaced(e.routing_weights))),
                "mean_routing": [_short(g) for g in e.routing_weights.mean(0, dtype=np.float64)],
                "energy": _scale(
                    energy(validation[modality].logits),
                    {"test": energy(e.logits), **_energies(checkpoint, modality, foreign[modality])},
                ),
            }
            for modality, e in test.items()
        },
    }


def usual_of(x: np.ndarray) -> Usual:
    """What is usual among (n, 1024) encoded inputs."""
    of = np.concatenate([traits(chunk) for chunk in np.array_split(x, len(x) // 4096 + 1)])
    return Usual(of.mean(0), np.linalg.inv(np.cov(of.T)))


def _familiarity(modality: str, data: Data, foreign: dict[str, np.ndarray]) -> dict[str, Any]:
    usual = usual_of(data.train.inputs[modality])
    others = {"test": data.test.inputs[modality], **foreign}
    return {
        "mean": [_short(x) for x in usual.mean],
        "precision": [[_short(x) for x in row] for row in usual.precision],
        **_scale(
            distance(data.validation.inputs[modality], usual), {kind: distance(x, usual) for kind, x in others.items()}
        ),
    }


def _energies(checkpoint: Checkpoint, modality: str, foreign: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """kind -> (n,)"""
    statistics = checkpoint.statistics[modality]
    return {
        kind: energy(predict(checkpoint.model, standardise(x, statistics), modality)[0]) for kind, x in foreign.items()
    }


def _scale(validation: np.ndarray, others: dict[str, np.ndarray]) -> dict[str, Any]:
    """Threshold, quantiles and who is flagged, of a score that is high for foreign inputs; (n,) of each."""
    threshold = _short(np.quantile(validation, 1 - FALSE_ALARMS))
    return {
        "threshold": threshold,
        "quantiles": {str(q): _short(np.percentile(validation, q)) for q in QUANTILES},
        "flagged": {kind: _short((scores > threshold).mean()) for kind, scores in others.items()},
    }


def _evenly_spaced(x: np.ndarray) -> np.ndarray:
    """DRAWN of the rows, or all if there are not as many."""
    k = min(DRAWN, len(x))
    return x[np.arange(k) * len(x) // k]


def _base64(x: np.ndarray) -> str:
    return b64encode(x.astype(np.uint8).tobytes()).decode()


def _short(x: float) -> float:
    """Six digits."""
    return float(f"{x:.6g}")
