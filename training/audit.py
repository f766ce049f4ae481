"""Fairness audit: how well a checkpoint serves each modality and class, on the whole test sets, and who does the work.

Definitions, for one modality's n test inputs (E experts, C classes):

    accuracy, loss      mean of right answers; mean cross-entropy in nats. Of a class: over the inputs that belong to it
    confidence          mean of the largest class probability
    reliability         inputs binned by confidence, 15 bins of equal width, ((b - 1)/15, b/15]; of each bin the mean
                        confidence, the accuracy and the count
    ece                 expected calibration error: sum over bins of count/n |accuracy - confidence| (Guo et al. 2017, "On
                        Calibration of Modern Neural Networks"). Of a class: over the inputs that the model *takes* for
                        it (Gupta and Ramdas 2022, "Top-label calibration"); over those that belong to it, a
                        calibrated model would seem overconfident in every class that is hard
    class_gap, _ratio   accuracy of the best served class minus, and the worst's divided by, the best's; in the modality
                        `all` modality_gap and _ratio likewise
    routing, load       expert i's mean routing weight; the share of inputs for which its weight is the largest
    entropy             mean over the inputs of the routing weights' entropy in nats; entropy_fraction: over its
                        maximum ln E

In the modality `all` these are means over the modalities. Intervals hold 95 % of 2,000 bootstrap replicates, which draw
n test inputs with replacement (percentile method); inputs of the same place are drawn together, since the temporal and
the spectral input of one place are the same recording. Best and worst are those of the test set in every replicate.
The ECE of a replicate is too large, as noise within the bins adds up; its interval is therefore mirrored at the value
(basic bootstrap; Davison and Hinkley 1997, "Bootstrap Methods", 5.2) and stretched to hold it. Intervals say what
other test inputs would change, not what another training run would. An event that no test input shows has the interval
[0, 0]; so have such as all show, [1, 1].
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import entr, log_softmax

from hetmoe.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from training.data import LABELS, load_splits
from training.loop import Evaluation, evaluate
from training.results import Row, Run, read, replace_run, run_of

BINS = 15
REPLICATES = 2_000
LEVEL = 0.95
SEED = 0
CHUNK = 100  # replicates drawn at a time: 16 MB for 10,000 inputs

Arrays = dict[str, np.ndarray]


class Measurement(NamedTuple):
    """A value and the interval around it; both ends are nan where there is none."""

    value: float
    low: float
    high: float


def audit_command(paths: list[Path], data_dir: Path | None, device: str, results: Path) -> str:
    """Audits checkpoints on the test sets, writes `results`/audit.csv and returns the report on them, in Markdown.

    Raises CheckpointError, before anything is measured, for a file that cannot be read, is not of a classification
    model, does not say which run it comes from, or has other labels than the data; DataError, ResultsError.
    """
    from training.verdicts import audit_table

    audited = [(_run(path, checkpoint), checkpoint) for path in paths if (checkpoint := load_checkpoint(path, device))]
    test = load_splits(data_dir).test
    for run, checkpoint in audited:
        evaluations = evaluate(checkpoint.model, test, checkpoint.statistics)
        rows = audit(evaluations, checkpoint.model.config.expert_labels(), checkpoint.labels)
        replace_run(results / "audit.csv", run, rows)
    runs = {run for run, _ in audited}
    return audit_table([row for row in read(results / "audit.csv") if run_of(row) in runs])


def _run(path: Path, checkpoint: Checkpoint) -> Run:
    if checkpoint.model.config.task != "classification":
        raise CheckpointError(f"{path} is a {checkpoint.model.config.task} model; the audit is for classification")
    if checkpoint.labels != LABELS:
        raise CheckpointError(f"{path} has other labels than the test sets, so its answers cannot be judged by them")
    names = ("family", "configuration", "budget", "seed")
    missing = [name for name in names if name not in checkpoint.provenance]
    if missing:
        raise CheckpointError(
            f"{path} does not say its {', '.join(missing)}; please audit a checkpoint that `python -m training` wrote"
        )
    return Run("audit", *(str(checkpoint.provenance[name]) for name in names))


def audit(
    evaluations: dict[str, Evaluation], experts: tuple[str, ...], labels: dict[str, tuple[str, ...]]
) -> list[Row]:
    """Everything that is measured, as rows with modality, metric and value.

    Of a class `<metric>_<class>`, of an expert `routing_<expert>` and `load_<expert>`, of a bin `reliability_confidence_07`,
    `reliability_accuracy_07`, `reliability_count_07`; interval ends `<metric>_low` and `<metric>_high`. What is
    undefined (an empty class or bin) is left out.
    """
    measured = {m: _measures(_sums(_features(e)), experts, labels[m]) for m, e in evaluations.items()}
    measured["all"] = _overall(measured)
    return [row for modality, measures in measured.items() for row in _rows(modality, measures)]


def measurements(rows: list[Row]) -> dict[str, dict[str, Measurement]]:
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


def parts(measured: dict[str, Measurement], metric: str) -> dict[str, Measurement]:
    """Class or expert -> Measurement of `<metric>_<class or expert>`."""
    return {name.removeprefix(f"{metric}_"): m for name, m in measured.items() if name.startswith(f"{metric}_")}


def _features(e: Evaluation) -> Arrays:
    """What has to be summed over the inputs for the measures: name -> (n, k) float64."""
    n, classes = e.logits.shape
    log_p = log_softmax(e.logits.astype(np.float64), axis=1)
    confidence, correct = np.exp(log_p.max(1, keepdims=True)), e.correct[:, None].astype(np.float64)
    loss = -np.take_along_axis(log_p, e.labels[:, None], 1)
    g = e.routing_weights.astype(np.float64)
    belongs, taken = _one_hot(e.labels, classes), _one_hot(e.logits.argmax(1), classes)
    bins = _one_hot(np.ceil(BINS * confidence[:, 0]).astype(int) - 1, BINS)
    return {
        "inputs": np.ones((n, 1)),
        "accuracy": correct,
        "loss": loss,
        "confidence": confidence,
        "entropy": entr(g).sum(1, keepdims=True),
        "routing": g,
        "load": _one_hot(g.argmax(1), g.shape[1]),
        "class inputs": belongs,
        "class accuracy": belongs * correct,
        "class loss": belongs * loss,
        "bin inputs": bins,
        "bin confidence": bins * confidence,
        "bin accuracy": bins * correct,
        "taken inputs": taken,
        "taken gaps": np.einsum("nc,nb->ncb", taken, bins * (confidence - correct)).reshape(n, -1),
    }


def _one_hot(indices: np.ndarray, k: int) -> np.ndarray:
    return np.eye(k)[indices]


def _sums(features: Arrays) -> Arrays:
    """Sums over the inputs: name -> (1 + replicates, k). The first row is the test set, the others are bootstrap
    replicates of it."""
    table = np.hstack(list(features.values()))
    n = len(table)
    generator = np.random.default_rng(SEED)  # the same draws for every modality of n inputs
    sums = [table.sum(0, keepdims=True)]
    for _ in range(REPLICATES // CHUNK):
        drawn = generator.integers(n, size=(CHUNK, n)) + n * np.arange(CHUNK)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=CHUNK * n).reshape(CHUNK, n)
        sums.append(counts.astype(np.float64) @ table)
    ends = np.cumsum([f.shape[1] for f in features.values()])[:-1]
    return dict(zip(features, np.split(np.vstack(sums), ends, axis=1), strict=True))


def _measures(s: Arrays, experts: tuple[str, ...], classes: tuple[str, ...]) -> Arrays:
    """metric -> (1 + replicates,), from such sums; nan where it is undefined."""
    n = s["inputs"]
    with np.errstate(divide="ignore", invalid="ignore"):  # empty classes and bins are nan
        ece = np.abs(s["bin confidence"] - s["bin accuracy"]).sum(1) / n[:, 0]
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
        measures |= {"inputs": n[:, 0], "ece": ece} | _disparity("class", by_class["accuracy"])
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
    return {f"{of}_gap": best - worst, f"{of}_ratio": worst / best}


def _overall(measured: dict[str, Arrays]) -> Arrays:
    """Means over the modalities, and the disparity between them."""
    first, *others = measured.values()
    shared = [m for m in first if m != "inputs" and not m.startswith(("reliability_", "class_"))]
    shared = [m for m in shared if all(m in other for other in others)]
    means = {m: np.mean([measures[m] for measures in measured.values()], axis=0) for m in shared}
    return means | _disparity("modality", np.stack([measures["accuracy"] for measures in measured.values()], 1))


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
    if metric.startswith("ece"):
        low, high = max(0.0, 2 * value - high), max(value, 2 * value - low)
    return low, high


def _row(modality: str, metric: str, value: float) -> Row:
    return {"modality": modality, "metric": metric, "value": f"{value:.6g}"}
