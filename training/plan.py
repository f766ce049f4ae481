"""From a run's plan to its outcome. Every experiment makes the plans of its runs; all are carried out here."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from hetmoe.model import HetMoE, count_multiply_adds, count_parameters
from training.grid import Finished, Folder, Settings, bar_position
from training.loop import Progress, Recipe, Task, train
from training.results import Row, Run, row


class Plan(NamedTuple):
    """How a run is trained and tested, and where."""

    folder: Folder
    task: Task
    recipe: Recipe
    metric: str  # what the task's validation measures
    test: Callable[[HetMoE, Progress], list[Row]]  # the trained model's rows


MakePlan = Callable[[Run, Settings], Plan]  # a module's function, for it is sent to other processes


def execute(plan: MakePlan, run: Run, settings: Settings) -> Finished:
    """Trains and tests one model, unless that was done before. With its first argument, a `grid.Execute`."""
    folder, task, recipe, metric, test = plan(run, settings)
    if before := folder.finished():
        return before
    with folder.running():
        model, progress = train(
            task,
            recipe,
            seed=int(run.seed),
            device=torch.device(settings.device),
            folder=folder.path,
            name=f"{run.configuration} {run.budget} {run.seed}",
            bar_position=bar_position(),
        )
        return folder.finish(test(model, progress), curve_rows(progress, metric))


def cost_rows(model: HetMoE, progress: Progress) -> list[Row]:
    """What a model on the CPU and its training cost."""
    return [
        row("all", "parameters", count_parameters(model)),
        row("all", "multiply_adds", count_multiply_adds(model)),
        row("all", "seconds", round(progress.seconds, 1)),
        row("all", "steps", progress.step),
    ]


def curve_rows(progress: Progress, metric: str) -> list[Row]:
    """The curve in tidy form; `metric` names what the task's validation measures."""
    rows = []
    for line in progress.curve:
        by_modality = line["validation"]
        measured = [("all", "train_loss", line["loss"]), ("all", metric, float(np.mean(list(by_modality.values()))))]
        measured += [(modality, metric, value) for modality, value in by_modality.items()]
        rows += [{"epoch": str(line["epoch"]), **row(*one)} for one in measured]
    return rows
