"""Made-up evaluations of two classes, with values that can be worked out by hand."""

import numpy as np

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from training.audit.measures import audit
from training.loop import Evaluation
from training.results import Row, Run

EXPERTS = CONFIGURATIONS["heterogeneous"]
CLASSES = ("cat", "dog")
TEMPERATURE = 2.0  # odds of 9 to 1 become 3 to 1
RUN = Run("realdata", "replica", "heterogeneous", "223000", "42")


def evaluation(
    probabilities: list[list[float]], labels: list[int], routing_weights: list[list[float]] | None = None
) -> Evaluation:
    """Of a model that gives these probabilities; equal routing weights unless others are given."""
    g = np.array(routing_weights or [[0.25] * 4] * len(labels), dtype=np.float32)
    logits = np.log(np.array(probabilities, dtype=np.float32))
    experts = np.zeros((len(labels), g.shape[1], logits.shape[1]), np.float32)
    return Evaluation(logits=logits, routing_weights=g, expert_logits=experts, labels=np.array(labels))


def repeated(probabilities: list[float], right: int, wrong: int) -> Evaluation:
    """The same answer for all inputs, of which so many are of class 0 (right) and class 1 (wrong)."""
    return evaluation([probabilities] * (right + wrong), [0] * right + [1] * wrong)


def rows_of(e: Evaluation, **others: Evaluation) -> list[Row]:
    """The audit of a model with `e` for every modality that `others` does not name."""
    experts = EXPERTS[: e.routing_weights.shape[1]]
    evaluations = {m: others.get(m, e) for m in MODALITIES}
    return audit(evaluations, experts, dict.fromkeys(MODALITIES, CLASSES), dict.fromkeys(MODALITIES, TEMPERATURE))
