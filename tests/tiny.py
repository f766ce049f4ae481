"""Models small enough for tests, and the tiny data folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from hetmoe.checkpoint import Checkpoint
from hetmoe.config import CONFIGURATIONS, ExpertConfig, ModelConfig
from hetmoe.encoding import MODALITIES, Family, Statistics
from hetmoe.experts import EXPERTS
from hetmoe.model import HetMoE
from tests.media import SAMPLES
from training.data import LABELS, Data, load_splits

STATISTICS = {
    "spatial": Statistics(0.5, 0.25),
    "temporal": Statistics(-0.01, 0.3),
    "spectral": Statistics(1.5, 1.25),
    "relational": Statistics(2.5, 2.0),
}


def tiny_config(configuration: str = "heterogeneous", n_outputs: int = 10, family: Family = "replica") -> ModelConfig:
    """The named configuration with narrow experts: about 20,000 parameters."""
    is_frontier = family == "frontier"
    names = ["spectral-2d" if n == "spectral" and is_frontier else n for n in CONFIGURATIONS[configuration]]
    config = ModelConfig(
        tuple(ExpertConfig(name, EXPERTS[name].width_step, 4) for name in names), router_hidden=4, n_outputs=n_outputs
    )
    return replace(config, routing="thresholded", router="summary") if is_frontier else config


def tiny_model(
    configuration: str = "heterogeneous", n_outputs: int = 10, seed: int = 0, family: Family = "replica"
) -> HetMoE:
    """In evaluation mode, with statistics in its batch normalisations that a forward in training mode left there."""
    torch.manual_seed(seed)
    model = HetMoE(tiny_config(configuration, n_outputs, family))
    model(2 * torch.randn(8, 1024) + 1)
    return model.eval()


def tiny_checkpoint(configuration: str = "heterogeneous", seed: int = 0, family: Family = "replica") -> Checkpoint:
    """An untrained model with everything that a checkpoint has."""
    metrics = {"test/all/accuracy": 0.1, "test/all/loss": 2.302585092994046}
    provenance = {"seed": seed, "steps": 0, "versions": {"torch": torch.__version__}}
    model = tiny_model(configuration, seed=seed, family=family)
    return Checkpoint(family, model, STATISTICS, LABELS, dict.fromkeys(MODALITIES, 1.5), metrics, provenance)


def copy_of_data(folder: Path) -> Path:
    """The tiny data folder, copied: loading it writes a cache into it."""
    ignore = shutil.ignore_patterns("hetmoe-encoded")
    return Path(shutil.copytree(SAMPLES / "data", folder / "data", ignore=ignore))


def tiny_data(folder: Path) -> Data:
    """The tiny data folder, encoded."""
    return load_splits(copy_of_data(folder), download=False)
