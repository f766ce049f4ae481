"""Made-up results, written by the same code as real ones."""

from collections.abc import Mapping
from pathlib import Path

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from training.data import LABELS
from training.results import CURVE_COLUMNS, Row, Run, replace_run

EXPERTS = {
    "homogeneous": ("ffn 1", "ffn 2", "ffn 3", "ffn 4"),
    "heterogeneous": CONFIGURATIONS["heterogeneous"],
    "hybrid": CONFIGURATIONS["hybrid"],
}
SEEDS = (42, 123, 456)
# configuration: accuracy by modality for the first seed; SEED_EFFECT is added for each seed
ACCURACY = {
    "homogeneous": (0.40, 0.20, 0.30, 0.90),
    "heterogeneous": (0.60, 0.50, 0.60, 0.94),
    "hybrid": (0.58, 0.46, 0.50, 0.92),
}
SEED_EFFECT = {"homogeneous": (0, 0.02, 0.01), "heterogeneous": (0, 0.01, 0.02), "hybrid": (0.02, 0, 0.01)}
WEIGHTS = (0.4, 0.3, 0.2, 0.1)  # of the experts in their order, for every modality


def write_results(
    folder: Path,
    accuracy: Mapping[str, tuple[float, ...]] = ACCURACY,
    seeds: tuple[int, ...] = SEEDS,
    epochs: int = 3,
) -> Path:
    """Both files in `folder`, which is returned; at epoch e the validation accuracy is e/epochs of the test's."""
    for configuration, by_modality in accuracy.items():
        for i, seed in enumerate(seeds):
            run = Run("realdata", "replica", configuration, "223000", str(seed))
            values = [value + SEED_EFFECT[configuration][i] for value in by_modality]
            overall = sum(values) / len(values)
            rows = [_row("all", "accuracy", overall), _row("all", "parameters", 223_000 - i)]
            rows.append(_row("all", "multiply_adds", 4_000_000))
            for modality, value in zip(MODALITIES, values, strict=True):
                rows.append(_row(modality, "accuracy", value))
                *others, last = LABELS[modality]
                rows += [_row(modality, f"accuracy_{label}", value + 0.01) for label in others]
                rows.append(_row(modality, f"accuracy_{last}", value - 0.09))
                for expert, weight in zip(EXPERTS[configuration], WEIGHTS, strict=True):
                    rows.append(_row(modality, f"routing_{expert}", weight))
                    rows.append(_row(modality, f"accuracy_of_{expert}", 0.1))
                    rows.append(_row(modality, f"accuracy_without_{expert}", value / 2))
            if "spatial" in EXPERTS[configuration]:
                rows.append(_row("spatial", "routing_of_airplane_spatial", 0.55))
            replace_run(folder / "realdata.csv", run, rows)
            curve = [{"epoch": str(e), **_row("all", "accuracy", overall * e / epochs)} for e in range(1, epochs + 1)]
            replace_run(folder / "realdata_curves.csv", run, curve, CURVE_COLUMNS)
    return folder


def _row(modality: str, metric: str, value: float) -> Row:
    return {"modality": modality, "metric": metric, "value": str(value)}
