"""`python -m training audit`: is every modality and class served, and does every expert work?

What is measured, and how, is defined in training.audit.measures; the questions and their thresholds are in
training.audit.verdicts. Here: the command, and its tables from the results file alone.
"""

from collections.abc import Callable
from pathlib import Path

from hetmoe.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from training.audit.measures import Measurement, audit, measurements, parts
from training.audit.verdicts import CHECKS, Verdict, extremes, verdicts
from training.data import LABELS, load_splits
from training.loop import evaluate
from training.report.tables import MISSING, table
from training.results import Row, Run, read, replace_run, run_of

RUN = ("family", "configuration", "budget", "seed")  # what a checkpoint's provenance must say
Runs = dict[str, list[Row]]  # a run's label -> its rows


def audit_command(paths: list[Path], data_dir: Path | None, device: str, results: Path) -> str:
    """Audits checkpoints on the test sets, writes `results`/audit.csv and returns the tables on them, in Markdown.

    Raises CheckpointError, before anything is measured, for a file that cannot be read, is not of a classification
    model, does not say which run it comes from or is of the same as another, or has other labels than the data;
    DataError; ResultsError.
    """
    checkpoints: dict[Run, Checkpoint] = {}
    for path in paths:
        checkpoint = load_checkpoint(path, device)
        run = _run(path, checkpoint)
        if run in checkpoints:
            raise CheckpointError(
                f"{path} is of the same run as another of these checkpoints; please audit one of them"
            )
        checkpoints[run] = checkpoint
    families = {checkpoint.family for checkpoint in checkpoints.values()}
    tests = {family: load_splits(data_dir, family=family).test for family in families}
    for run, checkpoint in checkpoints.items():
        evaluations = evaluate(checkpoint.model, tests[checkpoint.family], checkpoint.statistics)
        experts = checkpoint.model.config.expert_labels()
        rows = audit(evaluations, experts, checkpoint.labels, checkpoint.temperatures)
        replace_run(results / "audit.csv", run, rows)
    return audit_table([row for row in read(results / "audit.csv") if run_of(row) in checkpoints])


def _run(path: Path, checkpoint: Checkpoint) -> Run:
    task, provenance = checkpoint.model.config.task, checkpoint.provenance
    if task != "classification":
        raise CheckpointError(f"{path} is a {task} model; the audit is for classification")
    missing = [name for name in RUN if name not in provenance]
    if missing:
        raise CheckpointError(f"{path} does not say its {', '.join(missing)}: was it written by `python -m training`?")
    if checkpoint.labels != LABELS:
        raise CheckpointError(f"{path} has other labels than the test sets, which therefore cannot judge its answers")
    experiment = str(provenance.get("experiment", "realdata"))  # older files do not name the one that there was
    return Run(experiment, *(str(provenance[name]) for name in RUN))


def audit_table(rows: list[Row]) -> str:
    """Markdown, from the rows of one or several runs: verdicts, modalities, worst and best served classes, experts."""
    by_run: dict[Run, list[Row]] = {}
    for row in rows:
        by_run.setdefault(run_of(row), []).append(row)
    runs = {_label(run, list(by_run)): of for run, of in by_run.items()}
    return "\n\n".join(part(runs) for part in (_verdict_table, _modality_table, _class_table, _expert_table))


def _label(run: Run, among: list[Run]) -> str:
    """The configuration, and what else tells a run from the others."""
    words = [run.configuration]
    if len({other.experiment for other in among}) > 1:
        words.append(run.experiment)
    if len({other.family for other in among}) > 1:
        words.insert(0, run.family)
    if len({other.budget for other in among}) > 1:
        words.append(f"{run.budget} parameters")
    if len({other.seed for other in among}) > 1:
        words.append(f"seed {run.seed}")
    return ", ".join(words)


def _verdict_table(runs: Runs) -> str:
    judged = [{verdict.check: verdict for verdict in verdicts(rows)} for rows in runs.values()]
    body, reasons = [], []
    for check in CHECKS:
        show = _percent if check.percent else _nats
        bound = f"{'at least' if check.at_least else 'at most'} {show(check.threshold)}"
        body.append([check.name, bound, *(_cell(of[check], show) if check in of else MISSING for of in judged)])
        reasons.append(f"- *{check.name}*: {check.measured}. Why {bound}: {check.reason}.")
    note = (
        "Thresholds were set beforehand. *pass*, *fail*: the whole 95 % interval (bootstrap over the test inputs) lies "
        "on one side of the threshold; *undecided*: it contains the threshold. A cell is about the modality, class or "
        "expert that fares worst by the check (and says how many fail); for *alike*, about the worst / the best served."
    )
    return "\n\n".join([table(["check", "threshold", *runs], body), note, "\n".join(reasons)])


def _cell(v: Verdict, show: Callable[[float], str]) -> str:
    count = f" ({v.failed} of {v.candidates})" if v.failed and v.candidates > 1 else ""
    return f"**{v.outcome}**{count}: {v.where}, {_with_interval(v.measured, show)}"


def _modality_table(runs: Runs) -> str:
    body = []
    for label, rows in runs.items():
        for modality, of in measurements(rows).items():
            if modality != "all":
                cells = [_with_interval(of["accuracy"], _percent), _with_interval(of["loss"], _nats)]
                cells += [_percent(of["confidence"].value), _with_interval(of["ece"], _percent)]
                body.append([f"{label}: {modality}", f"{of['inputs'].value:,.0f}", *cells, _nats(of["entropy"].value)])
    header = ["input", "n", "accuracy", "loss", "confidence", "calibration error", "routing entropy"]
    note = (
        "In brackets: 95 % intervals. Confidence: mean of the largest class probability. Calibration error: expected "
        "calibration error, 15 bins. Loss and entropy are in nats; the entropy of four equal routing weights is 1.39."
    )
    return f"{table(header, body)}\n\n{note}"


def _class_table(runs: Runs) -> str:
    body = []
    for label, rows in runs.items():
        for modality, of in measurements(rows).items():
            if modality != "all":
                accuracies = parts(of, "accuracy")
                served = [f"{name} {_with_interval(accuracies[name], _percent)}" for name in extremes(accuracies)]
                losses, errors = parts(of, "loss"), parts(of, "ece")
                dearest, falsest = max(losses, key=losses.__getitem__), max(errors, key=errors.__getitem__)
                ratio = _with_interval(of["class_ratio"], _percent)
                cells = [ratio, f"{dearest} {_nats(losses[dearest].value)}"]
                cells.append(f"{falsest} {_with_interval(errors[falsest], _percent)}")
                body.append([f"{label}: {modality}", *served, *cells])
    header = ["input", "worst served", "best served", "worst relative to best", "largest loss", "worst calibrated"]
    note = (
        "Accuracy and loss: over the inputs that are of the class. Calibration error: over the inputs that the model "
        "takes for it. The worst of ten looks worse, and the best better, than on other inputs."
    )
    return f"{table(header, body)}\n\n{note}"


def _expert_table(runs: Runs) -> str:
    tables = []
    for label, rows in runs.items():
        everything = measurements(rows)
        experts = list(parts(everything["all"], "routing"))
        body = [
            [modality, *(f"{_percent(of[f'routing_{e}'].value)} / {_percent(of[f'load_{e}'].value)}" for e in experts)]
            for modality, of in everything.items()
        ]
        tables.append(table([f"{label}: input", *experts], body))
    note = (
        "Each expert's mean routing weight / load, the share of the inputs for which its weight is the largest. "
        "*all*: mean over the modalities."
    )
    return "\n\n".join([*tables, note])


def _with_interval(m: Measurement, show: Callable[[float], str]) -> str:
    low, high = (show(end).removesuffix(" %") for end in (m.low, m.high))
    return f"{show(m.value)} ({low}–{high})"


def _percent(x: float) -> str:
    return f"{100 * x:.1f} %"


def _nats(x: float) -> str:
    return f"{x:.2f}"
