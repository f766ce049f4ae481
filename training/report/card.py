"""The model card, weights/README.md: training/card.md filled with the results and with what the checkpoints say."""

from pathlib import Path
from string import Template

from hetmoe.checkpoint import Checkpoint, load_checkpoint
from hetmoe.encoding import MODALITIES, Family
from hetmoe.model import count_parameters
from training.data import LABELS
from training.loop import write_text
from training.report.comparison import Results
from training.report.findings import summary
from training.report.frontier_tables import calibration_table, frontier_report
from training.report.realdata_tables import airplane_text, gain_text, realdata_table, routing_table
from training.report.tables import table
from training.results import ResultsError, Row

TEMPLATE = Path(__file__).with_name("card.md")
WHAT = {  # modality: an input in words, for "right for 96 of 100 ..."
    "spatial": "grey pictures",
    "temporal": "words from the waveform",
    "spectral": "words from the spectrum",
    "relational": "digits",
}

# What went into training, by the fingerprint of the encoded data that a checkpoint carries
RECORDINGS = (
    "CIFAR-10 and MNIST were complete. **Of Speech Commands these weights saw a part**: 10,564 training, 570 "
    "validation and 1,600 test recordings of the ten words (the official lists have 30,769, 3,703 and 4,074). "
    "The training recordings had been through Ogg Opus at about 34 kbit/s; validation and test recordings were "
    "lossless. Training with the full download therefore gives somewhat different numbers."
)
DATA_SETS = {
    "fede7743361386731844b39ded030457123251d3eefc66d2027811cddb8c8fa9": RECORDINGS,  # encoded for the replica
    "38763bc423051d4c95429ac941ded8927e183b03fc38b647a41713835c7b743f": RECORDINGS,  # for the frontier
}


def write_card(results: Results, weights: Path) -> Path:
    """Writes `weights`/README.md and returns it.

    Raises ResultsError if there are no results or no checkpoints, CheckpointError if one of them cannot be read.
    """
    checkpoints = {path.name: load_checkpoint(path) for path in sorted(weights.glob("*.safetensors"))}
    if not results.realdata or not checkpoints:
        raise ResultsError(f"{weights} has no checkpoints, or there are no results: run `python -m training realdata`")
    path = weights / "README.md"
    write_text(path, card(results, checkpoints))
    return path


def card(results: Results, checkpoints: dict[str, Checkpoint]) -> str:
    """The card for checkpoints by file name."""
    rows = results.realdata
    fingerprints = sorted({c.provenance["data_fingerprint"] for c in checkpoints.values()})
    known = dict.fromkeys(DATA_SETS.get(f, "Which recordings there were is not known.") for f in fingerprints)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        files=_files(checkpoints),
        table=realdata_table(rows),
        gain=gain_text(rows),
        routing=routing_table(rows),
        airplane=airplane_text(rows),
        commands="\n".join(_command(c) for c in checkpoints.values()),
        data="\n\n".join(known),
        fingerprints=", ".join(f"`{f[:16]}…`" for f in fingerprints),
        right=_right(rows),
        router=_router(_of(checkpoints, "replica")),
        frontier=_frontier(results, _of(checkpoints, "frontier")),
        provenance=_provenance(checkpoints),
    )


def _of(checkpoints: dict[str, Checkpoint], family: Family) -> dict[str, Checkpoint]:
    return {name: c for name, c in checkpoints.items() if c.family == family}


def _frontier(results: Results, checkpoints: dict[str, Checkpoint]) -> str:
    parts = [frontier_report(results.frontier)]
    if results.frontier:
        parts.append(_right(results.frontier))
    if checkpoints:
        parts.append(calibration_table(results.audit) or "Calibration is not measured yet: `python -m training audit`.")
        parts.append(_temperatures(checkpoints))
    return "\n\n".join(parts)


def _temperatures(checkpoints: dict[str, Checkpoint]) -> str:
    body = [[f"`{name}`", *(f"{c.temperatures[m]:.2f}" for m in MODALITIES)] for name, c in checkpoints.items()]
    return table(["temperature of", *MODALITIES], body)


def _files(checkpoints: dict[str, Checkpoint]) -> str:
    lines = ["| file | experts | parameters | test accuracy of this file |", "| --- | --- | ---: | ---: |"]
    for name, c in checkpoints.items():
        experts = ", ".join(c.model.config.expert_labels())
        accuracy = c.metrics["test/all/accuracy"]
        lines.append(f"| `{name}` | {experts} | {count_parameters(c.model):,} | {100 * accuracy:.2f} % |")
    return "\n".join(lines)


def _command(checkpoint: Checkpoint) -> str:
    p = checkpoint.provenance
    return f"{p['command']} --configurations {p['configuration']} --seeds {p['seed']}"


def _right(rows: list[Row]) -> str:
    """How often the heterogeneous model is right, and its hardest class, for each modality."""
    parts = []
    for m in MODALITIES:
        accuracy = summary(rows, "heterogeneous", m)
        by_class = {name: s.mean for name in LABELS[m] if (s := summary(rows, "heterogeneous", m, f"accuracy_{name}"))}
        if accuracy and by_class:
            hardest = min(by_class, key=lambda name: by_class[name])
            parts.append(
                f"{100 * accuracy.mean:.0f} of 100 {WHAT[m]} (hardest: “{hardest}”, {100 * by_class[hardest]:.0f})"
            )
    return "The heterogeneous model is right for " + "; ".join(parts) + "." if parts else "Not measured yet."


def _router(checkpoints: dict[str, Checkpoint]) -> str:
    shares = [count_parameters(c.model.router) / count_parameters(c.model) for c in checkpoints.values()]
    return f"{100 * max(shares, default=0):.0f} %"


def _provenance(checkpoints: dict[str, Checkpoint]) -> str:
    lines = [
        "| file | seed | steps | commit | device | date | versions |",
        "| --- | ---: | ---: | --- | --- | --- | --- |",
    ]
    for name, c in checkpoints.items():
        p = c.provenance
        versions = ", ".join(f"{library} {version}" for library, version in p["versions"].items())
        cells = [
            f"`{name}`",
            p["seed"],
            p["steps"],
            f"`{p['commit'][:12]}{'+' * p['commit'].endswith('+')}`",
            f"{p['device']} ({p['machine']})",
            p["date"],
        ]
        lines.append(f"| {' | '.join(map(str, cells))} | {versions} |")
    return "\n".join(lines)
