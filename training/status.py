"""How the grids stand: what is done, running, interrupted, failed, waiting. Only reads; any process may be at work.

A run is done when its rows are in the results file. For the others their folders tell, see `training.grid`.
"""

import json
import platform
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Literal

from training.grid import failure_file, is_running, newest_folders, slug
from training.results import Run, read, run_of

State = Literal["done", "running", "interrupted", "failed", "waiting"]
MARKS: dict[State, str] = {"done": "✓", "running": "▶", "interrupted": "‖", "failed": "✗", "waiting": "·"}


@dataclass(frozen=True)
class Standing:
    run: Run
    state: State
    detail: str = ""  # epoch and process, or the reason of the failure


def standings(runs: list[Run], results: Path, folders: Path) -> list[Standing]:
    """The state of each run. `results`: the CSV they go into; `folders`: that of the runs' folders."""
    recorded = {run_of(row) for row in read(results)}
    newest = newest_folders(folders)
    return [_standing(run, run in recorded, newest.get(slug(run)), failure_file(run, folders)) for run in runs]


def _standing(run: Run, recorded: bool, folder: Path | None, failure: Path) -> Standing:
    if folder and is_running(folder):
        return Standing(run, "running", f"{_epoch(folder)}, {_by_whom(folder)}")
    if recorded:
        return Standing(run, "done")
    if failure.exists():
        return Standing(run, "failed", failure.read_text(encoding="utf-8").partition("\n")[0])
    if folder and (folder / "finished.json").exists():
        return Standing(run, "interrupted", "trained, but not yet in the results")
    if folder and (folder / "state.safetensors").exists():
        return Standing(run, "interrupted", _epoch(folder))
    return Standing(run, "waiting")


def _epoch(folder: Path) -> str:
    curve = folder / "curve.jsonl"
    return f"epoch {len(curve.read_bytes().splitlines()) if curve.exists() else 0} finished"


def _by_whom(folder: Path) -> str:
    try:
        mark = json.loads((folder / "running.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is just beginning or ending
        return "by a process"
    host = "" if mark["host"] == platform.node() else f" on {mark['host']}"
    return f"by process {mark['pid']}{host} since {time.strftime('%d %b %H:%M', time.localtime(mark['since']))}"


def table(found: list[Standing]) -> str:
    """One line for each configuration and budget with a mark for every seed; below, what is not as it should be."""
    seeds = list(dict.fromkeys(s.run.seed for s in found))
    marks: dict[tuple[str, str], dict[str, str]] = {}
    for s in found:
        marks.setdefault((s.run.configuration, s.run.budget), {})[s.run.seed] = MARKS[s.state]
    widths = [max(len(seed), 2) + 1 for seed in seeds]
    counts = Counter(s.state for s in found)
    lines = [
        f"{_name(found[0].run)}: {counts['done']} of {len(found)} done"
        + "".join(f", {counts[state]} {state}" for state in MARKS if state != "done" and counts[state]),
        " " * 38 + "".join(seed.rjust(width) for seed, width in zip(seeds, widths, strict=True)),
    ]
    for (configuration, budget), by_seed in marks.items():
        row = "".join(by_seed.get(seed, "").rjust(width) for seed, width in zip(seeds, widths, strict=True))
        lines.append(f"{configuration:<28}{int(budget):>10,}{row}".rstrip())
    for state in ("running", "interrupted", "failed"):
        for s in found:
            if s.state == state:
                lines.append(fill(f"{state}: {' '.join(s.run[2:])}: {s.detail}", 80, subsequent_indent="    "))
    return "\n".join(lines)


def _name(run: Run) -> str:
    return f"{run.experiment}, {run.family}" if run.family == "frontier" else run.experiment


def legend() -> str:
    return "   ".join(f"{mark} {state}" for state, mark in MARKS.items())
