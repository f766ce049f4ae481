"""Runs of one configuration with different seeds, trained as one stacked model. Axis legend: M models, B batch.

A model of some 200,000 parameters leaves a GPU nearly idle: a step is hundreds of small kernels, and launching them
takes longer than computing them. Stacked (`torch.func.stack_module_state` and `vmap`) M models take the launches of
one. Every model keeps its own batches, gradient norm, AdamW and batch statistics, so what comes out is what
`training.loop.train` makes of each alone, to rounding; and so is what lies in the runs' folders on the way: a run may
begin together and go on alone, or the reverse.

On a CPU, which launches nothing, only plain networks gain; convolutions become grouped ones, which are slower there.
`python -m benchmarks.together` measures it.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from hetmoe.model import HetMoE
from training.baselines import Oracle
from training.grid import Attempt, Outcome, Settings, TakenByAnother
from training.loop import (
    OptimiserState,
    Progress,
    Recipe,
    Task,
    deferred_interrupt,
    load_state,
    rising_cosine,
    save_state,
    step_bar,
)
from training.plan import MakePlan
from training.results import Run


class CannotStack(ValueError):
    """Runs of this model cannot be trained together."""


@dataclass
class _Member:
    seed: int
    folder: Path
    model: HetMoE
    optimiser: OptimiserState
    progress: Progress


def groups(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that differ in their seed alone, together; in the order of their first."""
    result: dict[Run, list[Run]] = {}
    for run in runs:
        result.setdefault(run._replace(seed=""), []).append(run)
    return list(result.values())


def in_groups(runs: list[Run], attempt: Attempt, plan: MakePlan, settings: Settings) -> Iterator[Outcome]:
    """A `grid.Start`: trains the runs of a group together, then attempts each, which finds itself trained.

    Runs that another process has in hand, or that are finished, are left out. What keeps a group from being trained
    together is said, and each of its runs goes on alone: there it succeeds, or fails on its own account.
    """
    for group in groups(runs):
        try:
            _train_group(group, plan, settings)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            tqdm.write(f"{' '.join(group[0][:-1])}: one after another, for {error}", file=sys.stderr)
        yield from map(attempt, group)


def _train_group(group: list[Run], plan: MakePlan, settings: Settings) -> None:
    plans = {int(run.seed): plan(run, settings) for run in group}
    with ExitStack() as locks:
        folders = {}
        for seed, of_seed in plans.items():
            with suppress(TakenByAnother):
                locks.enter_context(of_seed.folder.running())
                folders[seed] = of_seed.folder.path
        if len(folders) > 1:
            one = plans[min(folders)]
            name = f"{group[0].configuration} {group[0].budget}, {len(folders)} seeds"
            device = torch.device(settings.device)
            train_together(one.task, one.recipe, folders, device=device, name=name, bar_position=1)


def train_together(
    task: Task,
    recipe: Recipe,
    folders: Mapping[int, Path],
    *,
    device: torch.device,
    name: str,
    bar_position: int = 0,
) -> dict[int, tuple[HetMoE, Progress]]:
    """Trains one model for each seed in `folders`, whose value is the folder of that seed's run; the models by seed.

    Like `train` in everything else: state and curve are written to each folder after every epoch, Ctrl-C finishes the
    step, an interrupted call goes on. Runs that were left at different steps are trained apart until they have caught
    up with one another. `Progress.seconds` is a run's share of the time.

    Raises CannotStack for models that compute different experts for different inputs (`Oracle`, thresholded routing),
    and for a recipe with Muon.
    """
    if recipe.muon_rate is not None:
        raise CannotStack("Muon takes the kernels of one model; train it alone")
    members = [_member(task, seed, folder, device) for seed, folder in folders.items()]
    if isinstance(members[0].model, Oracle) or members[0].model.config.routing == "thresholded":
        raise CannotStack("its router chooses an expert for each input, which a stacked model cannot; train it alone")
    total = recipe.epochs * recipe.steps
    done = sum(member.progress.step for member in members)
    bar = step_bar(name, done, total * len(members), bar_position)
    with bar, deferred_interrupt() as interrupted:
        while (step := min(member.progress.step for member in members)) < total:
            behind = [member for member in members if member.progress.step == step]
            _rest_of_epoch(behind, task, recipe, device, bar, interrupted)
            for member in behind:
                save_state(member.folder, task, recipe, member.model, member.optimiser, member.progress)
            if interrupted.is_set():
                raise KeyboardInterrupt
    return {member.seed: (member.model.eval(), member.progress) for member in members}


def _member(task: Task, seed: int, folder: Path, device: torch.device) -> _Member:
    torch.manual_seed(seed)
    model = task.build().to(device)
    return _Member(seed, folder, model, *load_state(folder, model))


def _rest_of_epoch(
    members: list[_Member], task: Task, recipe: Recipe, device: torch.device, bar: tqdm, interrupted: Event
) -> None:
    """Takes members that stand at the same step to the end of that epoch, or to the interruption."""
    began = time.perf_counter()
    step = members[0].progress.step
    epoch, start = divmod(step, recipe.steps)
    models = [member.model.train() for member in members]
    parameters, buffers = stack_module_state(models)  # M in front of every shape
    optimiser = torch.optim.AdamW(parameters.values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    state = _stack([member.optimiser for member in members], device)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})

    def losses(
        parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of one model: the task's loss, and with the auxiliary losses."""
        output = functional_call(models[0], (parameters, buffers), (x,))
        loss = task.loss(output, target)
        return loss, loss + sum(output.auxiliary_losses.values())

    history: list[Tensor] = []  # (M,) a step; read at the end, for reading makes the CPU wait for the GPU
    for batches in zip(*(task.batches(member.seed, epoch, start) for member in members), strict=True):
        x = _moved([batch[0] for batch in batches], device)  # M B N
        target = _moved([batch[1] for batch in batches], device)  # M B
        factor = rising_cosine(step + len(history), recipe.epochs * recipe.steps, recipe.warmup)
        optimiser.param_groups[0]["lr"] = recipe.learning_rate * factor
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels would run model by model
            loss, with_auxiliary = torch.vmap(losses)(parameters, buffers, x, target)  # M each
        optimiser.zero_grad()
        with_auxiliary.sum().backward()  # no model's loss depends on another's parameters
        clip_each([p.grad for p in parameters.values()], recipe.clip)
        optimiser.step()
        history.append(loss.detach())
        bar.update(len(members))
        if interrupted.is_set():
            break

    for step_losses in torch.stack(history).tolist():
        for member, one in zip(members, step_losses, strict=True):
            member.progress.loss_sum += one
    for i, member in enumerate(members):
        member.model.load_state_dict({key: tensor[i] for key, tensor in {**parameters, **buffers}.items()})
        member.optimiser = _unstack(optimiser.state_dict()["state"], i)
        member.progress.step += len(history)
        member.progress.seconds += (time.perf_counter() - began) / len(members)


def clip_each(gradients: Sequence[Tensor], most: float) -> None:
    """Scales the gradients, (M, ...) each, in place so that none of the M models' norms exceeds `most`.

    As `torch.nn.utils.clip_grad_norm_` does for one model, its 1e-6 included.
    """
    norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)  # M
    scales = (most / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scales.view(-1, *[1] * (gradient.ndim - 1)))


def _moved(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """One array of each model, stacked, on the device; a GPU fetches it while the CPU goes on."""
    stacked = torch.from_numpy(np.stack(arrays))
    return stacked.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else stacked.to(device)


def _stack(states: list[OptimiserState], device: torch.device) -> OptimiserState:
    """Models' states of AdamW -> that of the stacked model. They stand at one step, which stays a scalar."""
    return {
        i: {
            key: first if key == "step" else torch.stack([state[i][key].to(device) for state in states])
            for key, first in of_parameter.items()
        }
        for i, of_parameter in states[0].items()
    }


def _unstack(state: OptimiserState, model: int) -> OptimiserState:
    """The reverse, for one of the models."""
    return {
        i: {key: tensor if key == "step" else tensor[model] for key, tensor in of_parameter.items()}
        for i, of_parameter in state.items()
    }
