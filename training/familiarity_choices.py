"""Familiarity choices: how the page can tell that an input is like nothing the models were trained on, measured.

    python -m training.familiarity_choices replica --data-dir data        (a minute on one core; or: frontier)

Every score is fitted on 5,000 training inputs, and its threshold set to 5 % false alarms on the validation inputs.
Printed is the share of foreign inputs (training.foreign, the set to choose by) that it flags, for each configuration,
and of known recordings with an offset of 1 % of their peak, of which it should flag 5 %. For the heterogeneous
replica, in per cent (the two columns on the right depend on no model):

                                   energy  calibrated  probability  experts, diag.  shrunk  mean, std  * and rough
    spatial     MNIST digits            1           1           11              13      40        100          100
                uniform noise           7           8            1             100     100          0          100
                one grey                0           0            6              14      29        100          100
                shuffled pixels        24          27            3              95      98          6          100
    temporal    white noise             4           0            6               0       0          0            0
                pure tones              0           0            1              46      47         91           77
                other words             2           4            3              14       8          3            3
                known, offset           5           5            5               5       5        100          100
    spectral    white noise             0           0           13             100     100        100          100
                pure tones             22          11           29              12      81         58          100
                other words             8           8            8               3       4          3            4
    relational  CIFAR-10 pictures      77          77           52              10      30         60           59
                scribbles              71          71           47               4      16         15           19

The energy is of little use for pictures and recordings: the models answer noise as confidently as what they know. Three
numbers of the input itself tell it, so for these the page uses *; for digits, the energy (61 and 54 % for the hybrid
model, 44 and 45 % for the homogeneous). Recordings are judged by their spectrum alone: in the waveform white noise
passes for speech, and known words are flagged for a microphone's offset (in the spectrum it is one number of 1024).
Nothing here hears that a word is none of the ten.

For the heterogeneous one of the frontier, seed 42:

                                   energy  calibrated  probability  experts, diag.  shrunk  mean, std  * and rough
    spatial     MNIST digits           11          16           21              33      13        100          100
                uniform noise          98          95           46               0       0          0          100
                one grey               15          20           28              34      32        100          100
                shuffled pixels        95          92           56               0       0          6          100
    temporal    white noise            96          95           72               1       1          4            0
                pure tones             26          34           50              42      81         98           56
                other words            18          21           26               3       2          1            1
                known, offset           5           5            5               5       5          6            6
    spectral    white noise           100         100          100               0       0        100          100
                pure tones              3           4           13              73      96          0           86
                other words            30          38           47               0       0          2            2
    relational  CIFAR-10 pictures      66          66           60              14      66         53           50
                scribbles              58          60           54               2       6          1            1

Its energy tells more than the replica's, yet neither a digit from a picture nor a tone from a word: the choice is the
same. What the energy alone tells, three of ten other words, is not worth missing the tones for.

    energy        -logsumexp of the mixture's logits (Liu et al. 2020); calibrated: of the logits divided by the
                  temperature T that calibrates them, times T
    probability   the largest class probability (Hendrycks and Gimpel 2017)
    experts       Mahalanobis distance of all experts' logits (E·C features; Lee et al. 2018, without classes), with a
                  diagonal covariance or one whose correlations are shrunk by a tenth
    mean, std     Mahalanobis distance of the mean and log standard deviation of the encoded input
    * and rough   the same with its log roughness: hetmoe.familiarity
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import logsumexp, softmax

from hetmoe.checkpoint import load_checkpoint
from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import FAMILIES, standardise
from hetmoe.familiarity import traits
from hetmoe.inference import default_checkpoint
from training.calibration import temperature
from training.data import data_folder, load_splits
from training.foreign import foreign_inputs
from training.landscape import FALSE_ALARMS, energy
from training.loop import Evaluation, evaluate, predict

N_TRAINING = 5_000
OFFSET = 0.01  # of a recording's peak

Inputs = tuple[np.ndarray, Evaluation]  # n inputs: encoded (n, 1024), and what a model makes of them
Score = Callable[[Inputs], np.ndarray]  # (n,), high for foreign inputs


def mahalanobis(features: Callable[[Inputs], np.ndarray], training: Inputs, shrink: float = 0.0) -> Score:
    """The squared distance of (n, k) features from their mean; `shrink` takes correlations down, 1 to none at all."""
    of = features(training).astype(np.float64)
    mean, std = of.mean(0), of.std(0)
    precision = np.linalg.inv((1 - shrink) * np.corrcoef(of.T) + shrink * np.eye(len(mean)))

    def score(inputs: Inputs) -> np.ndarray:
        z = (features(inputs) - mean) / std
        return np.einsum("ni,ij,nj->n", z, precision, z)

    return score


def experts(inputs: Inputs) -> np.ndarray:
    return inputs[1].expert_logits.reshape(len(inputs[0]), -1)


def scores(training: Inputs, validation: Inputs) -> dict[str, Score]:
    t = temperature(validation[1])
    return {
        "energy": lambda inputs: energy(inputs[1].logits),
        "calibrated": lambda inputs: -t * logsumexp(inputs[1].logits / t, axis=1),
        "probability": lambda inputs: -softmax(inputs[1].logits, axis=1).max(1),
        "experts, diag.": mahalanobis(experts, training, shrink=1),
        "experts, shrunk": mahalanobis(experts, training, shrink=0.1),
        "mean, std": mahalanobis(lambda inputs: traits(inputs[0])[:, :2], training),
        "* and rough": mahalanobis(lambda inputs: traits(inputs[0]), training),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    root = data_folder(options.data_dir)
    data = load_splits(root, family=options.family)
    foreign = foreign_inputs(root, data, "validation", options.family)
    foreign["temporal"]["known, offset"] = data.validation.inputs["temporal"] + np.float32(OFFSET)
    for configuration in CONFIGURATIONS:
        checkpoint = load_checkpoint(default_checkpoint(configuration, options.family))
        training, validation = (
            evaluate(checkpoint.model, split, checkpoint.statistics, at_most=N_TRAINING)
            for split in (data.train, data.validation)
        )
        for modality, kinds in foreign.items():
            known = data.train.inputs[modality][:N_TRAINING], training[modality]
            usual = data.validation.inputs[modality][:N_TRAINING], validation[modality]
            by_name = scores(known, usual)
            thresholds = {name: np.quantile(score(usual), 1 - FALSE_ALARMS) for name, score in by_name.items()}
            print(f"\n{configuration}, {modality:25}", *(f"{name:>15}" for name in by_name))
            for kind, x in kinds.items():
                outputs = predict(checkpoint.model, standardise(x, checkpoint.statistics[modality]), modality)
                inputs = x, Evaluation(*outputs, labels=np.zeros(len(x), np.int64))
                shares = [(score(inputs) > thresholds[name]).mean() for name, score in by_name.items()]
                print(f"{kind:40}", *(f"{share:15.0%}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
