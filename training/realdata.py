"""The paper's real-data experiment: CIFAR-10, Speech Commands and MNIST as four modalities without labels of modality.

Claim tried: at a matched budget of 223K parameters, experts of different architecture beat equal ones (HetMoE, real
data). Reproduce with `python -m training realdata`: three configurations, three seeds, 30 epochs of 500 mixed batches
of 64. Every choice uses validation data; the test sets are seen once, whole, after the last step.
"""

from collections.abc import Iterable
from pathlib import Path

from hetmoe.config import match_parameters
from hetmoe.encoding import Family
from training import classification
from training.classification import BUDGET, FAMILY, SEEDS
from training.grid import Finished, Settings
from training.loop import Recipe, write_bytes
from training.plan import Plan
from training.results import Run

QUICK = Recipe(epochs=4)
PUBLISHED_SEED = SEEDS[0]  # fixed beforehand, not the best
CONFIGURATIONS = ("heterogeneous", "hybrid", "homogeneous")  # the longest first


def runs(
    configurations: list[str], seeds: list[int], family: Family = FAMILY, order: Iterable[str] = CONFIGURATIONS
) -> list[Run]:
    """Of a family, configuration by configuration in that order."""
    return [Run("realdata", family, c, str(BUDGET), str(seed)) for c in order for seed in seeds if c in configurations]


def plan(run: Run, settings: Settings) -> Plan:
    """How one model is trained and tested."""
    config = match_parameters(run.configuration, int(run.budget))
    recipe = QUICK if settings.quick else Recipe()
    return classification.plan(run, settings, config, recipe, "python -m training realdata")


def publish(finished: Finished, weights: Path) -> None:
    """Puts the checkpoint of PUBLISHED_SEED into the folder `weights`."""
    if finished.run.seed == str(PUBLISHED_SEED):
        path = weights / f"{finished.run.family}-{finished.run.configuration}.safetensors"
        write_bytes(path, (finished.folder / "model.safetensors").read_bytes())
