"""The frontier family's results in words and tables (Markdown), from their rows alone."""

from hetmoe.encoding import MODALITIES
from training import frontier
from training.report.findings import p_text, seeds, summary
from training.report.realdata_tables import mean_sd, weights_table
from training.report.tables import MISSING, table
from training.results import Row, paired_p, per_seed

MUST = {"all": 0.81, "spatial": 0.80, "temporal": 0.60, "spectral": 0.88, "relational": 0.96}
AIM = {"all": 0.87, "spatial": 0.86, "temporal": 0.72, "spectral": 0.94, "relational": 0.975}


def frontier_report(rows: list[Row]) -> str:
    """All of it, for a terminal."""
    return "\n\n".join(part for part in (frontier_table(rows), gap_text(rows), frontier_routing(rows)) if part)


def frontier_table(rows: list[Row]) -> str:
    """Test accuracy in per cent of the mixture and its controls, and below them what was asked for."""
    header = ["configuration", "accuracy", *MODALITIES, "parameters", "multiply-adds", "minutes of one core"]
    body = []
    for c in measured(rows):
        parameters, multiply_adds, seconds = (
            summary(rows, c, metric=m) for m in ("parameters", "multiply_adds", "seconds")
        )
        body.append(
            [
                c,
                f"{mean_sd(summary(rows, c))} (n = {len(seeds(rows, c))})",
                *(mean_sd(summary(rows, c, m)) for m in MODALITIES),
                f"{parameters.mean:,.0f}" if parameters else MISSING,
                f"{multiply_adds.mean / 1e6:.2f} M" if multiply_adds else MISSING,
                f"{seconds.mean / 60:.0f}" if seconds else MISSING,
            ]
        )
    for name, goals in (("asked for: at least", MUST), ("asked for: aim", AIM)):
        body.append([name, *(f"{100 * goals[m]:.1f}" for m in ("all", *MODALITIES)), *[MISSING] * 3])
    note = (
        "Test accuracy in per cent over the whole test sets, mean ± standard deviation over the n seeds (ddof = 1); "
        "*accuracy* is the mean over the four modalities. Multiply-adds are for one input and all experts; "
        "*convolutional* is one spatial expert of the whole size, without a router."
    )
    return f"{table(header, body)}\n\n{note}"


def measured(rows: list[Row]) -> list[str]:
    """The configurations that there are results of, in the order of training.frontier."""
    return [c for c in frontier.CONFIGURATIONS if seeds(rows, c)]


def gap_text(rows: list[Row]) -> str:
    """The heterogeneous mixture against each control, in points, over the seeds that both have."""
    sentences = []
    mixture = per_seed(rows, "heterogeneous", "accuracy")
    for c in measured(rows):
        control = per_seed(rows, c, "accuracy")
        both = sorted(mixture.keys() & control.keys())
        if c == "heterogeneous" or not both:
            continue
        gaps = [100 * (mixture[seed] - control[seed]) for seed in both]
        test = f"{p_text(paired_p(mixture, control))}, n = {len(both)}" if len(both) > 1 else "one seed allows no test"
        each = ", ".join(f"{gap:+.1f}" for gap in gaps)
        sentences.append(f"{sum(gaps) / len(gaps):+.1f} points against {c} ({each} by seed; {test})")
    return f"The heterogeneous mixture: {'; '.join(sentences)}." if sentences else ""


def frontier_routing(rows: list[Row]) -> str:
    """Mean routing weights in per cent, modality by expert, of the heterogeneous mixture."""
    return weights_table(rows, "heterogeneous")
