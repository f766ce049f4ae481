"""A grid over a Ray cluster (`--ray ADDRESS`), when one machine is not enough.

Every node needs this project and its `runs` folder at the same path, on a shared file system; results are recorded by
the process that was started, alone. A run whose worker or node is lost goes on from its state on another one.
Optional: needs requirements-extras.txt. Nothing is reported to anyone, if the cluster is started with
`ray start --disable-usage-stats`.
"""

import logging
import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.grid import Attempt, Failed, Outcome
from training.loop import write_text
from training.results import Run

RETRIES = 3  # of a run whose worker was lost: nodes come and go

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change that does not touch us


def on_cluster(
    runs: list[Run], attempt: Attempt, address: str, folder: Path, cpus: int, gpus: int
) -> Iterator[Outcome]:
    """A `Start`: as many runs at a time as the cluster has room for, each with `cpus` cores and `gpus` GPUs.

    address: as `ray.init` takes it: host:port, or "auto" on a node of the cluster
    folder: that of all runs' folders
    Raises ImportError without Ray, ConnectionError if there is no cluster at the address.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError as error:
        raise ImportError("--ray needs Ray: pip install -r requirements-extras.txt") from error
    variables = {  # of the workers, who may have started in another directory
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "HETMOE_DATA": str(Path(os.environ.get("HETMOE_DATA") or "data").resolve()),
        "TQDM_DISABLE": "1",
    }
    host, _, port = address.rpartition(":")
    try:
        if port.isdigit():  # Ray itself would look for a quarter of an hour
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, runtime_env={"env_vars": variables}, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"there is no usable Ray cluster at {address}: {error}") from error
    token = folder / f"grid-{platform.node()}-{os.getpid()}"
    pending: dict[Any, Run] = {}  # by Ray's reference to the outcome
    try:
        write_text(token, "")
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_on_node)
        pending = {task.remote(attempt, run, token): run for run in runs}
        while pending:
            (done,), _ = ray.wait(list(pending))
            run = pending.pop(done)
            try:
                yield ray.get(done)
            except RayError as error:
                yield Failed(run, " ".join(f"{type(error).__name__}: {error}".split()))
    finally:
        for reference in pending:
            ray.cancel(reference)  # as by Ctrl-C: the running ones finish their step and save
        if pending:
            ray.wait(list(pending), num_returns=len(pending), timeout=60)
        ray.shutdown()
        token.unlink(missing_ok=True)


def _on_node(attempt: Attempt, run: Run, token: Path) -> Outcome:
    if not token.exists():
        return Failed(run, f"{token.parent} on {platform.node()} is not the one of the grid; it must be shared")
    return attempt(run)
