"""Curves in the real Trackio, in a folder of its own; it must not try to reach any other machine."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.tiny_runs import steps_of, tiny_run
from training import __main__ as cli
from training.watch import watched

ROOT = Path(__file__).parents[1]
NOT_INSTALLED = "Trackio is not installed: pip install -r requirements-extras.txt"

WATCHED_GRID = """
import json, socket, sys
from functools import partial
from pathlib import Path

tried = []
def refuse(*arguments, **_):
    tried.append(str(arguments))
    raise OSError("no network in tests")
socket.socket.connect = socket.getaddrinfo = refuse

from tests.tiny_runs import tiny_execute, tiny_run, tiny_settings
from training import watch
from training.grid import in_processes, run_grid
from trackio import SQLiteStorage

watch.SECONDS = 0.02
settings = tiny_settings(Path(sys.argv[1]))
finished = []
for _ in range(2):  # the second time all is finished and copied already
    with watch.watched([tiny_run("slow")], settings.runs):
        run_grid([tiny_run("slow")], tiny_execute, settings, partial(in_processes, parallel=1), finished.append)
(name,) = SQLiteStorage.get_runs("tiny")
name = name["name"] if isinstance(name, dict) else name
logs = SQLiteStorage.get_logs("tiny", name)
config = SQLiteStorage.get_run_config("tiny", name)
print(json.dumps({"name": name, "logs": logs, "config": config, "tried": tried, "curve": finished[0].curve}))
"""


def test_every_epoch_appears_in_trackio_when_it_is_finished_and_stays_on_this_machine(tmp_path):
    pytest.importorskip("trackio", reason=NOT_INSTALLED)
    environment = os.environ | {
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "TRACKIO_SPACE_ID": "somebody/somewhere",  # must not matter
        "HF_TOKEN": "hf_somebodys",
        "HF_HOME": str(tmp_path / "hf"),
    }
    command = [sys.executable, "-c", WATCHED_GRID, str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while epochs_in(tmp_path / "trackio") < 2:  # the run waits in its third epoch
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
        assert len(steps_of(folder)) == 5
        (folder / "go.txt").touch()
        output, error = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert "watch it with: trackio show --project tiny" in error
    found = json.loads(output)
    assert found["tried"] == []
    assert found["name"] == folder.name
    assert [log["step"] for log in found["logs"]] == [1, 2, 3, 4]
    of = {(row["epoch"], row["modality"], row["metric"]): float(row["value"]) for row in found["curve"]}
    for log in found["logs"]:
        epoch = str(log["step"])
        assert log["loss"] == of[epoch, "all", "train_loss"]
        assert log["validation/spatial"] == of[epoch, "spatial", "weights"]
    assert (found["config"]["configuration"], found["config"]["seed"]) == ("slow", "1")


def test_a_grid_goes_on_though_it_cannot_be_watched(tmp_path):
    pytest.importorskip("trackio", reason=NOT_INSTALLED)
    (tmp_path / "a-file").touch()
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "a-file" / "trackio"), "HF_HOME": str(tmp_path / "hf")}
    grid = WATCHED_GRID.partition("(name,)")[0].replace("slow", "plain")
    command = [sys.executable, "-c", grid + "assert len(finished) == 2", str(tmp_path)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    assert "no longer watched: [Errno 20] Not a directory" in process.stderr


def epochs_in(folder: Path) -> int:
    """How many lines Trackio's database of the project has."""
    databases = list(folder.glob("tiny*.db"))
    if not databases:
        return 0
    with closing(sqlite3.connect(databases[0])) as connection:
        try:
            return connection.execute("SELECT count(*) FROM metrics").fetchone()[0]
        except sqlite3.OperationalError:  # it is being made
            return 0


def test_without_trackio_it_is_said_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "trackio", None)
    message = r"pip install -r requirements-extras\.txt"
    with pytest.raises(ImportError, match=message), watched([tiny_run("plain")], tmp_path):
        pytest.fail("began")
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    assert cli.main(["synthetic", "--quick", "--watch"]) == 1
    assert "error: --watch needs Trackio: pip install" in capsys.readouterr().err
