"""What the fairness audit measures: how well each modality and class is served, and which expert does the work.

Definitions, for one modality's n test inputs (E experts, C classes):

    accuracy, loss      share of right answers; mean cross-entropy in nats. Of a class: over the inputs that are of it
    confidence          mean of the largest class probability
    reliability         inputs binned by confidence, 15 bins of equal width, ((b - 1)/15, b/15]; of each bin the mean
                        confidence, the accuracy and the count
    ece                 expected calibration error: sum over the bins of count/n |accuracy - confidence| (Guo et al.
                        2017, "On Calibration of Modern Neural Networks"). Of a class: over the inputs that the model
                        *takes* for it (Gupta and Ramdas 2022, "Top-label calibration"); over those that are of it,
                        even a calibrated model would seem overconfident in every hard class
    calibrated_ece      the same, of the mixture's logits divided by the temperature that the checkpoint carries
    class_gap           accuracy of the best served class minus that of the worst
    class_ratio         accuracy of the worst served class divided by that of the best; 0 if none is served
    routing             of an expert, its mean routing weight
    load                of an expert, the share of the inputs for which its weight is the largest; ties count in parts
    entropy             mean over the inputs of the routing weights' entropy in nats; entropy_fraction: relative to ln E

In the modality `all` they are means over the modalities, and modality_gap and modality_ratio compare the modalities.

Intervals hold 95 % of 2,000 bootstrap replicates (percentile method), each of n test inputs drawn with replacement.
Inputs of the same place are drawn together, since the temporal and the spectral input of a place are one recording. The
best and worst served stay those of the test set. The ECE of a replicate is too large, as noise within the bins adds up:
its interval is mirrored at the value (basic bootstrap; Davison and Hinkley 1997, "Bootstrap Methods and their
Application", 5.2) and stretched to hold it. Intervals say what other test inputs could change, not what another
training run could; where all inputs agree they have no width.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import entr, log_softmax

from training.loop import Evaluation
from training.results import Row

BINS = 15
REPLICATES = 2_000
LEVEL = 0.95
SEED = 0
# Besides the experts' shares
OVERALL = ("accuracy", "loss", "confidence", "ece", "calibrated_ece", "entropy", "entropy_fraction")
DRAWS = 1_000_000  # inputs drawn at a time: 16 MB

Arrays = dict[str, np.ndarray]
Measurements = dict[str, "Measurement"]  # metric -> Measurement, of one modality


class Measurement(NamedTuple):
    """A value and the interval around it; both ends are nan where there is none."""

    value: float
    low: float
    high: float


def audit(
    evaluations: dict[str, Evaluation],
    experts: tuple[str, ...],
    labels: dict[str, tuple[str, ...]],
    temperatures: dict[str, float],
) -> list[Row]:
    """Everything that is measured, as rows with modality, metric and value.

    Of a class `<metric>_<class>`, of an expert `routing_<expert>` and `load_<expert>`, of a bin
    `reliability_confidence_07`, `reliability_accuracy_07` and `reliability_count_07`; the ends of intervals
    `<metric>_low` and `<metric>_high`. What an empty class or bin leaves undefined is left out.
    """
    measured = {m: _measures(_sums(_features(e, temperatures[m])), experts, labels[m]) for m, e in evaluations.items()}
    measured["all"] = _overall(measured)
    return [row for modality, measures in measured.items() for row in _rows(modality, measures)]


def measurements(rows: list[Row]) -> dict[str, Measurements]:
    """One run's rows read back: modality -> metric -> Measurement."""
    table: dict[str, dict[str, float]] = {}
    for row in rows:
        table.setdefault(row["modality"], {})[row["metric"]] = float(row["value"])
    nan = float("nan")
    return {
        modality: {
            metric: Measurement(value, values.get(f"{metric}_low", nan), values.get(f"{metric}_high", nan))
            for metric, value in values.items()
            if not metric.endswith(("_low", "_high"))
        }
        for modality, values in table.items()
    }


def parts(measured: Measurements, metric: str) -> Measurements:
    """Class or expert -> Measurement of `<metric>_<class or expert>`."""
    return {name.removeprefix(f"{metric}_"): m for name, m in measured.items() if name.startswith(f"{metric}_")}


def calibration_error(e: Evaluation) -> float:
    """The expected calibration error alone, without an interval."""
    return float(_ece({name: f.sum(0, keepdims=True) for name, f in _features(e, 1.0).items()})[0])


def _ece(s: Arrays) -> np.ndarray:
    """(k,) from the sums over the inputs, k rows of them."""
    return np.abs(s["bin confidence"] - s["bin accuracy"]).sum(1) / s["inputs"][:, 0]


def _features(e: Evaluation, temperature: float) -> Arrays:
    """What has to be summed over the inputs for the measures: name -> (n, k) float64."""
    n, classes = e.logits.shape
    log_p = log_softmax(e.logits.astype(np.float64), axis=1)
    confidence, correct = np.exp(log_p.max(1, keepdims=True)), e.correct[:, None].astype(np.float64)
    calibrated = np.exp(log_softmax(e.logits.astype(np.float64) / temperature, axis=1).max(1, keepdims=True))
    loss = -np.take_along_axis(log_p, e.labels[:, None], 1)
    g = e.routing_weights.astype(np.float64)
    largest = g == g.max(1, keepdims=True)
    belongs, taken = _one_hot(e.labels, classes), _one_hot(e.logits.argmax(1), classes)
    bins = _bins(confidence)
    return {
        "inputs": np.ones((n, 1)),
        "accuracy": correct,
        "loss": loss,
        "confidence": confidence,
        "entropy": entr(g).sum(1, keepdims=True),
        "routing": g,
        "load": largest / largest.sum(1, keepdims=True),
        "class inputs": belongs,
        "class accuracy": belongs * correct,
        "class loss": belongs * loss,
        "bin inputs": bins,
        "bin confidence": bins * confidence,
        "bin accuracy": bins * correct,
        "taken inputs": taken,
        "taken gaps": np.einsum("nc,nb->ncb", taken, bins * (confidence - correct)).reshape(n, -1),
        "calibrated gaps": _bins(calibrated) * (calibrated - correct),
    }


def _bins(confidence: np.ndarray) -> np.ndarray:
    """(n, 1) in (0, 1] -> (n, BINS), 1 in the bin of each and 0 elsewhere."""
    return _one_hot(np.ceil(BINS * confidence[:, 0]).astype(int) - 1, BINS)


def _one_hot(indices: np.ndarray, k: int) -> np.ndarray:
    return np.eye(k)[indices]


def _sums(features: Arrays) -> Arrays:
    """Sums over the inputs: name -> (1 + replicates, k). The first row is the test set, the others are bootstrap
    replicates of it."""
    table = np.hstack(list(features.values()))
    n = len(table)
    generator = np.random.default_rng(SEED)  # the same draws for every modality of n inputs
    sums = [table.sum(0, keepdims=True)]
    together = max(1, DRAWS // n)
    for start in range(0, REPLICATES, together):
        size = min(together, REPLICATES - start)
        drawn = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        sums.append(counts.astype(np.float64) @ table)
    ends = np.cumsum([f.shape[1] for f in features.values()])[:-1]
    return dict(zip(features, np.split(np.vstack(sums), ends, axis=1), strict=True))


def _measures(s: Arrays, experts: tuple[str, ...], classes: tuple[str, ...]) -> Arrays:
    """metric -> (1 + replicates,), from such sums; nan where it is undefined."""
    n = s["inputs"]
    with np.errstate(divide="ignore", invalid="ignore"):  # empty classes and bins are nan
        ece = _ece(s)
        calibrated_ece = np.abs(s["calibrated gaps"]).sum(1) / n[:, 0]
        class_gaps = np.abs(s["taken gaps"].reshape(len(n), len(classes), BINS)).sum(2)
        by_class = {
            "accuracy": s["class accuracy"] / s["class inputs"],
            "loss": s["class loss"] / s["class inputs"],
            "ece": class_gaps / s["taken inputs"],
        }
        by_expert = {"routing": s["routing"] / n, "load": s["load"] / n}
        by_bin = {name: s[f"bin {name}"] / s["bin inputs"] for name in ("confidence", "accuracy")}
        by_bin["count"] = s["bin inputs"]
        measures = {name: (s[name] / n)[:, 0] for name in ("accuracy", "loss", "confidence")}
        measures |= {"inputs": n[:, 0], "ece": ece, "calibrated_ece": calibrated_ece}
        measures |= _disparity("class", by_class["accuracy"])
    for name, values in by_class.items():
        measures |= {f"{name}_{c}": v for c, v in zip(classes, values.T, strict=True)}
    for name, values in by_expert.items():
        measures |= {f"{name}_{e}": v for e, v in zip(experts, values.T, strict=True)}
    measures["entropy"] = (s["entropy"] / n)[:, 0]
    if len(experts) > 1:
        measures["entropy_fraction"] = measures["entropy"] / np.log(len(experts))
    for name, values in by_bin.items():
        measures |= {f"reliability_{name}_{b:02}": v for b, v in enumerate(values.T, 1)}
    return measures


def _disparity(of: str, accuracy: np.ndarray) -> Arrays:
    """Between the best and the worst served of (1 + replicates, k) accuracies: those that are so in the first row."""
    best, worst = accuracy[:, np.nanargmax(accuracy[0])], accuracy[:, np.nanargmin(accuracy[0])]
    return {f"{of}_gap": best - worst, f"{of}_ratio": np.divide(worst, best, np.zeros_like(best), where=best > 0)}


def _overall(measured: dict[str, Arrays]) -> Arrays:
    """Means over the modalities, and the disparity between them."""
    everyone = list(measured.values())
    wanted = [m for m in everyone[0] if m in OVERALL or m.startswith(("routing_", "load_"))]
    means = {m: np.mean([measures[m] for measures in everyone], axis=0) for m in wanted}
    return means | _disparity("modality", np.stack([measures["accuracy"] for measures in everyone], 1))


def _rows(modality: str, measures: Arrays) -> list[Row]:
    rows = []
    for metric, values in measures.items():
        if np.isnan(values[0]):
            continue
        rows.append(_row(modality, metric, values[0]))
        if metric != "inputs" and not metric.startswith(("reliability_count", "reliability_confidence")):
            low, high = _interval(metric, values)
            rows += [_row(modality, f"{metric}_low", low), _row(modality, f"{metric}_high", high)]
    return rows


def _interval(metric: str, values: np.ndarray) -> tuple[float, float]:
    value = values[0]
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if "ece" in metric.split("_"):
        low, high = max(0.0, 2 * value - high), max(value, 2 * value - low)
    return low, high


def _row(modality: str, metric: str, value: float) -> Row:
    return {"modality": modality, "metric": metric, "value": f"{value:.6g}"}
