"""What-ifs and explanations: what a Prediction would be with other routing weights, and why it is what it is.

`remix`, `contributions` and `energy` work on the numbers a Prediction stores, without a second forward;
`attributions` and `inside` look into the model of a Predictor. Axis legend: E experts, C classes, N = 1024 inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor, nn

from hetmoe.encoding import standardise
from hetmoe.experts import Relational, Spatial, Spectral, Spectral2D, Temporal
from hetmoe.inference import Prediction, Predictor
from hetmoe.model import HetMoE

# Of integrated gradients. On the published weights the sums then miss f_i[c](x) - f_i[c](0) by 0 to 3 % of its mean
# size, depending on the expert: most for the spatial and temporal ones, whose rectifiers make the gradient jump.
STEPS = 64


Division = Literal["learned", "top-1", "uniform"]


@dataclass(frozen=True)
class WhatIf:
    """Other routing weights: those of the experts in `shares` are set, the others, the free ones, divide the rest.

    routing: how the free experts divide it: learned, in proportion to g_i^(1 / temperature), g the router's weights;
        uniform, equally; top-1, all to the one with the largest g.
    temperature: > 0; below 1 it sharpens the learned routing, above 1 it flattens it.
    shares: expert -> weight in [0, 1]; 0 mutes.

    Raises ValueError for an unknown routing, a temperature that is not finite and positive, a share outside [0, 1].
    """

    routing: Division = "learned"
    temperature: float = 1.0
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.routing not in get_args(Division):
            raise ValueError(f"routing must be one of {', '.join(get_args(Division))}, not {self.routing!r}")
        if not 0 < self.temperature < inf:
            raise ValueError(f"the temperature must be a finite number above 0, not {self.temperature}")
        for name, share in self.shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {name} must be a number from 0 to 1, not {share}")


def remix(prediction: Prediction, what_if: WhatIf) -> Prediction:
    """The same input and experts, mixed with other routing weights.

    They sum to 1: where no expert is free, or the shares exceed 1, the shares are scaled to sum to 1. With all experts
    muted they are all 0, and there is no answer. Raises ValueError for a share of an expert that is not there.
    """
    unknown = [name for name in what_if.shares if name not in prediction.experts]
    if unknown:
        raise ValueError(f"there is no expert {unknown[0]!r}; the experts are {', '.join(prediction.experts)}")
    weights = np.array([what_if.shares.get(name, 0.0) for name in prediction.experts], np.float64)
    free = np.array([name not in what_if.shares for name in prediction.experts])
    shared = weights.sum()
    if free.any() and shared <= 1:
        weights[free] = (1 - shared) * _divided(prediction.routing_weights[free], what_if)
    elif shared > 0:
        weights /= shared
    return replace(prediction, routing_weights=weights)


def _divided(g: np.ndarray, what_if: WhatIf) -> np.ndarray:
    """The router's weights of the free experts -> what each of them gets of 1, same shape."""
    if what_if.routing == "top-1":
        return np.eye(len(g))[g.argmax()]
    if what_if.routing == "uniform" or not g.any():  # a router that gives the free experts nothing prefers none
        return np.full(len(g), 1 / len(g))
    powers = (g / g.max()) ** (1 / what_if.temperature)  # the largest is 1, so that not all underflow
    return powers / powers.sum()


def contributions(prediction: Prediction) -> np.ndarray:
    """(E, C) what each expert adds to each class's logit, g_i f_i[c]; over the experts they sum to the logits."""
    return prediction.routing_weights[:, None] * prediction.expert_logits


def energy(prediction: Prediction) -> float:
    """The energy score -ln sum_c exp(logit_c) of the mixture: lower = more familiar (Liu et al. 2020, section 3)."""
    return -float(logsumexp(prediction.logits))


@torch.inference_mode(False)  # also where the caller has switched gradients off
def attributions(predictor: Predictor, encoding: np.ndarray, modality: str, class_index: int) -> np.ndarray:
    """(E, 1024) float32: how much each input adds to each expert's own logit of a class, by integrated gradients.

    An expert's attributions sum, within the error of `STEPS` steps, to f_i[c](x) - f_i[c](0), where x is the
    standardised input and the baseline 0 the mean of the training inputs: the gradient along the straight line from
    there to x, by the midpoint rule, times x (Sundararajan, Taly and Yan 2017, section 3). Safe in several threads.

    Args:
        encoding: (1024,) as encoded, as in `Prediction.encoding`.
        class_index: in [0, C).
    Raises KeyError for an unknown modality, IndexError for a class_index of C or more.
    """
    standardised = _standardised(predictor, encoding, modality)

    def integrated(model: HetMoE, device: torch.device) -> np.ndarray:
        x = standardised.to(device)
        midpoints = (torch.arange(STEPS, device=device)[:, None] + 0.5) / STEPS
        line = (midpoints * x).requires_grad_()  # STEPS N

        def mean_gradient(expert: nn.Module) -> Tensor:
            (gradient,) = torch.autograd.grad(expert(line)[:, class_index].sum(), line)  # leaves the parameters' alone
            return gradient.mean(0)

        return torch.stack([x[0] * mean_gradient(expert) for expert in model.experts]).cpu().numpy()

    return predictor.compute(integrated)


def inside(predictor: Predictor, encoding: np.ndarray, modality: str) -> dict[str, dict[str, Any]]:
    """What can be shown of each expert at work on one input (1024,), as encoded: expert -> plain data.

    spatial: {"activation": 8 rows of 8}, the mean over channels of its residual layer, each cell 4x4 of the grid.
    temporal: {"activation": [64], "receptive_field": 481}, the mean over channels of |its last layer| at step t,
        which sees the samples 16 t - 480 to 16 t.
    spectral: {"magnitude_response": K rows of 513}, the gain of each learned filter at 0 to 512 cycles in 1024 inputs
        (Hz, for a waveform of one second). The same for every input.
    spectral, of the class Spectral2D: {"magnitude_response": K grids of 32 rows of 17}, the gain of each of its first
        filters at 0 to 15 and -16 to -1 cycles down the grid, 0 to 16 across. The same for every input.
    relational: {"attention": 2 blocks of 32 rows of 32}, what each token attends to; rows sum to 1.

    An expert of another kind has no such view and is left out. Raises KeyError for an unknown modality.
    """
    standardised = _standardised(predictor, encoding, modality)

    @torch.inference_mode()
    def views(model: HetMoE, device: torch.device) -> dict[str, dict[str, Any]]:
        x = standardised.to(device)
        of_all = {name: _view(e, x) for name, e in zip(model.config.expert_labels(), model.experts, strict=True)}
        return {name: view for name, view in of_all.items() if view is not None}

    return predictor.compute(views)


def _view(expert: nn.Module, x: Tensor) -> dict[str, Any] | None:
    match expert:
        case Spatial():
            return {"activation": expert.maps(x)[0].mean(0).tolist()}
        case Temporal():
            activation = expert.sequence(x)[0].abs().mean(0)
            return {"activation": activation.tolist(), "receptive_field": expert.receptive_field()}
        case Spectral() | Spectral2D():
            return {"magnitude_response": expert.magnitude_response().tolist()}
        case Relational():
            return {"attention": expert.attention(x)[0].tolist()}
    return None


def _standardised(predictor: Predictor, encoding: np.ndarray, modality: str) -> Tensor:
    return torch.from_numpy(standardise(encoding, predictor.checkpoint.statistics[modality]))[None]  # 1 N
