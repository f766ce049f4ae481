"""The grid runner under all experiments: a run is (experiment, family, configuration, budget, seed).

Every run has a folder of its own, named after what shapes it, in which it leaves

    state.safetensors   after every epoch: a run that was killed goes on from there
    finished.json       its results: a finished run is never repeated (delete the folder to have it anew)
    lock                held by the process that trains it, and by no second one; the system frees it if that is killed
    running.json        who holds the lock: process, host, start

and beside it, if it failed, a file that says why; the next grid tries it again. So any number of processes, machines
that share the folder, and sessions can work on one grid, and `status` can tell how it stands.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import current_process, get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from hetmoe.checkpoint import CheckpointError, read_tensors
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
    """A run that came to nothing."""

    run: Run
    reason: str  # one line
    details: str = ""  # the traceback


class Taken(NamedTuple):
    """A run that another process has in hand."""

    run: Run


Outcome = Finished | Failed | Taken
Execute = Callable[[Run, Settings], Finished]  # a module's function, for it is sent to other processes
Attempt = Callable[[Run], Outcome]
Start = Callable[[list[Run], Attempt], Iterator[Outcome]]  # runs the runs somewhere, in any order


class TakenByAnother(Exception):
    """Another process trains the run in this folder, or has just finished it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another process has {folder} in hand")
        self.folder = folder


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
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return Finished(self.run, content["rows"], content["curve"], self.path)
        except (ValueError, KeyError, TypeError) as error:
            self._begin_anew(file, f"{file} is damaged: {error}")
            return None

    def finish(self, rows: list[Row], curve: list[Row]) -> Finished:
        """Keeps the outcome; the state is no longer needed."""
        write_text(self.path / "finished.json", json.dumps({"rows": rows, "curve": curve}))
        (self.path / "state.safetensors").unlink(missing_ok=True)
        return Finished(self.run, rows, curve, self.path)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within the block, no other process can train this run. Raises TakenByAnother if another one does."""
        self.path.mkdir(parents=True, exist_ok=True)
        mark, state = self.path / "running.json", self.path / "state.safetensors"
        with _locked(self.path, timeout=1):  # `is_running` may hold it for a moment
            if (self.path / "finished.json").exists():
                raise TakenByAnother(self.path)
            if state.exists():
                try:
                    read_tensors(state)
                except CheckpointError as error:
                    self._begin_anew(state, str(error))
            write_text(mark, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": time.time()}))
            try:
                yield
            finally:
                mark.unlink(missing_ok=True)

    def _begin_anew(self, damaged: Path, why: str) -> None:
        tqdm.write(f"{' '.join(self.run)} begins anew: {why}", file=sys.stderr)
        damaged.unlink()


@contextmanager
def _locked(folder: Path, timeout: float) -> Iterator[None]:
    """Raises TakenByAnother after `timeout` seconds; -1 waits as long as it takes."""
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout)
    except Timeout:
        raise TakenByAnother(folder) from None
    try:
        yield
    finally:
        lock.release()


def is_running(folder: Path) -> bool:
    """Whether a process trains the run in this folder now."""
    if not (folder / "lock").exists():
        return False
    try:
        with _locked(folder, timeout=0):
            return False
    except TakenByAnother:
        return True


def slug(run: Run) -> str:
    """The beginning of the run's folder name."""
    return "-".join(run).replace(" ", "_").replace(",", "")


def newest_folders(runs: Path) -> dict[str, Path]:
    """Of all runs' folders in `runs`, by their `slug`. A run has several if its data or recipe have changed."""
    folders = sorted((path for path in runs.glob("*-*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    return {path.name.rpartition("-")[0]: path for path in folders}


def failure_file(run: Run, runs: Path) -> Path:
    """Where the last grid that tried the run left the reason for its failure: in the first line, then the traceback."""
    return runs / f"{slug(run)}.failed.txt"


def run_grid(
    runs: list[Run],
    execute: Execute,
    settings: Settings,
    start: Start,
    record: Callable[[Finished], None],
) -> list[Failed]:
    """Runs the runs by `start`, and gives each finished one to `record` at once, here.

    A run that fails, or whose process is killed ATTEMPTS times, does not take the others down; the failed ones are
    returned. Runs that another process has in hand come last: it is waited for them. Raises KeyboardInterrupt after
    Ctrl-C, when every worker has saved; what `record` raises ends the grid.
    """
    failed: list[Failed] = []
    taken: list[Run] = []
    for run in runs:
        failure_file(run, settings.runs).unlink(missing_ok=True)

    def take(outcome: Outcome) -> None:
        if isinstance(outcome, Taken):
            taken.append(outcome.run)
            return
        if isinstance(outcome, Failed):
            failed.append(outcome)
            with suppress(OSError):  # perhaps the disk is full: that is what has failed, and the others go on
                write_text(failure_file(outcome.run, settings.runs), f"{outcome.reason}\n\n{outcome.details}")
            progress.write(f"failed: {' '.join(outcome.run)}: {outcome.reason}", file=sys.stderr)
        else:
            record(outcome)
        progress.update()

    with tqdm(total=len(runs), desc=runs[0].experiment, unit="run", dynamic_ncols=True) as progress:
        for outcome in start(runs, partial(attempt, execute, settings, False)):
            take(outcome)
        if taken:
            progress.write(f"waiting for {len(taken)} runs that other processes have in hand", file=sys.stderr)
            for outcome in start(taken, partial(attempt, execute, settings, True)):
                take(outcome)
    return failed


def attempt(execute: Execute, settings: Settings, wait: bool, run: Run) -> Outcome:
    """One run in this process. `wait`: if another process has it in hand, until that has ended."""
    torch.set_num_threads(settings.threads)
    while True:
        try:
            return execute(run, settings)
        except TakenByAnother as taken:
            if not wait:
                return Taken(run)
            with _locked(taken.folder, timeout=-1):
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            return Failed(run, " ".join(f"{type(error).__name__}: {error}".split()), traceback.format_exc())


def in_processes(runs: list[Run], attempt: Attempt, parallel: int) -> Iterator[Outcome]:
    """A `Start`: on this machine, `parallel` runs at a time; one after another in this process if that is one."""
    # For numpy's BLAS, which torch does not govern: with a thread for each core in every process, the processes wait
    # for each other's threads; a step of the frontier's took 1.4 times as long.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(max(1, available_cores() // parallel))
    if parallel == 1:
        yield from map(attempt, runs)
        return
    waiting = [(run, 1) for run in reversed(runs)]  # with the number of the attempt
    running: dict[Future[Outcome], tuple[ProcessPoolExecutor, Run, int]] = {}
    with ExitStack() as pools:

        def worker() -> ProcessPoolExecutor:
            """A pool of one: when its process is killed, no other run is lost with it."""
            return pools.enter_context(
                ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)
            )

        idle = [worker() for _ in range(parallel)]
        while waiting or running:
            # No worker has a second run in store: it would begin it after a Ctrl-C.
            while waiting and idle:
                pool, (run, number) = idle.pop(), waiting.pop()
                running[pool.submit(attempt, run)] = pool, run, number
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                pool, run, number = running.pop(future)
                try:
                    outcome: Outcome | None = future.result()
                    idle.append(pool)
                except BrokenProcessPool:
                    idle.append(worker())
                    outcome = killed(run) if number == ATTEMPTS else None
                    if not outcome:
                        waiting.append((run, number + 1))
                if outcome:
                    yield outcome


def killed(run: Run) -> Failed:
    return Failed(run, f"its process was killed {ATTEMPTS} times; perhaps it needs more memory than there is")


def _end_with_parent() -> None:
    """A worker whose grid was killed ends at once, so that the next grid finds its run free."""
    parent = parent_process()
    assert parent

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
