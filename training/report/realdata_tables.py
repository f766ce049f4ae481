"""The real-data results in words and tables (Markdown), from their rows alone, for terminal, model card and report."""

from math import isnan

from hetmoe.encoding import MODALITIES
from training.report.findings import (
    PAPER_ACCURACY,
    PAPER_AIRPLANE,
    PAPER_SD,
    Gain,
    configurations,
    p_text,
    relative_gain,
    routing,
    seeds,
    summary,
)
from training.report.tables import MISSING, table
from training.results import Row, Summary


def realdata_report(rows: list[Row]) -> str:
    """All of it, for a terminal."""
    return "\n\n".join([realdata_table(rows), gain_text(rows), routing_table(rows), airplane_text(rows)])


def realdata_table(rows: list[Row]) -> str:
    """Test accuracy in per cent, with parameters, multiply-adds and the paper's accuracy beside it."""
    header = ["configuration", "accuracy", *MODALITIES, "parameters", "multiply-adds", "the paper's accuracy"]
    body = []
    for c in configurations(rows):
        parameters, multiply_adds = (summary(rows, c, metric=m) for m in ("parameters", "multiply_adds"))
        body.append(
            [
                c,
                f"{mean_sd(summary(rows, c))} (n = {len(seeds(rows, c))})",
                *(mean_sd(summary(rows, c, m)) for m in MODALITIES),
                f"{parameters.mean:,.0f}" if parameters else MISSING,
                f"{multiply_adds.mean / 1e6:.2f} M" if multiply_adds else MISSING,
                f"{100 * PAPER_ACCURACY[c]['all']:.2f} ± {100 * PAPER_SD[c]:.2f} %",
            ]
        )
    note = (
        "Test accuracy in per cent over the whole test sets, mean ± standard deviation over the n seeds (ddof = 1); "
        "*accuracy* is the mean over the four modalities. Multiply-adds are for one input."
    )
    return f"{table(header, body)}\n\n{note}"


def gain_text(rows: list[Row]) -> str:
    """Heterogeneous against homogeneous and hybrid, in the mean and by seed, with the paired tests and their caveat."""
    gains = {other: gain for other in ("homogeneous", "hybrid") if (gain := relative_gain(rows, other))}
    if not gains:
        return "No seed has been run with heterogeneous and other experts yet, so there is no gain to state."
    sentences = [_gain_sentence(other, gain) for other, gain in gains.items()]
    if any(len(gain.by_seed) > 1 for gain in gains.values()):
        sentences.append(
            "p is that of a two-sided paired t-test over the seeds. With so few of them it leans on normally "
            "distributed differences: read it beside the gains by seed."
        )
    return " ".join(sentences)


def _gain_sentence(other: str, gain: Gain) -> str:
    n, ahead = len(gain.by_seed), sum(g > 0 for g in gain.by_seed.values())
    by_seed = ", ".join(f"{100 * g:+.1f} % (seed {seed})" for seed, g in gain.by_seed.items())
    paper = PAPER_ACCURACY["heterogeneous"]["all"] / PAPER_ACCURACY[other]["all"] - 1
    test = "one seed allows no test" if isnan(gain.p) else f"{p_text(gain.p)}, n = {n}"
    return (
        f"Relative to {other}, heterogeneous accuracy is {100 * gain.mean:+.1f} % in the mean (the paper's figures "
        f"give {100 * paper:+.1f} %), and higher in {ahead} of {n} seed{'s' * (n != 1)}: {by_seed}; {test}."
    )


def routing_table(rows: list[Row]) -> str:
    """Mean routing weights in per cent, modality by expert, one table for each configuration."""
    tables = [text for c in configurations(rows) if (text := weights_table(rows, c))]
    note = "Mean routing weight of each expert in per cent, over the whole test sets and then over the seeds."
    return "\n\n".join([*tables, note])


def weights_table(rows: list[Row], configuration: str) -> str:
    """That of one configuration; empty if it has no routing."""
    weights = routing(rows, configuration)
    if not weights:
        return ""
    experts = list(next(iter(weights.values())))
    body = [[m, *(f"{100 * w[e]:.1f}" for e in experts)] for m, w in weights.items()]
    return table([f"{configuration}: input", *experts], body)


def airplane_text(rows: list[Row]) -> str:
    """The spatial expert's weight for airplanes, beside what the original's page showed."""
    shares = [
        f"{100 * weights['spatial']:.1f} % ({c}, n = {len(seeds(rows, c))})"
        for c in configurations(rows)
        if "spatial" in (weights := routing(rows, c, "routing_of_airplane").get("spatial", {}))
    ]
    if not shares:
        return "No configuration with a spatial expert has been run yet."
    return (
        f"The spatial expert's mean weight over all test airplanes: {', '.join(shares)}. The original's page showed "
        f"{100 * PAPER_AIRPLANE:.1f} % for a single one."
    )


def mean_sd(s: Summary | None) -> str:
    if s is None:
        return MISSING
    return f"{100 * s.mean:.2f} ± {MISSING if isnan(s.sd) else format(100 * s.sd, '.2f')}"
