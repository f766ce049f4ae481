"""The table of a grid's runs, from the files that the runs leave."""

import json
import platform

import pytest

from tests.tiny_runs import tiny_run, tiny_settings
from training import __main__ as cli
from training.grid import Folder, failure_file
from training.results import Run, replace_run
from training.status import standings, table


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    return tmp_path


def test_the_state_of_every_run(tmp_path):
    settings = tiny_settings(tmp_path)
    results = tmp_path / "tiny.csv"

    def folder(configuration: str, epochs: int) -> Folder:
        folder = Folder(tiny_run(configuration), settings, "tiny")
        folder.path.mkdir(parents=True)
        (folder.path / "curve.jsonl").write_text("{}\n" * epochs)
        (folder.path / "state.safetensors").touch()
        return folder

    replace_run(results, tiny_run("done"), [{"modality": "all", "metric": "accuracy", "value": "1"}])
    folder("stopped", 3)
    folder("killed", 2).path.joinpath("running.json").write_text("its process is gone")
    folder("kept", 4).finish([], [])
    failure_file(tiny_run("failed"), settings.runs).write_text("ValueError: too small\n\nTraceback")
    names = ("done", "here", "elsewhere", "stopped", "killed", "kept", "failed", "waiting")
    with folder("here", 1).running(), folder("elsewhere", 5).running():
        (mark,) = settings.runs.glob("*elsewhere*/running.json")
        mark.write_text(json.dumps({"pid": 7, "host": "north", "since": 0}))
        found = standings([tiny_run(name) for name in names], results, settings.runs)
        here = json.loads(next(settings.runs.glob("*here*/running.json")).read_text())
    assert platform.node() == here["host"]
    assert [(s.run.configuration, s.state) for s in found] == [
        ("done", "done"),
        ("here", "running"),
        ("elsewhere", "running"),
        ("stopped", "interrupted"),
        ("killed", "interrupted"),
        ("kept", "interrupted"),
        ("failed", "failed"),
        ("waiting", "waiting"),
    ]
    details = [s.detail for s in found]
    assert details[1].startswith(f"epoch 1 finished, by process {here['pid']} since ")
    assert details[2].startswith("epoch 5 finished, by process 7 on north since ")
    assert details[3:] == [
        "epoch 3 finished",
        "epoch 2 finished",
        "trained, but not yet in the results",
        "ValueError: too small",
        "",
    ]


def test_a_run_trained_anew_is_running_though_its_old_rows_are_there(tmp_path):
    run, settings = tiny_run("plain"), tiny_settings(tmp_path)
    replace_run(tmp_path / "tiny.csv", run, [{"modality": "all", "metric": "accuracy", "value": "1"}])
    Folder(run, settings, "old data").path.mkdir(parents=True)
    with Folder(run, settings, "new data").running():
        assert [s.state for s in standings([run], tmp_path / "tiny.csv", settings.runs)] == ["running"]


def test_two_hundred_runs_on_one_screen_of_80_columns(tmp_path):
    runs = [
        Run("synthetic", "test", f"{'compute-matched homogeneous' if i == 7 else i}", str(100_000 * (i + 1)), str(seed))
        for seed in (1, 2, 3, 42, 456)
        for i in range(40)
    ]
    failure_file(runs[7], tmp_path).write_text("CannotMatch: " + "no width fits " * 30)
    lines = table(standings(runs, tmp_path / "none.csv", tmp_path)).splitlines()
    assert lines[0] == "synthetic: 0 of 200 done, 1 failed, 199 waiting"
    assert lines[1].split() == ["1", "2", "3", "42", "456"]
    assert lines[9].split() == ["compute-matched", "homogeneous", "800,000", *"✗····"]
    assert lines[10].split() == ["8", "900,000", *"·····"]
    assert [lines[1].index(seed) + len(seed) for seed in (" 42", "456")] == [
        lines[9].rindex("·", 0, -1) + 1,
        lines[9].rindex("·") + 1,
    ]
    assert len(lines) < 52
    assert max(map(len, lines)) <= 80


def test_runs_that_are_not_in_the_grid_leave_a_gap(tmp_path):
    runs = [Run("t", "t", "a", "100", "1"), Run("t", "t", "b", "100", "1"), Run("t", "t", "b", "100", "2")]
    a, b = table(standings(runs, tmp_path / "none.csv", tmp_path)).splitlines()[2:]
    assert (a.count("·"), b.count("·")) == (1, 2)


def test_the_command_shows_all_experiments_or_one(project, capsys):
    assert cli.main(["status"]) == 0
    out = capsys.readouterr().out
    beginnings = (
        "realdata: 0 of 9 done",
        "realdata, frontier: 0 of 12 done",
        "controls: 0 of 54 done",
        "synthetic: 0 of",
        "synthetic long: 0 of",
    )
    for line in beginnings:
        assert line in out
    assert "✓ done   ▶ running" in out
    assert cli.main(["status", "realdata"]) == 0
    assert "controls" not in capsys.readouterr().out
    assert cli.main(["status", "frontier"]) == 0
    assert "convolutional" in capsys.readouterr().out


def test_a_foreign_results_file_is_said(project, capsys):
    results = project / "training" / "results" / "controls.csv"
    results.parent.mkdir(parents=True)
    results.write_text("a,b\n1,2\n")
    assert cli.main(["status", "controls"]) == 1
    assert "move it away" in capsys.readouterr().err
