"""The grid with real processes and real training: failures stay alone, a killed run goes on from where it was."""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.tiny_runs import KILLED_AT, RECIPE, steps_of, tiny_execute, tiny_plan, tiny_run, tiny_settings
from training import __main__ as cli
from training import synthetic
from training.grid import (
    Failed,
    Finished,
    Folder,
    Taken,
    TakenByAnother,
    attempt,
    failure_file,
    in_processes,
    is_running,
    run_grid,
)
from training.results import Run, read, replace_run

ROOT = Path(__file__).parents[1]
ALL_STEPS = list(range(RECIPE.epochs * RECIPE.steps))
ONCE_RESUMED = [*range(KILLED_AT), *range(4, 8)]  # killed in the third epoch, the second ended with step 3


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Finished:
    finished = attempt(tiny_execute, tiny_settings(tmp_path_factory.mktemp("uninterrupted")), False, tiny_run("plain"))
    assert isinstance(finished, Finished)
    return finished


def grid(runs: list[Run], folder: Path, parallel: int) -> tuple[dict[str, Finished], list[Failed]]:
    """Finished runs by configuration, and the failed ones."""
    finished: dict[str, Finished] = {}
    start = partial(in_processes, parallel=parallel)
    failed = run_grid(
        runs, tiny_execute, tiny_settings(folder), start, lambda f: finished.update({f.run.configuration: f})
    )
    return finished, failed


def assert_same(finished: Finished, uninterrupted: Finished) -> None:
    """Bit for bit: the sum of the weights in double precision, and the whole curve."""
    assert finished.rows == uninterrupted.rows
    assert finished.curve == uninterrupted.curve


# Failures


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_failed_run_takes_no_other_down(tmp_path, parallel, uninterrupted, capsys):
    bad, good = tiny_run("bad"), tiny_run("plain")
    finished, failed = grid([bad, good], tmp_path, parallel)
    assert [(f.run, f.reason) for f in failed] == [(bad, "ValueError: 10 parameters are too few")]
    assert_same(finished["plain"], uninterrupted)
    noted = failure_file(bad, tmp_path / "runs").read_text()
    assert noted.startswith("ValueError: 10 parameters are too few\n")
    assert "tests/tiny_runs.py" in noted  # the traceback
    assert "failed: tiny test bad 20000 1: ValueError" in capsys.readouterr().err


def test_a_run_that_failed_is_tried_again(tmp_path):
    bad = tiny_run("bad")
    note = failure_file(bad, tmp_path / "runs")
    grid([bad], tmp_path, 1)
    note.write_text("of the last grid")
    grid([bad], tmp_path, 1)
    assert note.read_text().startswith("ValueError")


def test_killed_runs_go_on_from_where_they_were_and_no_other_is_lost(tmp_path, uninterrupted):
    """Two workers; one run is killed once, another every time: that one has failed, all else is as if nothing was."""
    runs = [tiny_run(c) for c in ("always killed", "killed once", "plain")]
    finished, failed = grid(runs, tmp_path, 2)
    assert [f.run.configuration for f in failed] == ["always killed"]
    assert "killed 2 times" in failed[0].reason
    assert failure_file(runs[0], tmp_path / "runs").exists()
    assert list(finished) == ["plain", "killed once"] or list(finished) == ["killed once", "plain"]
    for one in finished.values():
        assert_same(one, uninterrupted)
    assert steps_of(finished["killed once"].folder) == ONCE_RESUMED
    assert steps_of(finished["plain"].folder) == ALL_STEPS  # though beside it a process was killed


# Again


def test_finished_runs_are_not_repeated(tmp_path, uninterrupted):
    for _ in range(2):
        finished, failed = grid([tiny_run("plain")], tmp_path, 1)
        assert not failed
        assert_same(finished["plain"], uninterrupted)
        assert steps_of(finished["plain"].folder) == ALL_STEPS


KILLED_GRID = """
import sys
from functools import partial
from pathlib import Path
from tests.tiny_runs import tiny_execute, tiny_run, tiny_settings
from training.grid import in_processes, run_grid
if __name__ == "__main__":
    runs = [tiny_run("slow", 1), tiny_run("slow", 2)]
    run_grid(runs, tiny_execute, tiny_settings(Path(sys.argv[1])), partial(in_processes, parallel=2), print)
"""


def test_a_killed_grid_leaves_no_process_and_the_next_one_goes_on(tmp_path):
    script = tmp_path / "killed_grid.py"
    script.write_text(KILLED_GRID)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment, stderr=subprocess.DEVNULL)
    marks: list[Path] = []
    while len(marks) < 2 or not all(len(steps_of(mark.parent)) == KILLED_AT for mark in marks):
        assert process.poll() is None
        time.sleep(0.05)
        marks = [mark for mark in tmp_path.glob("runs/*/running.json") if (mark.parent / "steps.txt").exists()]
    assert all(is_running(mark.parent) for mark in marks)
    workers = [json.loads(mark.read_text())["pid"] for mark in marks]
    process.kill()
    process.wait()
    wait_until(lambda: not any(is_running(mark.parent) for mark in marks))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    for mark in marks:
        (mark.parent / "go.txt").touch()
    finished, failed = grid([tiny_run("slow", 1)], tmp_path, 1)
    assert not failed
    assert steps_of(finished["slow"].folder) == ONCE_RESUMED


def wait_until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


# Two grids at once

SLOW_RUN = """
import sys
from pathlib import Path
from tests.tiny_runs import tiny_execute, tiny_run, tiny_settings
from training.grid import attempt
attempt(tiny_execute, tiny_settings(Path(sys.argv[1])), False, tiny_run("slow"))
"""


def test_a_run_is_trained_by_one_process_alone(tmp_path):
    folder = Folder(tiny_run("plain"), tiny_settings(tmp_path), "tiny")
    with folder.running():
        assert is_running(folder.path)
        mark = json.loads((folder.path / "running.json").read_text())
        assert (mark["pid"], mark["host"]) == (os.getpid(), platform.node())
        assert attempt(tiny_execute, tiny_settings(tmp_path), False, folder.run) == Taken(folder.run)
    assert not is_running(folder.path)
    assert not (folder.path / "running.json").exists()


def test_a_run_that_another_process_finished_a_moment_ago_is_not_trained_again(tmp_path):
    folder = Folder(tiny_run("plain"), tiny_settings(tmp_path), "tiny")
    folder.path.mkdir(parents=True)
    folder.finish([], [])
    with pytest.raises(TakenByAnother), folder.running():
        pytest.fail("trained")


def test_two_grids_share_the_work_and_both_have_all_results(tmp_path, uninterrupted, capsys):
    """The other process trains the first run; this grid does the second meanwhile, then takes over what is there."""
    slow, plain = tiny_run("slow"), tiny_run("plain")
    folder = Folder(slow, tiny_settings(tmp_path), "tiny").path
    other = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: (folder / "steps.txt").exists())
    order = []

    def record(finished: Finished) -> None:
        order.append(finished.run.configuration)
        assert_same(finished, uninterrupted)
        if len(order) == 1:
            threading.Timer(0.3, (folder / "go.txt").touch).start()

    failed = run_grid([slow, plain], tiny_execute, tiny_settings(tmp_path), partial(in_processes, parallel=1), record)
    assert other.wait(60) == 0
    assert not failed
    assert order == ["plain", "slow"]
    assert steps_of(folder) == ALL_STEPS
    assert "waiting for 1 runs that other processes have in hand" in capsys.readouterr().err


def test_when_the_other_process_is_killed_its_run_is_taken_over(tmp_path, uninterrupted):
    slow = tiny_run("slow")
    folder = Folder(slow, tiny_settings(tmp_path), "tiny").path
    other = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: (folder / "steps.txt").exists() and len(steps_of(folder)) == KILLED_AT)
    (folder / "go.txt").touch()
    other.send_signal(signal.SIGSTOP)
    threading.Timer(0.3, other.kill).start()
    finished, _ = grid([slow], tmp_path, 1)
    other.wait(60)
    assert_same(finished["slow"], uninterrupted)
    assert steps_of(folder)[-4:] == [4, 5, 6, 7]


# Damage


@pytest.mark.parametrize("content", [b"", b'{"rows": [', b"[]", b'{"rows": []}', b"\xff"])
def test_a_damaged_outcome_is_made_anew(tmp_path, uninterrupted, capsys, content):
    grid([tiny_run("plain")], tmp_path, 1)
    (file,) = tmp_path.glob("runs/*/finished.json")
    file.write_bytes(content)
    finished, failed = grid([tiny_run("plain")], tmp_path, 1)
    assert not failed
    assert_same(finished["plain"], uninterrupted)
    assert f"tiny test plain 20000 1 begins anew: {file} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_from_a_truncated_state_the_run_begins_anew(tmp_path, uninterrupted, capsys, keep):
    """Interrupted by an exception in the third epoch; then the disk loses a part of the state."""
    run = tiny_run("interrupted")
    with pytest.raises(KeyboardInterrupt):
        grid([run], tmp_path, 1)
    (state,) = tmp_path.glob("runs/*/state.safetensors")
    state.write_bytes(state.read_bytes()[:keep])
    finished, failed = grid([run], tmp_path, 1)
    assert not failed
    assert_same(finished["interrupted"], uninterrupted)
    assert steps_of(state.parent) == [*range(KILLED_AT), *ALL_STEPS]
    error = capsys.readouterr().err
    assert f"tiny test interrupted 20000 1 begins anew: {state} is truncated" in error


# Through the command


@pytest.fixture
def command(tmp_path, monkeypatch) -> Callable[..., int]:
    """`python -m training synthetic` with tiny runs, into tmp_path; `largest_file`: as if the disk were full."""

    def tiny_command(options: argparse.Namespace) -> int:
        runs = [tiny_run(name) for name in options.configurations]
        cli.run_command(options, runs, tiny_plan, tmp_path / "tiny.csv")
        return 0

    def run(*configurations: str, jobs: int = 1, largest_file: int = resource.RLIM_INFINITY) -> int:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))
        try:
            return cli.main(["synthetic", "--device", "cpu", "--jobs", str(jobs), "--configurations", *configurations])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    monkeypatch.setattr(cli, "available_cores", lambda: 1)  # a run of one thread: as the others, bit for bit
    monkeypatch.setitem(cli.COMMANDS, "synthetic", tiny_command)
    monkeypatch.setattr(synthetic, "EXPERTS", dict.fromkeys(["plain", "bad", "killed once"]))
    return run


def test_all_that_can_be_done_is_recorded_and_what_failed_is_said(command, tmp_path, capsys, uninterrupted):
    assert command("bad", "killed once", "plain", jobs=2) == 1
    error = capsys.readouterr().err
    assert "error: 1 of 3 runs failed, the others are recorded. The same command tries them again." in error
    assert "\n  bad 20000 1: ValueError: 10 parameters are too few\n" in error
    assert "Traceback" not in error
    assert "Traceback" in Path(error.partition("see ")[2].splitlines()[0]).read_text()
    rows = read(tmp_path / "tiny.csv")
    assert [row["configuration"] for row in rows] == ["killed once", "plain"]
    assert [row["value"] for row in rows] == 2 * [uninterrupted.rows[0]["value"]]


def test_a_full_disk_leaves_nothing_half_written_and_the_same_command_goes_on(command, tmp_path, capsys):
    """The state of a run needs 160 KB."""
    assert command("plain", largest_file=50_000) == 1
    error = capsys.readouterr().err
    assert "error: 1 of 1 runs failed" in error
    assert "File too large" in error
    assert "Traceback" not in error
    kept = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"lock", "steps.txt", "curve.jsonl", "tiny-test-plain-20000-1.failed.txt"}
    assert command("plain") == 0
    assert [row["configuration"] for row in read(tmp_path / "tiny.csv")] == ["plain"]
    (folder,) = tmp_path.glob("runs/*-*/")
    assert steps_of(folder) == [0, 1, *ALL_STEPS]


def test_results_that_no_longer_fit_stay_as_they_were_and_nothing_trained_is_lost(command, tmp_path, capsys):
    results = tmp_path / "tiny.csv"
    replace_run(results, tiny_run("other"), [{"modality": "all", "metric": "x" * 100, "value": "1"}] * 10_000)
    before = results.read_bytes()
    assert command("plain", largest_file=900_000) == 1
    assert "error: [Errno 27] File too large" in capsys.readouterr().err
    assert results.read_bytes() == before
    assert not list(tmp_path.glob(".*"))
    assert command("plain") == 0
    assert {row["configuration"] for row in read(results)} == {"other", "plain"}
    (folder,) = tmp_path.glob("runs/*-*/")
    assert steps_of(folder) == ALL_STEPS  # the second time it was only recorded


def test_a_foreign_results_file_is_refused_before_anything_runs(command, tmp_path, capsys):
    results = tmp_path / "tiny.csv"
    results.write_text("model,accuracy\na,0.5\n")
    assert command("plain") == 1
    assert "please move it away" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert results.read_text() == "model,accuracy\na,0.5\n"


def test_a_budget_too_small_is_a_failed_run_with_the_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    arguments = ["synthetic", "--configurations", "heterogeneous", "--budgets", "10", "--seeds", "1"]
    assert cli.main([*arguments, "--jobs", "1", "--device", "cpu"]) == 1
    error = capsys.readouterr().err
    assert "error: 1 of 1 runs failed" in error
    assert "heterogeneous 10 1: CannotMatch: " in error
    assert not (tmp_path / "training").exists()


def test_a_choice_that_leaves_nothing_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    assert cli.main(["synthetic", "--long", "--configurations", "ffn alone"]) == 1
    assert "error: none of these runs belongs to this experiment" in capsys.readouterr().err
