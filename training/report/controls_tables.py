"""The controls in tables (Markdown), from their rows alone."""

from hetmoe.encoding import MODALITIES
from training.controls import COMPLEMENTARITY, CONTROLS
from training.report.comparison import BySeed, estimate, mean_of, paired
from training.report.criteria import POINTS, SHARE, with_interval
from training.report.findings import summary
from training.report.realdata_claims import EXPERTS, accuracy, command, muted, without
from training.report.realdata_tables import mean_sd
from training.report.tables import MISSING, table
from training.results import Row, per_seed, summarise


def controls_report(rows: list[Row]) -> str:
    return "\n\n".join([accuracy_table(rows), expert_table(rows)])


def accuracy_table(rows: list[Row]) -> str:
    """Every control, the most accurate first, with its difference to heterogeneous and its command."""
    known = {c: s for c in CONTROLS if (s := summary(rows, c))}
    body = []
    for c in sorted(known, key=lambda c: -known[c].mean):
        difference = paired(accuracy(rows, c), accuracy(rows, "heterogeneous")) if c != "heterogeneous" else {}
        parameters, cost = (summary(rows, c, metric=m) for m in ("parameters", "multiply_adds"))
        body.append(
            [
                c,
                f"{mean_sd(known[c])} (n = {known[c].n})",
                _points(difference),
                *(mean_sd(summary(rows, c, m)) for m in MODALITIES),
                f"{parameters.mean:,.0f}" if parameters else MISSING,
                f"{cost.mean / 1e6:.2f} M" if cost else MISSING,
                f"`{command(c)}`",
            ]
        )
    header = ["control", "accuracy", "to heterogeneous", *MODALITIES, "parameters", "multiply-adds", "command"]
    note = (
        "Test accuracy in per cent, mean ± sd over the n seeds (ddof = 1). *To heterogeneous*: difference in "
        "percentage points, paired over the seeds, with its 95 % t interval. Multiply-adds are for one input; the "
        "oracle is counted with all four experts, and computes one."
    )
    return f"{table(header, body, text=(0, len(header) - 1))}\n\n{note}"


def expert_table(rows: list[Row]) -> str:
    """What each expert of the heterogeneous mixture adds, and how the mixture compares with it alone."""
    body = []
    for e in EXPERTS:
        alone = summary(rows, f"{e} alone")
        body.append(
            [
                e,
                *(_points(drop) for drop in (without(rows, e), muted(rows, e))),
                mean_sd(alone),
                *(
                    _share(complementary(rows, metric))
                    for metric in (f"right_where_wrong_{e}", f"wrong_where_right_{e}")
                ),
            ]
        )
    header = [
        "expert",
        "adds (trained anew without)",
        "adds (muted)",
        "accuracy alone",
        "mixture right where it is wrong",
    ]
    header.append("mixture wrong where it is right")
    names = ["heterogeneous", *(f"{e} alone" for e in EXPERTS)]
    note = (
        "*Adds*: accuracy of the mixture minus that of a mixture of the other three, trained anew at the same budget, "
        "or of the same mixture with the expert muted, which may overstate: the others were trained beside it. Points, "
        "95 % intervals. *Alone*: that architecture with the whole budget, so the four together have four times the "
        "mixture's parameters. The last two columns: of the test inputs that the expert alone gets wrong (right), the "
        "share that the mixture gets right (wrong), mean over the modalities; a guess among the other nine classes "
        "would be right for 11 % of the former, and two models of one kind disagree too. At least one of the four "
        f"alone is right for {_share(complementary(rows, 'accuracy_of_any_alone'))} of the inputs. "
        f"Command: `{command(*names)}`."
    )
    return f"{table(header, body)}\n\n{note}"


def complementary(rows: list[Row], metric: str) -> BySeed:
    """Of the heterogeneous mixture beside its experts alone: mean over the modalities."""
    return mean_of(per_seed(rows, COMPLEMENTARITY, metric, m) for m in MODALITIES)


def _points(by_seed: BySeed) -> str:
    e = estimate(by_seed)
    return with_interval(e, POINTS) if e else MISSING


def _share(by_seed: BySeed) -> str:
    return SHARE.show(summarise(by_seed.values()).mean) if by_seed else MISSING
