"""Live curves in Trackio (`--watch`): a dashboard on this machine, without account or network.

Training knows nothing of it: the process that started the grid copies what the runs, wherever they are, add to their
curve.jsonl. It writes to Trackio's storage (in TRACKIO_DIR) and not by `trackio.init`, which would ask huggingface.co
for the user's name and obey TRACKIO_SPACE_ID. Optional: needs requirements-extras.txt.
"""

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from training.grid import newest_folders, slug
from training.results import Run

SECONDS = 5.0  # between two looks


@contextmanager
def watched(runs: list[Run], folders: Path) -> Iterator[None]:
    """Within the block, every epoch that a run finishes appears in the Trackio project of its experiment.

    folders: that of all runs' folders
    Raises ImportError without Trackio.
    """
    try:
        from trackio import SQLiteStorage
    except ImportError as error:
        raise ImportError("--watch needs Trackio: pip install -r requirements-extras.txt") from error
    project = runs[0].experiment.replace(" ", "-")
    copied: dict[Path, int] = {}  # lines of each curve

    def copy() -> None:
        newest = newest_folders(folders)
        for run in runs:
            folder = newest.get(slug(run))
            if folder is None or not (folder / "curve.jsonl").exists():
                continue
            lines = (folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()[copied.get(folder, 0) :]
            epochs = [json.loads(line) for line in lines]
            SQLiteStorage.bulk_log(
                project,
                folder.name,
                [_metrics(epoch) for epoch in epochs],
                steps=[epoch["epoch"] for epoch in epochs],
                config=run._asdict() | {"_Group": run.configuration},
                log_ids=[f"{folder.name}:{epoch['epoch']}" for epoch in epochs],  # a second time, it is not added
            )
            copied[folder] = copied.get(folder, 0) + len(epochs)

    def follow() -> None:
        last = False
        while not last:
            last = ended.wait(SECONDS)
            try:
                copy()
            except (OSError, sqlite3.Error) as error:  # the grid is worth more than its picture
                tqdm.write(f"no longer watched: {error}", file=sys.stderr)
                return

    print(f"watch it with: trackio show --project {project}", file=sys.stderr)
    ended = threading.Event()
    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _metrics(epoch: dict[str, Any]) -> dict[str, float]:
    """A line of the curve, flat."""
    return {"loss": epoch["loss"], **{f"validation/{m}": value for m, value in epoch["validation"].items()}}
