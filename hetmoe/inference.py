"""Inference: a picture, a recording or a digit in, a Prediction out."""

import copy
import os
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from scipy.special import softmax
from torch import Tensor

from hetmoe.checkpoint import Checkpoint, load_checkpoint
from hetmoe.encoding import (
    Family,
    Source,
    encode_digit,
    encode_picture,
    encode_recording,
    open_picture,
    open_recording,
    standardise,
)
from hetmoe.model import HetMoE
from hetmoe.project import PROJECT

DEVICES = ("auto", "cuda", "mps", "cpu")
T = TypeVar("T")
GPU_TROUBLE = re.compile(r"CUDA|CUBLAS|CUFFT|CUDNN|MPS backend", re.IGNORECASE)


@dataclass(frozen=True)
class Prediction:
    """What the model makes of one input: E experts, C classes."""

    modality: str  # "spatial", "temporal", "spectral" or "relational"
    encoding: np.ndarray  # (1024,) float32, as encoded, before standardising
    experts: tuple[str, ...]  # E names
    labels: tuple[str, ...]  # C class names of this modality
    routing_weights: np.ndarray  # (E,) float64, sums to 1 (or all 0 where `analysis.remix` has muted everyone)
    expert_logits: np.ndarray  # (E, C) float64, each expert alone
    temperature: float = 1.0  # by which to divide the mixture's logits for calibrated probabilities

    @cached_property
    def logits(self) -> np.ndarray:
        """(C,) the mixture, sum_i g_i f_i."""
        return self.routing_weights @ self.expert_logits

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(C,) softmax of the mixture."""
        return softmax(self.logits)

    @cached_property
    def expert_probabilities(self) -> np.ndarray:
        """(E, C) softmax of each expert's own logits: what it would answer alone."""
        return softmax(self.expert_logits, axis=1)

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k likeliest (label, probability) pairs, likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]

    def to_json(self) -> dict[str, Any]:
        """Plain data:

        {"modality": str,
         "label": str,                            the likeliest class
         "probabilities": {label: float},         of the mixture, likeliest first
         "routing_weights": {expert: float},      sums to 1
         "experts": {expert: {label: float}},     the probabilities that each expert alone would give
         "expert_logits": {expert: [float] * C},  in the order of "labels"
         "labels": [str] * C,
         "encoding": [float] * 1024}              what the model sees, before standardising
        """
        by_expert = dict(zip(self.experts, self.expert_probabilities, strict=True))
        return {
            "modality": self.modality,
            "label": self.top(1)[0][0],
            "probabilities": dict(self.top(len(self.labels))),
            "routing_weights": dict(zip(self.experts, self.routing_weights.tolist(), strict=True)),
            "experts": {name: dict(zip(self.labels, p.tolist(), strict=True)) for name, p in by_expert.items()},
            "expert_logits": dict(zip(self.experts, self.expert_logits.tolist(), strict=True)),
            "labels": list(self.labels),
            "encoding": self.encoding.tolist(),
        }


def choose_device(device: str = "auto") -> torch.device:
    """The device to run on: "cuda", "mps" or "cpu", or for "auto" the first of these that this machine has.

    The environment variable HETMOE_DEVICE overrides "auto". Raises ValueError for an unknown or absent device.
    """
    if device == "auto":
        device = os.environ.get("HETMOE_DEVICE") or "auto"
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    if not available[device]:
        raise ValueError(f"this machine has no {device}: choose auto or cpu")
    return torch.device(device)


def use_one_thread() -> None:
    """Has torch compute on the thread that asks for it: on busy cores, more of them spin while they wait for one
    another."""
    torch.set_num_threads(1)


class Predictor:
    """A checkpoint ready to answer. Safe to call from several threads at once: what they ask while a forward pass runs
    goes through the next one together. If a GPU has no memory left or is lost, the CPU goes on with a warning.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self.checkpoint = checkpoint
        self.device = device
        self._spare = None if device.type == "cpu" else copy.deepcopy(checkpoint.model).cpu()
        self._running = threading.Lock()
        self._leaving = threading.Lock()
        self._asked: deque[tuple[Tensor, Future[list[np.ndarray]]]] = deque()

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> "Predictor":
        """Loads a checkpoint file; `device` as for `choose_device`.

        Raises CheckpointError if the file cannot be used, ValueError for an unknown or absent device.
        """
        chosen = choose_device(device)
        if chosen.type == "cuda":
            torch.backends.cudnn.allow_tf32 = False  # its rounding would show in the fourth digit of a logit
        try:
            return cls(load_checkpoint(path, chosen), chosen)
        except RuntimeError as error:
            if not _has_failed(chosen, error):
                raise
            _warn(chosen, error)
            chosen = torch.device("cpu")
            return cls(load_checkpoint(path, chosen), chosen)

    @classmethod
    def from_hub(
        cls,
        repository: str,
        *,
        revision: str,
        configuration: str = "heterogeneous",
        family: Family = "frontier",
        device: str = "auto",
    ) -> "Predictor":
        """Loads a checkpoint from the model repository "user/name" of the Hugging Face Hub, or from the cache of its
        client.

        revision: a commit, which is always the same file and once downloaded needs no network; or a tag or a branch

        Raises CheckpointError if it cannot be had or used, ValueError for an unknown or absent device.
        """
        from hetmoe.hub import download  # only here: the Hub's client takes a quarter of a second to import

        return cls.load(download(repository, default_checkpoint(configuration, family).name, revision), device)

    def picture(self, image: Image.Image | Source) -> Prediction:
        """A picture (PIL image, path or the file's bytes) as the spatial modality. Raises InputError."""
        return self.predict({"spatial": encode_picture(_image(image))})["spatial"]

    def digit(self, image: Image.Image | Source) -> Prediction:
        """A drawn or photographed digit (PIL image, path or bytes) as the relational modality. Raises InputError."""
        return self.predict({"relational": encode_digit(_image(image), self.checkpoint.family)})["relational"]

    def recording(self, samples: np.ndarray, rate: int) -> dict[str, Prediction]:
        """Samples (n,) or (n, channels) at `rate` Hz as the modalities "temporal" and "spectral". Raises InputError."""
        return self.predict(encode_recording(samples, rate, self.checkpoint.family))

    def recording_file(self, source: Source) -> dict[str, Prediction]:
        """A sound file (path or bytes), as `recording`. Raises InputError."""
        return self.recording(*open_recording(source))

    def predict(self, encodings: dict[str, np.ndarray]) -> dict[str, Prediction]:
        """Encoded inputs, modality -> (1024,), in one forward pass -> modality -> Prediction."""
        rows = [standardise(x, self.checkpoint.statistics[modality]) for modality, x in encodings.items()]
        routing_weights, expert_logits = self._forward_together(torch.from_numpy(np.stack(rows)))
        experts = self.checkpoint.model.config.expert_labels()
        return {
            modality: Prediction(
                modality,
                x,
                experts,
                self.checkpoint.labels[modality],
                routing_weights[i],
                expert_logits[i],
                self.checkpoint.temperatures[modality],
            )
            for i, (modality, x) in enumerate(encodings.items())
        }

    def _forward_together(self, rows: Tensor) -> list[np.ndarray]:
        """(B, 1024) -> routing weights (B, E) and expert logits (B, E, C).

        Flat combining (Hendler et al. 2010): whoever comes first computes what all have asked by then, and the others
        find their answers made.
        """
        mine: Future[list[np.ndarray]] = Future()
        self._asked.append((rows, mine))
        with self._running:
            if not mine.done():
                asked = [self._asked.popleft() for _ in range(len(self._asked))]
                try:
                    answers = self._forward(torch.cat([rows for rows, _ in asked]))
                except Exception as error:
                    for _, future in asked:
                        future.set_exception(error)
                    raise
                ends = np.cumsum([len(rows) for rows, _ in asked])[:-1]
                for (_, future), *parts in zip(asked, *(np.split(x, ends) for x in answers), strict=True):
                    future.set_result(parts)
        return mine.result()

    def _forward(self, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
        @torch.inference_mode()
        def forward(model: HetMoE, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
            output = model(rows.to(device))
            return output.routing_weights.double().cpu().numpy(), output.expert_logits.double().cpu().numpy()

        return self.compute(forward)

    def compute(self, question: Callable[[HetMoE, torch.device], T]) -> T:
        """What the question comes to with the model, on the device where that is; if a GPU fails, on the CPU."""
        model = self.checkpoint.model
        device = next(model.parameters()).device
        try:
            return question(model, device)
        except RuntimeError as error:
            if not _has_failed(device, error):
                raise
            self._leave(device, error)
        return self.compute(question)

    def _leave(self, device: torch.device, error: RuntimeError) -> None:
        with self._leaving:
            if self._spare is None:  # another thread has met it, too
                return
            _warn(device, error)
            self.checkpoint = replace(self.checkpoint, model=self._spare)
            self.device, self._spare = torch.device("cpu"), None


def _has_failed(device: torch.device, error: RuntimeError) -> bool:
    """Whether this is a GPU without memory or a lost one, which PyTorch's libraries report in several ways."""
    is_so = isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError) or GPU_TROUBLE.search(str(error))
    return device.type != "cpu" and bool(is_so)


def _warn(device: torch.device, error: RuntimeError) -> None:
    warnings.warn(f"{device} has failed, so the CPU goes on: {error}", stacklevel=3)


def _image(image: Image.Image | Source) -> Image.Image:
    return image if isinstance(image, Image.Image) else open_picture(image)


def default_checkpoint(configuration: str, family: Family = "frontier") -> Path:
    """The published checkpoint of a configuration, `weights/<family>-<configuration>.safetensors` of this project."""
    return PROJECT / "weights" / f"{family}-{configuration}.safetensors"
