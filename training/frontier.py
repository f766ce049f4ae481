"""The frontier family: the same idea and the same 223K parameters as the replica, made as good as they can be.

Still four different experts, densely and softly mixed, 1024 numbers an input and no label of modality, in training or
after. What differs: encodings (hetmoe.encoding), training inputs changed anew each time (training.augmentation), a
router of 420 parameters on 21 numbers, no auxiliary losses, Muon for the kernels of convolutions, label smoothing. What
each of these was worth, and what was tried in vain: training/RECORDS.md.

Reproduce with `python -m training frontier`: the mixture and its controls of the same family, three seeds, 8 epochs of
1,250 steps. Every choice uses validation data; the test sets are seen once, whole, after the last step.
"""

import torch.nn.functional as F
from torch import Tensor

from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.encoding import Family
from hetmoe.model import MoEOutput
from training import classification, realdata
from training.data import Composition
from training.grid import Settings
from training.loop import Recipe
from training.plan import Plan
from training.results import Run

FAMILY: Family = "frontier"
OF_EACH = Composition(picture=36, sound=10, digit=16)  # 1,250 batches hold every training picture once
RECIPE = Recipe(
    epochs=8, steps=1250, batch_size=72, learning_rate=4e-3, clip=2.0, warmup=0.08, muon_rate=2e-2, router_rate=2e-2
)
QUICK = Recipe(**{**RECIPE.__dict__, "epochs": 1, "steps": 500})
LABEL_SMOOTHING = 0.1

SPATIAL, TEMPORAL = ExpertConfig("spatial", 12, 56), ExpertConfig("temporal", 20, 48)
SPECTRAL, RELATIONAL = ExpertConfig("spectral-2d", 24, 24), ExpertConfig("relational", 28, 32)


def _mixture(*experts: ExpertConfig) -> ModelConfig:
    return ModelConfig(experts, routing="thresholded", router="summary")


CONFIGURATIONS = {  # 223,000 parameters each, within 0.5 %
    "heterogeneous": _mixture(SPATIAL, TEMPORAL, SPECTRAL, RELATIONAL),
    "convolutional": ModelConfig((ExpertConfig("spatial", 16, 120),), routing="uniform"),  # one net, nothing to route
    "hybrid": _mixture(ExpertConfig("ffn", 40, 64), SPATIAL, TEMPORAL, SPECTRAL),
    "homogeneous": _mixture(*[ExpertConfig("ffn", 50, 70)] * 4),
}


def smoothed_cross_entropy(output: MoEOutput, target: Tensor) -> Tensor:
    """Of the mixture, in nats, with a tenth of the target spread over all classes."""
    return F.cross_entropy(output.logits, target, label_smoothing=LABEL_SMOOTHING)


def runs(configurations: list[str], seeds: list[int]) -> list[Run]:
    return realdata.runs(configurations, seeds, FAMILY, CONFIGURATIONS)


def plan(run: Run, settings: Settings) -> Plan:
    """How one model is trained and tested."""
    return classification.plan(
        run,
        settings,
        CONFIGURATIONS[run.configuration],
        QUICK if settings.quick else RECIPE,
        "python -m training frontier",
        loss=smoothed_cross_entropy,
        of_each=OF_EACH,
    )
