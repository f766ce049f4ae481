"""Runs for tests of the grid: a tiny model on random batches, and what may befall it. Spawned processes import this."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch.nn.functional as F

from hetmoe.model import HetMoE
from tests.tiny import tiny_config
from training.grid import Folder, Settings
from training.loop import Batch, Recipe, Task
from training.plan import Plan, execute
from training.results import Run, row

RECIPE = Recipe(epochs=4, steps=2, batch_size=4)
KILLED_AT = 5  # the second step of the third epoch: two epochs are saved


def tiny_run(configuration: str, seed: int = 1) -> Run:
    return Run("tiny", "test", configuration, "20000", str(seed))


def tiny_settings(folder: Path, threads: int = 1) -> Settings:
    return Settings(None, folder / "runs", "cpu", threads, "unknown")


def tiny_plan(run: Run, settings: Settings) -> Plan:
    """The configuration says what happens at KILLED_AT; steps.txt in the run's folder, which steps were trained."""
    if run.configuration == "bad":
        raise ValueError("10 parameters are too few")
    folder = Folder(run, settings, "tiny")
    task = Task(
        partial(HetMoE, tiny_config(n_outputs=1)),
        partial(_batches, run.configuration, folder.path),
        lambda output, target: F.mse_loss(output.logits[:, 0], target),
        lambda model: {"spatial": _total(model)},
    )
    return Plan(folder, task, RECIPE, "weights", lambda model, progress: [row("all", "weights", _total(model))])


tiny_execute = partial(execute, tiny_plan)


def _total(model: HetMoE) -> float:
    """The sum of all weights: two models that were trained differently differ in it."""
    return sum(p.detach().double().sum().item() for p in model.parameters())


def _batches(what: str, folder: Path, seed: int, epoch: int, start: int) -> Iterator[Batch]:
    for step in range(epoch * RECIPE.steps + start, (epoch + 1) * RECIPE.steps):
        if step == KILLED_AT:
            _meet(what, folder)
        with (folder / "steps.txt").open("a") as file:
            file.write(f"{step}\n")
        random = np.random.default_rng([seed, step])
        x = random.normal(size=(RECIPE.batch_size, 1024)).astype(np.float32)
        yield x, x[:, 0], np.zeros(RECIPE.batch_size, np.int64)


def _meet(what: str, folder: Path) -> None:
    first = not (folder / "met.txt").exists()
    (folder / "met.txt").touch()
    if what == "always killed" or (what == "killed once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "interrupted" and first:
        raise KeyboardInterrupt
    if what == "slow":
        handler = signal.getsignal(signal.SIGINT)  # the loop's, until a Ctrl-C is noted
        while not (folder / "go.txt").exists() and signal.getsignal(signal.SIGINT) is handler:
            time.sleep(0.05)


def steps_of(folder: Path) -> list[int]:
    """The steps that were trained, in their order."""
    return [int(line) for line in (folder / "steps.txt").read_text().split()]
