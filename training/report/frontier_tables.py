"""The frontier family's results in words and tables (Markdown), from their rows alone."""

from hetmoe.encoding import MODALITIES
from training import frontier
from training.audit.measures import BINS, Measurement, measurements
from training.report.findings import p_text, seeds, summary
from training.report.realdata_tables import mean_sd, weights_table
from training.report.tables import MISSING, table
from training.results import Row, of_family, paired_p, per_seed

COMMAND = "python -m training frontier"
NOT_RUN = f"Not run yet: `{COMMAND}`."
# What was asked for beforehand: test accuracies, and calibration errors with the temperature
MUST = {"all": 0.81, "spatial": 0.80, "temporal": 0.60, "spectral": 0.88, "relational": 0.96}
AIM = {"all": 0.87, "spatial": 0.86, "temporal": 0.72, "spectral": 0.94, "relational": 0.975}
MOST_ECE = {"spatial": 0.03, "temporal": 0.05, "spectral": 0.05, "relational": 0.03}


def frontier_report(rows: list[Row]) -> str:
    """All that takes no audit."""
    if not rows:
        return NOT_RUN
    return "\n\n".join(
        part for part in (frontier_table(rows), gap_text(rows), goals_text(rows), frontier_routing(rows)) if part
    )


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


def gaps(rows: list[Row], modality: str = "all") -> dict[str, dict[int, float]]:
    """Control -> seed -> accuracy of the heterogeneous mixture minus that of the control, of the seeds that both have;
    the closest control first. Without the controls that share no seed."""
    mixture = per_seed(rows, "heterogeneous", "accuracy", modality)
    by_control = {}
    for c in measured(rows):
        control = per_seed(rows, c, "accuracy", modality)
        if c != "heterogeneous" and (both := sorted(mixture.keys() & control.keys())):
            by_control[c] = {seed: mixture[seed] - control[seed] for seed in both}
    return dict(sorted(by_control.items(), key=lambda item: sum(item[1].values()) / len(item[1])))


def gap_text(rows: list[Row]) -> str:
    """The heterogeneous mixture against each control, in points, and whether it beats the best of them."""
    sentences = []
    mixture = per_seed(rows, "heterogeneous", "accuracy")
    by_control = gaps(rows)
    for c, gap in by_control.items():
        p = paired_p(mixture, per_seed(rows, c, "accuracy"))
        test = f"{p_text(p)}, n = {len(gap)}" if len(gap) > 1 else "one seed"
        each = ", ".join(f"{100 * g:+.1f}" for g in gap.values())
        sentences.append(f"{100 * sum(gap.values()) / len(gap):+.1f} points against {c} ({each} by seed; {test})")
    if not sentences:
        return ""
    best, closest = next(iter(by_control.items()))
    beats = "beats" if sum(closest.values()) > 0 else "does **not** beat"
    return f"The heterogeneous mixture {beats} its best control, {best}: {'; '.join(sentences)}."


def goals_text(rows: list[Row]) -> str:
    """What the heterogeneous mixture was asked for and misses."""
    reached = {m: s.mean for m in MUST if (s := summary(rows, "heterogeneous", m))}
    if not reached:
        return ""
    sentences = []
    for name, goals in (("at least", MUST), ("as an aim", AIM)):
        missed = [
            f"{m} ({100 * reached[m]:.1f} instead of {100 * goals[m]:.1f} %)" for m in reached if reached[m] < goals[m]
        ]
        sentences.append(f"Of what was asked for {name}, it misses {', '.join(missed) if missed else 'nothing'}.")
    return " ".join(sentences)


def frontier_routing(rows: list[Row]) -> str:
    """Mean routing weights in per cent, modality by expert, of the heterogeneous mixture."""
    return weights_table(rows, "heterogeneous")


def calibration_table(audit: list[Row]) -> str:
    """Calibration errors of the published checkpoints, before and with the temperature, and those that are too large.

    audit: rows of training.audit, of any family. Empty if there are none of the frontier.
    """
    body, too_large = [], []
    for c in frontier.CONFIGURATIONS:
        mine = [row for row in of_family(audit, "frontier") if row["configuration"] == c]
        everything = measurements(mine)
        if not everything:
            continue
        body.append([c, *(_before_and_after(everything[m]) for m in MODALITIES)])
        too_large += [
            f"{c} {m} ({100 * everything[m]['calibrated_ece'].value:.1f} %)"
            for m in MODALITIES
            if everything[m]["calibrated_ece"].value > MOST_ECE[m]
        ]
    if not body:
        return ""
    body.append(["asked for: at most", *(f"{100 * MOST_ECE[m]:.0f}" for m in MODALITIES)])
    note = (
        f"Expected calibration error of the published checkpoints on the test sets in per cent, {BINS} bins: as "
        "trained → with the temperature that the checkpoint carries, which was fitted on validation data. Too large: "
        f"{', '.join(too_large) if too_large else 'none'}. Command: `python -m training audit`."
    )
    return f"{table(['configuration', *MODALITIES], body)}\n\n{note}"


def _before_and_after(of: dict[str, Measurement]) -> str:
    return f"{100 * of['ece'].value:.1f} → {100 * of['calibrated_ece'].value:.1f}"
