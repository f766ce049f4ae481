"""HetMoE: a mixture of experts whose experts are architecturally different."""

from hetmoe.analysis import WhatIf, attributions, contributions, energy, inside, remix
from hetmoe.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from hetmoe.config import CONFIGURATIONS, CannotMatch, ExpertConfig, ModelConfig, match_parameters
from hetmoe.encoding import MODALITIES, InputError
from hetmoe.experts import EXPERTS, Expert, register_expert
from hetmoe.inference import Prediction, Predictor
from hetmoe.model import HetMoE, MoEOutput, count_multiply_adds, count_parameters

__version__ = "0.1.0"

__all__ = [
    "CONFIGURATIONS",
    "EXPERTS",
    "MODALITIES",
    "CannotMatch",
    "Checkpoint",
    "CheckpointError",
    "Expert",
    "ExpertConfig",
    "HetMoE",
    "InputError",
    "MoEOutput",
    "ModelConfig",
    "Prediction",
    "Predictor",
    "WhatIf",
    "attributions",
    "contributions",
    "count_multiply_adds",
    "count_parameters",
    "energy",
    "inside",
    "load_checkpoint",
    "match_parameters",
    "register_expert",
    "remix",
    "save_checkpoint",
]
