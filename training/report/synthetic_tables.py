"""The synthetic experiments in tables (Markdown), from their rows alone."""

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import MODALITIES
from training.report.comparison import budgets, estimate, paired, slopes, wilcoxon_floor
from training.report.criteria import NUMBER, PERCENT, with_interval
from training.report.findings import PAPER_REDUCTION, p_text, summary
from training.report.realdata_tables import weights_table
from training.report.synthetic_claims import KNEE, Length, lengths, reductions, thousands
from training.report.tables import MISSING, table
from training.results import Row, Summary, per_seed
from training.synthetic import ABLATION_BUDGET, EXPERTS, SCALING_BUDGETS

PAIRS = (("heterogeneous", "homogeneous"), ("hybrid", "homogeneous"), ("hybrid", "heterogeneous"))


def synthetic_report(rows: list[Row]) -> str:
    """All tables, for both lengths of training."""
    parts = []
    for length in lengths(rows):
        if not length.rows:
            parts.append(f"### {length.steps:,} steps\n\nNot run yet: `{length.command()}`.")
            continue
        ablations = [c for c in EXPERTS if c not in CONFIGURATIONS and length.errors(c, ABLATION_BUDGET)]
        parts += [f"### {length.steps:,} steps: errors", error_table(length, CONFIGURATIONS)]
        parts += [f"### {length.steps:,} steps: comparisons paired over the seeds", comparison_table(length)]
        parts += [f"### {length.steps:,} steps: scaling", slope_table(length)]
        if ablations:
            parts += [
                f"### {length.steps:,} steps: mismatch ablations at {thousands(ABLATION_BUDGET)}",
                error_table(length, ["heterogeneous", *ablations], ABLATION_BUDGET),
            ]
        parts += [f"### {length.steps:,} steps: routing", routing_tables(length)]
    return "\n\n".join(parts)


def error_table(length: Length, configurations: list[str] | dict[str, tuple[str, ...]], only: int | None = None) -> str:
    """Test errors, over all and by modality, at every budget (or at one), with the command of each row."""
    body = []
    for budget in [only] if only else sorted({int(r["budget"]) for r in length.rows}):
        at = length.at(budget)
        for c in configurations:
            if per_seed(at, c, "mse"):
                errors = [_mean_sd(summary(at, c, m, "mse")) for m in ("all", *MODALITIES)]
                parameters, cost = (summary(at, c, metric=metric) for metric in ("parameters", "multiply_adds"))
                sizes = (
                    [f"{parameters.mean:,.0f}", f"{cost.mean / 1e6:.2f} M"] if parameters and cost else [MISSING] * 2
                )
                n = len(per_seed(at, c, "mse"))
                command = f"`{length.command(c, budgets=(budget,))}`"
                body.append([f"{thousands(budget)} {c}", f"{errors[0]} (n = {n})", *errors[1:], *sizes, command])
    header = ["budget, configuration", "error", *MODALITIES, "parameters", "multiply-adds", "command"]
    return table(header, body, text=(0, len(header) - 1))


def comparison_table(length: Length) -> str:
    body = []
    for budget in sorted({b for c in CONFIGURATIONS for b in budgets(length.rows, c)}):
        for first, second in PAIRS:
            lower = estimate(reductions(length, budget, first, second))
            e = estimate(paired(length.errors(second, budget), length.errors(first, budget)))
            if lower is None or e is None:
                continue
            paper = (
                PERCENT.show(PAPER_REDUCTION[budget])
                if (first, second) == PAIRS[0] and budget in PAPER_REDUCTION
                else MISSING
            )
            tested = (
                [p_text(e.p), f"p = {e.wilcoxon:.3g} (≥ {wilcoxon_floor(e.n):.3g})", f"{e.d:+.1f}"]
                if e.n > 1
                else [MISSING] * 3
            )
            name = f"{thousands(budget)} {first} against {second}"
            body.append([name, with_interval(lower, PERCENT), paper, f"{e.wins} of {e.n}", *tested])
    header = ["budget, comparison", "error lower by (95 % interval)", "paper", "wins", "t-test", "Wilcoxon", "d"]
    note = (
        "The first's reduction of the second's error, mean of the seeds' reductions with its t interval; in how many "
        "seeds the first has the lower error; two-sided paired tests of the errors' difference. Wilcoxon's signed-rank "
        "p cannot go below the bound in brackets, 2/2ⁿ, whatever the data: 0.0625 with five pairs, 0.25 with three. d: "
        "mean difference / its standard deviation over the seeds (d_z), positive where the first is better. "
        f"Command: `{length.command(*CONFIGURATIONS)}`."
    )
    return f"{table(header, body)}\n\n{note}"


def slope_table(length: Length) -> str:
    """Scaling slopes below and beyond KNEE, and the change."""
    of_grid = length.budgets if length.flag else SCALING_BUDGETS
    below, beyond = [b for b in of_grid if b <= KNEE], [b for b in of_grid if b >= KNEE]
    body = []
    for c in CONFIGURATIONS:
        early = slopes(length.rows, c, below)
        late = slopes(length.rows, c, beyond) if len(beyond) > 1 else {}
        changes = [estimate(values) for values in (early, late, paired(late, early))]
        body.append([c, *(with_interval(e, NUMBER) if e else MISSING for e in changes)])
    header = ["configuration", f"slope up to {thousands(KNEE)}", f"slope from {thousands(KNEE)} on", "change"]
    note = (
        "Slope of log(error) against log(parameters), least squares for each seed, mean with 95 % t interval: -1 "
        "halves the error with every doubling, 0 does not lower it any more. Budgets: "
        f"{', '.join(map(thousands, of_grid))}. Command: `{length.command(*CONFIGURATIONS)}`."
    )
    return f"{table(header, body)}\n\n{note}"


def routing_tables(length: Length) -> str:
    """At the largest of the compared budgets."""
    budget = length.budgets[-1]
    tables = [text for c in CONFIGURATIONS if (text := weights_table(length.at(budget), c))]
    note = (
        f"Mean routing weight of each expert in per cent, at {thousands(budget)}, over the test set and the seeds. "
        f"Command: `{length.command(*CONFIGURATIONS, budgets=(budget,))}`."
    )
    return "\n\n".join([*tables, note])


def _mean_sd(s: Summary | None) -> str:
    if s is None:
        return MISSING
    return f"{s.mean:.4f} ± {format(s.sd, '.4f') if s.n > 1 else MISSING}"
