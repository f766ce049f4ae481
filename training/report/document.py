"""The one report, from results files alone: REPORT.md, and the same for the page as evidence.json."""

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

from training.audit.command import audit_table
from training.figures import Drawn, Section, all_figures, page_figures
from training.loop import write_text
from training.report.claims import claims
from training.report.comparison import FILES, Results
from training.report.controls_tables import controls_report
from training.report.criteria import RULE, Claim, Verdict
from training.report.frontier_tables import COMMAND, calibration_table, frontier_report
from training.report.questions import questions
from training.report.realdata_tables import realdata_report
from training.report.synthetic_tables import synthetic_report
from training.report.tables import table
from training.results import ResultsError, of_family, per_seed

OFFICIAL_SPEECH_TEST = 4_074  # recordings of the ten words


def write_report(folder: Path) -> list[Path]:
    """Writes REPORT.md and evidence.json into `folder`, from the results files there, and returns them.

    Raises ResultsError if there are none, or one has other columns than it should.
    """
    results = Results.load(folder)
    if not any(results):
        raise ResultsError(f"{folder} has no results: run `python -m training realdata` first")
    files = {folder / "REPORT.md": report(results), folder / "evidence.json": evidence(results, fingerprints(folder))}
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def fingerprints(folder: Path) -> dict[str, str]:
    """Results file -> sha256."""
    files = (folder / f"{name}.csv" for name in FILES)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()}


def evidence(results: Results, made_from: dict[str, str]) -> str:
    """JSON for the page: claims, questions and figures, and the fingerprints of the files that they are made from."""
    content: dict[str, Any] = {
        "claims": [claim._asdict() for claim in claims(results)],
        "questions": [question._asdict() for question in questions(results)],
        "figures": page_figures(results),
        "made_from": made_from,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def report(results: Results) -> str:
    """REPORT.md; its figures are those that `training.figures.write_figures` draws into figures/ beside it."""
    judged, figures = claims(results), all_figures(results)
    parts = [
        "# What holds: the paper's claims, its experiments and their controls",
        "The paper: Satpathy, *Architectural Heterogeneity in Mixture-of-Experts: Representational Complementarity "
        "Without Routing Specialization*. `python -m training report` computes everything here from the CSV files "
        "beside this one. Every other command trains what its row needs and puts the results into those files; on "
        "other hardware the last digits differ.",
        _counts(judged),
        table(["claim", "verdict", "what we measured", "command"], [_claim_row(c) for c in judged], text=range(4)),
        RULE,
        "## Synthetic experiments",
        "Test errors are mean squared errors on 8,000 fixed inputs, as fractions of the target's variance in each "
        "modality (1: always answering the mean); *error* is the mean over the four. Mean ± sd over the n seeds "
        "(ddof = 1). The paper's errors are on targets of its own scale: compare gains, not errors.",
        synthetic_report(results.synthetic),
        _figures(figures, "synthetic"),
        "## Real data",
        realdata_report(results.realdata),
        "Command: `python -m training realdata`.",
        _figures(figures, "realdata"),
        "## Controls",
        controls_report(results.controls),
        _figures(figures, "controls"),
        "## Beyond the paper",
        "The *frontier* family takes the same idea and the same number of parameters as far as we could: other "
        "encodings, augmentation, a router of 420 parameters and another optimiser (training/frontier.py). Its "
        "controls are trained in the same way.",
        frontier_report(results.frontier),
        calibration_table(results.audit),
        f"Command: `{COMMAND}`." if results.frontier else "",
        _figures(figures, "frontier"),
        "## Four questions",
        *(f"**{q.question}** {q.answer}\n\n*By the rule:* {q.rule}" for q in questions(results)),
        "## Fairness audit",
        "Of the published checkpoints: `python -m training audit`.",
        _audit(results, "replica") or "Not run yet.",
        _figures(figures, "audit"),
        f"### The frontier family\n\n{frontier}" if (frontier := _audit(results, "frontier")) else "",
        "## What each claim is judged by",
        "\n".join(f"- *{claim.claim}*: {claim.rule}" for claim in judged),
        "## Limits",
        _limits(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(judged: list[Claim]) -> str:
    verdicts = [claim.verdict for claim in judged]
    numbers = "; ".join(f"**{v}**: {n}" for v in get_args(Verdict) if (n := verdicts.count(v)))
    return f"Of {len(judged)} claims, {numbers}."


def _claim_row(claim: Claim) -> list[str]:
    return [f"{claim.claim} ({claim.source})", f"**{claim.verdict}**", claim.measured, f"`{claim.command}`"]


def _audit(results: Results, family: str) -> str:
    rows = of_family(results.audit, family)
    return audit_table(rows) if rows else ""


def _figures(figures: dict[str, Drawn], section: Section) -> str:
    return "\n\n".join(f"![{f.alt}](figures/{name}.png)" for name, f in figures.items() if f.section == section)


def _limits(results: Results) -> str:
    speech = next(iter(per_seed(results.audit, "heterogeneous", "inputs", "temporal").values()), OFFICIAL_SPEECH_TEST)
    lines = [
        "Parameters are matched, compute is not: convolutions spend more multiply-adds a parameter. Only "
        "*compute-matched homogeneous* matches those.",
        "Few seeds: three, or five for the synthetic experiments at 400 steps. Intervals are wide, t-tests lean on "
        "normally distributed differences, and Wilcoxon's test cannot reach 0.05. *Not met* says that these seeds do "
        "not show it, not that it is false. Seeds vary weights and batches; the test sets are the same throughout.",
        "No correction for the number of claims. A claim's criteria must all be met, which is stricter than any one.",
        "The rules were written when the real-data reference runs and the first seed of most controls were known, and "
        "of the synthetic experiments one seed at the two smallest budgets. Four changes came later: the temporal "
        "expert alone counts as a convolutional model (one seed known); hybrid and the mixture are held against the "
        "best of the others (two seeds known); the temporal claim is judged at 200K; and, with all controls known, "
        "compute and diversity became two claims, the latter held against the best convolutional model.",
        "The controls are trained for 4,000 steps, the reference runs for 15,000: compare controls among themselves.",
        "The real-data test sets have been seen twice: this is the second full set of reference runs (see the model "
        "card, weights/README.md).",
        "The paper names the synthetic tasks without formulas: formulas and ranges are ours (training/generators.py).",
    ]
    if speech < OFFICIAL_SPEECH_TEST:
        lines.append(
            f"The speech data are a part of Speech Commands: {speech:,.0f} test recordings of the ten words instead of "
            f"{OFFICIAL_SPEECH_TEST:,} (see the model card)."
        )
    return "\n".join(f"- {line}" for line in lines)
