"""Familiarity: does an input look like anything of its modality that the models were trained on?

An encoded input has three traits: its mean, the logarithm of its standard deviation, and the logarithm of its
roughness, the mean absolute difference of neighbouring numbers. How unfamiliar it is, is the squared Mahalanobis
distance of its traits from those of the training inputs. That depends on the input alone, not on a model. How it was
chosen, and for which modalities: training.familiarity_choices.
"""

from typing import NamedTuple

import numpy as np

from hetmoe.inference import Prediction

FLOOR = 1e-3  # below it, spread and roughness count as none


class Usual(NamedTuple):
    """The traits of one modality's training inputs."""

    mean: np.ndarray  # (3,)
    precision: np.ndarray  # (3, 3), the inverse of their covariance


def traits(x: np.ndarray) -> np.ndarray:
    """Encoded inputs (..., 1024) -> (..., 3) float64: mean, log standard deviation, log roughness."""
    x = x.astype(np.float64)
    roughness = np.abs(np.diff(x)).mean(-1)
    return np.stack([x.mean(-1), np.log(x.std(-1) + FLOOR), np.log(roughness + FLOOR)], axis=-1)


def distance(x: np.ndarray, usual: Usual) -> np.ndarray:
    """Encoded inputs (..., 1024) -> (...,) float64 ≥ 0, 3 on average over the training inputs."""
    z = traits(x) - usual.mean
    return np.einsum("...i,ij,...j->...", z, usual.precision, z)


def unfamiliarity(prediction: Prediction, usual: Usual) -> float:
    """How unfamiliar the input is, to be compared with the threshold in results/landscape.json."""
    return float(distance(prediction.encoding, usual))
