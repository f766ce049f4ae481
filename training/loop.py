"""The training loop: one model, one seed, resumable to the same weights. Axis legend: B batch, E experts, C classes."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from hetmoe.checkpoint import read_tensors, write_tensors
from hetmoe.encoding import MODALITIES, Statistics, standardise
from hetmoe.model import HetMoE, MoEOutput
from training.baselines import Oracle
from training.data import Split
from training.optimiser import AdamWAndMuon

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # x (B, 1024) float32, target (B,), modality (B,) int64
OptimiserState = dict[int, dict[str, Tensor]]  # AdamW's, for each parameter by its number: step, exp_avg, exp_avg_sq

STATE = "state.safetensors"  # in a run's folder


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the paper's (HetMoE, real data)."""

    epochs: int = 30
    steps: int = 500  # per epoch
    batch_size: int = 64
    learning_rate: float = 1e-3  # AdamW, falling to 0 along a cosine
    weight_decay: float = 1e-4
    clip: float = 1.0  # norm of the gradient
    warmup: float = 0.0  # share of the steps, in which the rate rises to its peak
    muon_rate: float | None = None  # of Muon for the kernels of convolutions; None: AdamW for these, too
    router_rate: float | None = None  # the router's own, beside Muon


@dataclass(frozen=True)
class Task:
    """What a run learns."""

    build: Callable[[], HetMoE]
    batches: Callable[[int, int, int], Iterator[Batch]]  # (seed, epoch, first step): the rest of that epoch
    loss: Callable[[MoEOutput, Tensor], Tensor]  # of a batch's outputs and targets, without the auxiliary losses
    validate: Callable[[HetMoE], dict[str, float]]  # modality -> accuracy or error, for the curve


@dataclass
class Progress:
    """What a run has come to. `curve` has a dictionary per finished epoch: epoch, loss, validation by modality."""

    step: int
    seconds: float
    loss_sum: float  # over the steps of the unfinished epoch
    curve: list[dict[str, Any]]


@dataclass(frozen=True)
class Evaluation:
    """One modality's split through a model: n inputs."""

    logits: np.ndarray  # (n, C) float32, the mixture
    routing_weights: np.ndarray  # (n, E) float32
    expert_logits: np.ndarray  # (n, E, C) float32
    labels: np.ndarray  # (n,) int64

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool."""
        return self.logits.argmax(1) == self.labels

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return F.cross_entropy(torch.from_numpy(self.logits), torch.from_numpy(self.labels)).item()


def outputs(model: HetMoE, x: Tensor, modality: Tensor) -> MoEOutput:
    """One forward pass; of all models, only the oracle is told the modality."""
    return model(x, modality) if isinstance(model, Oracle) else model(x)


@torch.inference_mode()
def predict(model: HetMoE, x: np.ndarray, modality: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 1024) standardised inputs of a modality -> (n, C) logits, (n, E) routing weights, (n, E, C) expert logits."""
    device = next(model.parameters()).device
    output = outputs(
        model, torch.from_numpy(x).to(device), torch.full((len(x),), MODALITIES.index(modality)).to(device)
    )
    logits, routing_weights, expert_logits = (
        t.cpu().numpy() for t in (output.logits, output.routing_weights, output.expert_logits)
    )
    return logits, routing_weights, expert_logits


def evaluate(
    model: HetMoE, split: Split, statistics: dict[str, Statistics], at_most: int | None = None
) -> dict[str, Evaluation]:
    """Modality -> Evaluation over the split's inputs in their order, or the first `at_most` of each modality."""
    model.eval()
    result = {}
    for modality, inputs in split.inputs.items():
        labels = split.labels[modality][:at_most]
        chunks = (inputs[start : min(start + 500, len(labels))] for start in range(0, len(labels), 500))
        parts = [predict(model, standardise(chunk, statistics[modality]), modality) for chunk in chunks]
        logits, routing_weights, expert_logits = map(np.concatenate, zip(*parts, strict=True))
        result[modality] = Evaluation(logits, routing_weights, expert_logits, labels)
    return result


def train(
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    folder: Path,
    name: str,
    bar_position: int = 0,
) -> tuple[HetMoE, Progress]:
    """Trains one model, or goes on where an earlier run in `folder` was interrupted, bit for bit on the same machine.

    The loss is the task's plus the model's auxiliary losses. After every epoch the state is saved and a line is
    written to `folder`/curve.jsonl. On Ctrl-C the current step is finished, the state saved, then KeyboardInterrupt
    raised. `folder` must belong to this task, recipe and seed.
    """
    torch.manual_seed(seed)
    model = task.build().to(device)
    optimiser = AdamWAndMuon(model, recipe.learning_rate, recipe.weight_decay, recipe.muon_rate, recipe.router_rate)
    state, progress = load_state(folder, model)
    optimiser.load_state(state)
    total = recipe.epochs * recipe.steps
    with step_bar(name, progress.step, total, bar_position) as bar, deferred_interrupt() as interrupted:
        while progress.step < total:
            epoch, start = divmod(progress.step, recipe.steps)
            model.train()
            began = time.perf_counter()
            for batch in task.batches(seed, epoch, start):
                x, target, modality = (torch.from_numpy(array).to(device) for array in batch)
                optimiser.schedule(rising_cosine(progress.step, total, recipe.warmup))
                output = outputs(model, x, modality)
                loss = task.loss(output, target)
                optimiser.zero_grad()
                (loss + sum(output.auxiliary_losses.values())).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                optimiser.step()
                progress.step += 1
                progress.loss_sum += loss.item()
                bar.update()
                if interrupted.is_set():
                    break
            progress.seconds += time.perf_counter() - began
            save_state(folder, task, recipe, model, optimiser.state(), progress)
            if interrupted.is_set():
                raise KeyboardInterrupt
    return model.eval(), progress


def rising_cosine(step: int, total: int, warmup: float) -> float:
    """The rate of a step as a share of its peak: up along a line for `warmup` of the steps, then down along a cosine to
    0 at `total`."""
    rising = warmup * total
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (total - rising)))


def _finish_epoch(model: HetMoE, task: Task, recipe: Recipe, progress: Progress, folder: Path) -> None:
    model.eval()
    progress.curve.append(
        {
            "epoch": progress.step // recipe.steps,
            "loss": progress.loss_sum / recipe.steps,
            "validation": task.validate(model),
        }
    )
    progress.loss_sum = 0.0
    write_text(folder / "curve.jsonl", "".join(json.dumps(line) + "\n" for line in progress.curve))


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def save_state(
    folder: Path, task: Task, recipe: Recipe, model: HetMoE, optimiser: OptimiserState, progress: Progress
) -> None:
    """Keeps what `load_state` needs to go on from here; at the end of an epoch, puts it on the curve first."""
    if progress.step % recipe.steps == 0:
        _finish_epoch(model, task, recipe, progress, folder)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for i, state in optimiser.items():
        tensors |= {f"optimiser.{i}.{name}": tensor for name, tensor in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(folder / STATE, tensors, {"progress": json.dumps(asdict(progress))})


def load_state(folder: Path, model: HetMoE) -> tuple[OptimiserState, Progress]:
    """Puts a run's model where it was left; the rest of its state. The beginning, if nothing was saved in `folder`."""
    optimiser: OptimiserState = {}
    if not (folder / STATE).exists():
        return optimiser, Progress(0, 0.0, 0.0, [])
    metadata, tensors = read_tensors(folder / STATE)
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, i, key = name.split(".")
            optimiser.setdefault(int(i), {})[key] = tensor
    return optimiser, Progress(**json.loads(metadata["progress"]))


def step_bar(name: str, done: int, total: int, position: int) -> tqdm:
    """The progress bar of a run; none without a terminal, where every change would be a line."""
    on_terminal = {"position": position, "dynamic_ncols": True, "leave": False, "disable": None}
    return tqdm(total=total, initial=done, desc=name, unit="step", **on_terminal)


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Within the block, the first Ctrl-C only sets the event, so that no step is left half done; the second acts."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
