"""Checkpoints: one self-describing .safetensors file per model, written whole or not at all, never unpickled.

The header's metadata holds one JSON document under the key "hetmoe": the format's version, the family whose encodings
the model is given, its configuration, the encoding statistics, the labels, the temperatures that calibrate its answers,
the metrics, the provenance, and a SHA-256 over all of these and every tensor.
"""

import hashlib
import json
import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hetmoe.config import ModelConfig
from hetmoe.encoding import FAMILIES, MODALITIES, Family, Statistics
from hetmoe.model import HetMoE

FORMAT = 2
KEY = "hetmoe"


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used. The message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and everything needed to use and to judge it."""

    family: Family  # whose encodings it is given
    model: HetMoE  # its configuration is `model.config`
    statistics: dict[str, Statistics]  # per modality, of the training set: what inputs are standardised with
    labels: dict[str, tuple[str, ...]]  # per modality, the names of the C classes
    temperatures: dict[str, float]  # per modality, by which to divide the mixture's logits for calibrated probabilities
    metrics: dict[str, Any]  # what was measured: plain JSON data
    provenance: dict[str, Any]  # how it came to be (seed, steps, data fingerprint, commit, versions): plain JSON data


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Writes the file whole or not at all. Raises OSError if the disk does not take it."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.model.state_dict().items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "family": checkpoint.family,
        "config": checkpoint.model.config.to_dict(),
        "statistics": {modality: s._asdict() for modality, s in checkpoint.statistics.items()},
        "labels": checkpoint.labels,
        "temperatures": checkpoint.temperatures,
        "metrics": checkpoint.metrics,
        "provenance": checkpoint.provenance,
    }
    header["sha256"] = _digest(header, tensors)
    write_tensors(path, tensors, {KEY: json.dumps(header)})


def load_checkpoint(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Checkpoint:
    """Reads and verifies a file; the model is in evaluation mode on `device`.

    Raises CheckpointError, naming what is wrong, for a file that is missing, truncated, not a HetMoE checkpoint,
    changed since it was written, or whose tensors, labels or statistics do not fit its configuration.
    """
    path = Path(path)
    metadata, tensors = read_tensors(path)
    if KEY not in metadata:
        raise CheckpointError(f"{path} is a safetensors file, but not a HetMoE checkpoint: it has no {KEY!r} metadata")
    try:
        header = json.loads(metadata[KEY])
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} has format {header['format']}; this version of hetmoe reads {FORMAT}")
        if header.pop("sha256") != _digest(header, tensors):
            raise CheckpointError(f"{path} has been changed since it was written: its SHA-256 does not match")
        config = ModelConfig.from_dict(header["config"])
        statistics = {modality: Statistics(**s) for modality, s in header["statistics"].items()}
        labels = {modality: tuple(names) for modality, names in header["labels"].items()}
        family, temperatures = header["family"], header["temperatures"]
        metrics, provenance = header["metrics"], header["provenance"]
        if family not in FAMILIES:
            raise CheckpointError(f"{path} is of the family {family!r}; this version of hetmoe encodes {FAMILIES}")
        _check_modalities(path, config, statistics, labels, temperatures)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} has a damaged or foreign header: {error!r}") from error
    with torch.device("meta"):  # shapes alone: a foreign header could ask for more than the memory holds
        expected = HetMoE(config).state_dict()
    _check_tensors(path, expected, tensors)
    model = HetMoE(config)
    model.load_state_dict(tensors)
    return Checkpoint(family, model.to(device).eval(), statistics, labels, temperatures, metrics, provenance)


def write_tensors(path: str | os.PathLike[str], tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A .safetensors file that appears whole or not at all: written beside its place, then moved there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, part, metadata)
        os.chmod(part, 0o644)  # mkstemp's files are readable by their owner alone
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors (on the CPU) of a .safetensors file. Raises CheckpointError if it cannot be read."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or not a safetensors file: {error}") from error


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_modalities(
    path: Path,
    config: ModelConfig,
    statistics: dict[str, Statistics],
    labels: dict[str, tuple[str, ...]],
    temperatures: dict[str, float],
) -> None:
    for name, given in (("statistics", statistics), ("labels", labels), ("temperatures", temperatures)):
        if set(given) != set(MODALITIES):
            raise CheckpointError(f"{path} has {name} for {sorted(given)}, but the modalities are {sorted(MODALITIES)}")
    for modality in MODALITIES:
        mean, std = statistics[modality]
        if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
            raise CheckpointError(f"{path} has unusable statistics for {modality}: mean {mean}, std {std}")
        if not 0 < temperatures[modality] < math.inf:
            raise CheckpointError(f"{path} has an unusable temperature for {modality}: {temperatures[modality]}")
        if len(labels[modality]) != config.n_outputs:
            n = len(labels[modality])
            raise CheckpointError(f"{path} has {n} labels for {modality}, but the model has {config.n_outputs} outputs")


def _check_tensors(path: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    differences = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    differences += [f"{name} is not part of the model" for name in sorted(found.keys() - expected.keys())]
    for name in sorted(expected.keys() & found.keys()):
        want, have = expected[name], found[name]
        if (want.shape, want.dtype) != (have.shape, have.dtype):
            differences.append(
                f"{name} is {have.dtype} {tuple(have.shape)} instead of {want.dtype} {tuple(want.shape)}"
            )
    if differences:
        more = f" (and {len(differences) - 3} more)" if len(differences) > 3 else ""
        raise CheckpointError(f"{path} does not fit its configuration: {'; '.join(differences[:3])}{more}")
