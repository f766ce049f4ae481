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
from training import frontier
from training.data import LABELS, Data, load_splits

STATISTICS = {
    "spatial": Statistics(0.5, 0.25),
    "temporal": Statistics(-0.01, 0.3),
    "spectral": Statistics(1.5, 1.25),
    "relational": Statistics(2.5, 2.0),
}


def tiny_config(configuration: str = "heterogeneous", n_outputs: int = 10) -> ModelConfig:
    """The named configuration with narrow experts: about 20,000 parameters."""
    experts = [ExpertConfig(name, EXPERTS[name].width_step, 4) for name in CONFIGURATIONS[configuration]]
    return ModelConfig(tuple(experts), router_hidden=4, n_outputs=n_outputs)


def tiny_frontier_config(configuration: str = "heterogeneous") -> ModelConfig:
    """The frontier's configuration of that name with narrow experts."""
    config = frontier.CONFIGURATIONS[configuration]
    experts = [ExpertConfig(e.name, EXPERTS[e.name].width_step, 4) for e in config.experts]
    return replace(config, experts=tuple(experts), router_hidden=4)


def tiny_model(
    configuration: str = "heterogeneous", n_outputs: int = 10, seed: int = 0, family: Family = "replica"
) -> HetMoE:
    """In evaluation mode, with statistics in its batch normalisations that a forward in training mode left there."""
    torch.manual_seed(seed)
    is_frontier = family == "frontier"
    model = HetMoE(tiny_frontier_config(configuration) if is_frontier else tiny_config(configuration, n_outputs))
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


def tiny_data(folder: Path, family: Family = "replica") -> Data:
    """The tiny data folder, encoded for a family of models."""
    return load_splits(copy_of_data(folder), download=False, family=family)
