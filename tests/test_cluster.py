"""The grid over a real Ray cluster of two nodes with one core each: a killed worker's run goes on, bit for bit."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import torch

from hetmoe.checkpoint import read_tensors
from tests.tiny_runs import KILLED_AT, steps_of, tiny_execute, tiny_run, tiny_settings
from training import __main__ as cli
from training.cluster import _on_node, on_cluster
from training.grid import Failed, Finished, attempt, run_grid

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two nodes on this machine, which reports to nobody. It may start slowly on a busy machine."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        patch.setenv("RAY_agent_register_timeout_ms", "300000")
        reason = "Ray is not installed: pip install -r requirements-extras.txt"
        cluster_utils = pytest.importorskip("ray.cluster_utils", reason=reason)
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=node() | {"include_dashboard": False})
        try:
            cluster.add_node(**node())
            yield cluster.address
        finally:
            cluster.shutdown()


def node() -> dict[str, int]:
    """Of one core. If Ray were to choose these ports itself, it would give up after 15 s on a busy machine."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for one in sockets:
            one.bind(("", 0))
        names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
        ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    return {"num_cpus": 1, "object_store_memory": 80 * 2**20, **ports}


def test_a_killed_workers_run_goes_on_elsewhere_and_nothing_is_lost(address, tmp_path):
    threads = torch.get_num_threads()
    uninterrupted = attempt(tiny_execute, tiny_settings(tmp_path / "here"), False, tiny_run("plain"))
    torch.set_num_threads(threads)
    settings = tiny_settings(tmp_path / "cluster")
    finished: dict[str, Finished] = {}
    failed = run_grid(
        [tiny_run("killed once"), tiny_run("bad"), tiny_run("plain")],
        tiny_execute,
        settings,
        partial(on_cluster, address=address, folder=settings.runs, cpus=1, gpus=0),
        lambda one: finished.update({one.run.configuration: one}),
    )
    assert [(f.run.configuration, f.reason) for f in failed] == [("bad", "ValueError: 10 parameters are too few")]
    assert isinstance(uninterrupted, Finished)
    assert set(finished) == {"killed once", "plain"}
    for one in finished.values():
        assert (one.rows, one.curve) == (uninterrupted.rows, uninterrupted.curve)  # bit for bit
    assert steps_of(finished["plain"].folder) == list(range(8))
    assert steps_of(finished["killed once"].folder) == [0, 1, 2, 3, 4, 4, 5, 6, 7]  # from the second epoch on
    assert not list(settings.runs.glob("grid-*"))


INTERRUPTED_GRID = """
import sys
from functools import partial
from pathlib import Path
from tests.tiny_runs import tiny_execute, tiny_run, tiny_settings
from training.cluster import on_cluster
from training.grid import run_grid
settings = tiny_settings(Path(sys.argv[1]))
start = partial(on_cluster, address=sys.argv[2], folder=settings.runs, cpus=1, gpus=0)
try:
    run_grid([tiny_run("slow", seed) for seed in (1, 2, 3)], tiny_execute, settings, start, print)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_after_ctrl_c_the_running_runs_have_saved_and_no_other_has_begun(address, tmp_path):
    command = [sys.executable, "-c", INTERRUPTED_GRID, str(tmp_path), address]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folders: list[Path] = []
    while len(folders) < 2 or not all(len(steps_of(folder)) == KILLED_AT for folder in folders):
        assert process.poll() is None
        time.sleep(0.1)
        folders = [path.parent for path in tmp_path.glob("runs/*/steps.txt")]
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    states = sorted(tmp_path.glob("runs/*/state.safetensors"))
    assert len(states) == 2
    for state in states:
        assert json.loads(read_tensors(state)[0]["progress"])["step"] == KILLED_AT + 1  # its step was finished
        assert not (state.parent / "running.json").exists()


def test_a_node_without_the_shared_folder_trains_nothing(tmp_path):
    run = tiny_run("plain")
    outcome = _on_node(lambda run: pytest.fail("trained"), run, tmp_path / "runs" / f"grid-north-{os.getpid()}")
    assert isinstance(outcome, Failed)
    assert "runs on " in outcome.reason and outcome.reason.endswith("it must be shared")


def start_at(address: str, folder: Path) -> None:
    list(on_cluster([tiny_run("plain")], lambda run: pytest.fail("trained"), address, folder, 1, 0))


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere"])
def test_no_cluster_at_the_address(tmp_path, address):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-extras.txt")
    with pytest.raises(ConnectionError, match=f"no usable Ray cluster at {address}"):
        start_at(address, tmp_path)


def test_the_command_says_that_there_is_no_cluster(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-extras.txt")
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    assert cli.main(["synthetic", "--quick", "--ray", "127.0.0.1:9"]) == 1
    assert "error: there is no usable Ray cluster at 127.0.0.1:9: [Errno 111]" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["synthetic", "--ray", "auto", "--jobs", "2"])


def test_without_ray_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install -r requirements-extras\.txt"):
        start_at("127.0.0.1:9", tmp_path)
