"""The grid runner under all experiments: a run is (experiment, family, configuration, budget, seed).

Every run has a folder of its own, named after what shapes it, in which it leaves

    state.safetensors   after every epoch: a run that was killed goes on from there
    finished.json       its results: a finished run is never repeated (delete the folder to have it anew)
    running.json        while it runs: process, host, start
    failed.txt          why it failed; the next grid tries it again

so that any number of processes, machines and sessions can work on one grid, and `status` can tell how it stands.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import current_process, get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from training.loop import write_text
from training.results import Row, Run

ATTEMPTS = 2  # for a run whose process was killed; one that raises an exception has failed


@dataclass(frozen=True)
class Settings:
    """What all runs of a grid share."""

    data_dir: Path | None
    runs: Path  # folder of all runs' folders
    device: str
    threads: int  # for each run
    commit: str  # of the code, see `current_commit`
    quick: bool = False  # a short recipe, to try things out


class Finished(NamedTuple):
    """The outcome of a run."""

    run: Run
    rows: list[Row]  # without the run's columns
    curve: list[Row]
    folder: Path  # of the run


class Failed(NamedTuple):
    run: Run
    reason: str


Outcome = Finished | Failed
Execute = Callable[[Run, Settings], Finished]  # a module's function, for it is sent to other processes


class Folder:
    """The folder of a run. `identity` is plain data: everything that shapes the run besides its name."""

    def __init__(self, run: Run, settings: Settings, identity: Any) -> None:
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
        self.run = run
        self.path = settings.runs / f"{slug(run)}-{key}"

    def finished(self) -> Finished | None:
        """What the run came to, if it has finished before."""
        file = self.path / "finished.json"
        if not file.exists():
            return None
        content = json.loads(file.read_text(encoding="utf-8"))
        return Finished(self.run, content["rows"], content["curve"], self.path)

    def finish(self, rows: list[Row], curve: list[Row]) -> Finished:
        """Keeps the outcome; the state is no longer needed."""
        write_text(self.path / "finished.json", json.dumps({"rows": rows, "curve": curve}))
        (self.path / "state.safetensors").unlink(missing_ok=True)
        return Finished(self.run, rows, curve, self.path)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While in the block, others see that the run is under way; an exception leaves its reason in failed.txt."""
        (self.path / "failed.txt").unlink(missing_ok=True)
        mark = self.path / "running.json"
        write_text(mark, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": time.time()}))
        try:
            yield
        except Exception:
            write_text(self.path / "failed.txt", traceback.format_exc())
            raise
        finally:
            mark.unlink(missing_ok=True)


def slug(run: Run) -> str:
    """The beginning of the run's folder name."""
    return "-".join(run).replace(" ", "_").replace(",", "")


def run_grid(
    runs: list[Run],
    execute: Execute,
    settings: Settings,
    parallel: int,
    record: Callable[[Finished], None],
) -> list[Failed]:
    """Runs the runs, `parallel` processes at a time, and gives each finished one to `record` at once, here.

    A run that fails, or whose process is killed ATTEMPTS times, does not take the others down; the failed ones are
    returned. Raises KeyboardInterrupt after Ctrl-C, when every worker has saved; what `record` raises ends the grid.
    """
    failed: list[Failed] = []
    progress = tqdm(total=len(runs), desc=runs[0].experiment, unit="run", dynamic_ncols=True)

    def take(outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            failed.append(outcome)
            progress.write(f"failed: {' '.join(outcome.run)}: {outcome.reason}", file=sys.stderr)
        else:
            record(outcome)
        progress.update()

    with progress:
        for outcome in (
            _in_processes(runs, execute, settings, parallel)
            if parallel > 1
            else (attempt(execute, run, settings) for run in runs)
        ):
            take(outcome)
    return failed


def attempt(execute: Execute, run: Run, settings: Settings) -> Outcome:
    """One run in this process."""
    torch.set_num_threads(settings.threads)
    try:
        return execute(run, settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
        return Failed(run, f"{type(error).__name__}: {error}")


def _in_processes(runs: list[Run], execute: Execute, settings: Settings, parallel: int) -> Iterator[Outcome]:
    waiting = [(run, 1) for run in reversed(runs)]  # with the number of the attempt
    while waiting:
        # Runs are not handed to the pool before a worker is free: it would begin them after a Ctrl-C.
        with ProcessPoolExecutor(parallel, mp_context=get_context("spawn")) as pool:
            running: dict[Future[Outcome], tuple[Run, int]] = {}
            broken = False
            while running or (waiting and not broken):
                while waiting and not broken and len(running) < parallel:
                    run, number = waiting.pop()
                    running[pool.submit(attempt, execute, run, settings)] = (run, number)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    run, number = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:  # a process was killed: all that ran in this pool is void
                        broken = True
                        if number < ATTEMPTS:
                            waiting.append((run, number + 1))
                        else:
                            yield Failed(run, f"its process, or one beside it, was killed {ATTEMPTS} times")


def bar_position() -> int:
    """The terminal line for a progress bar of this worker process, under the grid's own."""
    identity = current_process()._identity  # type: ignore[attr-defined] # numbers the workers from 1
    return 1 + (identity[0] - 1) % available_cores() if identity else 1


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def current_commit() -> str:
    """The commit of the code, with "+" if files differ from it; "unknown" outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = [*git, "status", "--porcelain", "--untracked-files=no", "--", "../hetmoe", "."]
        changed = subprocess.run(changes, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")
