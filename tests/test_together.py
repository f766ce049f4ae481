"""Training together: every seed comes out as it does alone, whatever happens on the way.

In double precision, where "the same to rounding" is far from any other difference: in single precision a ReLU at 0 may
fall on either side.
"""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hetmoe.checkpoint import read_tensors
from hetmoe.config import ModelConfig
from hetmoe.model import HetMoE, MoEOutput
from tests.tiny import tiny_config
from training import together
from training.baselines import Ensemble, Oracle, ensemble_loss
from training.classification import cross_entropy
from training.grid import Failed, Finished, Folder, Settings, run_grid
from training.loop import STATE, Batch, Progress, Recipe, Task, train
from training.plan import Plan, execute
from training.results import Run
from training.together import CannotStack, clip_each, groups, in_groups, train_together

SEEDS = (42, 123)
RECIPE = Recipe(epochs=2, steps=10, batch_size=8, clip=0.5)
CPU = torch.device("cpu")

Loss = Callable[[MoEOutput, Tensor], Tensor]
Trained = dict[int, tuple[HetMoE, Progress]]


def squared_error(output: MoEOutput, target: Tensor) -> Tensor:
    return F.mse_loss(output.logits[:, 0], target)


def a_task(
    config: ModelConfig,
    model_class: type[HetMoE] = HetMoE,
    loss: Loss = cross_entropy,
    on_batch: Callable[[int, int], None] = lambda seed, step: None,
) -> Task:
    """Random inputs, in double precision; `on_batch` is told the seed and the step of each batch."""

    def batches(seed: int, epoch: int, start: int) -> Iterator[Batch]:
        for step in range(start, RECIPE.steps):
            on_batch(seed, epoch * RECIPE.steps + step)
            rng = np.random.default_rng([seed, epoch, step])
            target = rng.integers(0, 10, RECIPE.batch_size) if loss is not squared_error else rng.normal(size=8)
            # Inputs of different sizes for different seeds: their gradients are clipped differently.
            yield seed * rng.normal(size=(RECIPE.batch_size, 1024)) / 100, target, rng.integers(0, 4, 8)

    def validate(model: HetMoE) -> dict[str, float]:
        assert not model.training
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 1024)))
        with torch.inference_mode():
            return {"spatial": model(x).logits.square().mean().item()}

    return Task(lambda: model_class(config).double(), batches, loss, validate)


def together_in(folder: Path, task: Task) -> Trained:
    folders = {seed: folder / str(seed) for seed in SEEDS}
    return train_together(task, RECIPE, folders, device=CPU, name="test")


def alone_in(folder: Path, task: Task, seed: int) -> tuple[HetMoE, Progress]:
    return train(task, RECIPE, seed=seed, device=CPU, folder=folder / str(seed), name="test")


def step_of(folder: Path) -> int:
    return json.loads(read_tensors(folder / STATE)[0]["progress"])["step"]


def assert_close(one: tuple[HetMoE, Progress], other: tuple[HetMoE, Progress], rtol: float = 1e-9) -> None:
    """Weights, buffers and curve; rtol = 0: bit for bit."""
    (model, progress), (other_model, other_progress) = one, other
    torch.testing.assert_close(model.state_dict(), other_model.state_dict(), rtol=rtol, atol=rtol)
    assert model.training == other_model.training
    assert progress.step == other_progress.step
    assert len(progress.curve) == len(other_progress.curve)
    for line, other_line in zip(progress.curve, other_progress.curve, strict=True):
        assert line["epoch"] == other_line["epoch"]
        assert line["loss"] == pytest.approx(other_line["loss"], rel=rtol, abs=0)
        assert line["validation"] == pytest.approx(other_line["validation"], rel=rtol, abs=0)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """For such small models, several cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Trained:
    return together_in(tmp_path_factory.mktemp("uninterrupted"), a_task(tiny_config("hybrid")))


# As alone


def with_routing(routing: Any) -> ModelConfig:
    return ModelConfig.from_dict({**tiny_config().to_dict(), "routing": routing})


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(a_task(tiny_config("homogeneous")), id="homogeneous"),
        pytest.param(a_task(tiny_config("heterogeneous")), id="heterogeneous"),
        pytest.param(a_task(tiny_config("hybrid")), id="hybrid"),
        pytest.param(a_task(tiny_config("hybrid", 1), loss=squared_error), id="regression"),
        pytest.param(a_task(with_routing("uniform")), id="uniform"),
        pytest.param(a_task(with_routing("top-1")), id="top-1"),
        pytest.param(a_task(with_routing("uniform"), model_class=Ensemble, loss=ensemble_loss), id="ensemble"),
    ],
)
def test_every_seed_comes_out_as_alone(task, tmp_path):
    trained = together_in(tmp_path / "together", task)
    assert list(trained) == list(SEEDS)
    for seed in SEEDS:
        assert_close(trained[seed], alone_in(tmp_path / "alone", task, seed))
        for folder in (tmp_path / "together" / str(seed), tmp_path / "alone" / str(seed)):
            assert sorted(path.name for path in folder.iterdir()) == ["curve.jsonl", STATE]


def test_in_single_precision_the_loss_is_the_same(tmp_path):
    double = a_task(tiny_config())

    def batches(seed: int, epoch: int, start: int) -> Iterator[Batch]:
        for x, target, modality in double.batches(seed, epoch, start):
            yield x.astype(np.float32), target, modality

    task = Task(lambda: HetMoE(tiny_config()), batches, cross_entropy, lambda model: {})
    trained = together_in(tmp_path / "together", task)
    for seed in SEEDS:
        _, progress = alone_in(tmp_path / "alone", task, seed)
        losses, alone = ([line["loss"] for line in p.curve] for p in (trained[seed][1], progress))
        assert losses == pytest.approx(alone, rel=1e-3)


def test_with_warm_up_every_seed_comes_out_as_alone(tmp_path):
    task, recipe = a_task(tiny_config("homogeneous")), replace(RECIPE, warmup=0.3)
    folders = {seed: tmp_path / str(seed) for seed in SEEDS}
    trained = train_together(task, recipe, folders, device=CPU, name="test")
    for seed in SEEDS:
        alone = train(task, recipe, seed=seed, device=CPU, folder=tmp_path / f"{seed} alone", name="test")
        assert_close(trained[seed], alone)


def test_the_seeds_differ(uninterrupted):
    first, second = (torch.cat([p.flatten() for p in model.parameters()]) for model, _ in uninterrupted.values())
    assert (first - second).abs().median() > 1e-3


def test_each_model_is_clipped_by_its_own_norm():
    """Norms 5 and 0.5, over two parameters: the first model is scaled by 1/5, the second is left as it is."""
    gradients = [torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[[4.0]], [[0.4]]])]
    clip_each(gradients, 1.0)
    torch.testing.assert_close(gradients[0], torch.tensor([[0.6, 0.0], [0.3, 0.0]]), rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients[1], torch.tensor([[[0.8]], [[0.4]]]), rtol=1e-6, atol=0)


def test_the_time_is_shared(tmp_path):
    trained = together_in(tmp_path, a_task(tiny_config("homogeneous")))
    seconds = {progress.seconds for _, progress in trained.values()}
    assert len(seconds) <= len(SEEDS) and max(seconds) < 1.5 * min(seconds)


# Interrupted


class Killed(BaseException):
    pass


def kill() -> None:
    raise Killed


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def at(step: int, seed: int, act: Callable[[], None]) -> Callable[[int, int], None]:
    """For `on_batch`: acts while that seed's batch of that step is asked for."""
    return lambda its_seed, its_step: act() if (its_seed, its_step) == (seed, step) else None


@pytest.mark.parametrize("step", [0, 9, 13])
def test_ctrl_c_loses_nothing(uninterrupted, tmp_path, step):
    config = tiny_config("hybrid")
    with pytest.raises(KeyboardInterrupt):
        together_in(tmp_path, a_task(config, on_batch=at(step, 123, ctrl_c)))
    assert [step_of(tmp_path / str(seed)) for seed in SEEDS] == [step + 1, step + 1]  # the step at work is finished
    resumed = together_in(tmp_path, a_task(config))
    for seed in SEEDS:
        assert_close(resumed[seed], uninterrupted[seed], rtol=0)


def test_a_killed_process_goes_on_from_the_last_epoch(uninterrupted, tmp_path):
    config = tiny_config("hybrid")
    with pytest.raises(Killed):
        together_in(tmp_path, a_task(config, on_batch=at(13, 123, kill)))
    assert [step_of(tmp_path / str(seed)) for seed in SEEDS] == [10, 10]
    resumed = together_in(tmp_path, a_task(config))
    for seed in SEEDS:
        assert_close(resumed[seed], uninterrupted[seed], rtol=0)


def test_killed_between_two_saves_the_run_behind_catches_up(uninterrupted, tmp_path, monkeypatch):
    task = a_task(tiny_config("hybrid"))
    with monkeypatch.context() as patch:
        save = together.save_state
        patch.setattr(together, "save_state", lambda f, *rest: save(f, *rest) if f.name != "123" else kill())
        with pytest.raises(Killed):
            together_in(tmp_path, task)
    assert step_of(tmp_path / "42") == 10
    assert not (tmp_path / "123").exists()
    asked: list[tuple[int, int]] = []
    resumed = together_in(tmp_path, a_task(tiny_config("hybrid"), on_batch=lambda seed, k: asked.append((seed, k))))
    assert [step for seed, step in asked if seed == 42] == list(range(10, 20))
    assert [step for seed, step in asked if seed == 123] == list(range(20))
    for seed in SEEDS:
        assert_close(resumed[seed], uninterrupted[seed])


def test_begun_alone_a_run_goes_on_together(uninterrupted, tmp_path):
    config = tiny_config("hybrid")
    with pytest.raises(Killed):
        alone_in(tmp_path, a_task(config, on_batch=at(13, 42, kill)), 42)
    resumed = together_in(tmp_path, a_task(config))
    for seed in SEEDS:
        assert_close(resumed[seed], uninterrupted[seed])


def test_begun_together_a_run_goes_on_alone(uninterrupted, tmp_path):
    config = tiny_config("hybrid")
    with pytest.raises(Killed):
        together_in(tmp_path, a_task(config, on_batch=at(13, 42, kill)))
    for seed in SEEDS:
        assert_close(alone_in(tmp_path, a_task(config), seed), uninterrupted[seed])


def test_finished_runs_are_not_trained_again(tmp_path):
    task = a_task(tiny_config("homogeneous"))
    trained = together_in(tmp_path, task)

    def trained_again(seed: int, step: int) -> None:
        pytest.fail("trained again")

    again = a_task(tiny_config("homogeneous"), on_batch=trained_again)
    for seed, run in together_in(tmp_path, again).items():
        assert_close(run, trained[seed], rtol=0)
        assert_close(alone_in(tmp_path, again, seed), trained[seed], rtol=0)


# What can be grouped


def test_an_oracle_cannot_be_stacked(tmp_path):
    with pytest.raises(CannotStack, match="train it alone"):
        together_in(tmp_path, a_task(with_routing("uniform"), model_class=Oracle))
    assert list(tmp_path.iterdir()) == []


def test_thresholded_routing_cannot_be_stacked(tmp_path):
    with pytest.raises(CannotStack, match="train it alone"):
        together_in(tmp_path, a_task(with_routing("thresholded")))
    assert list(tmp_path.iterdir()) == []


def test_muon_cannot_be_stacked(tmp_path):
    recipe, folders = replace(RECIPE, muon_rate=1e-2), {seed: tmp_path / str(seed) for seed in SEEDS}
    with pytest.raises(CannotStack, match="Muon takes the kernels of one model; train it alone"):
        train_together(a_task(tiny_config()), recipe, folders, device=CPU, name="test")
    assert list(tmp_path.iterdir()) == []


def test_groups_are_the_runs_that_differ_in_their_seed_alone():
    a, b, c = (Run("synthetic", "replica", *what) for what in (("x", "1", "1"), ("y", "1", "1"), ("x", "2", "1")))
    a2, c2 = a._replace(seed="2"), c._replace(seed="2")
    assert groups([a, b, c2, a2, c]) == [[a, a2], [b], [c2, c]]
    assert groups([]) == []


# In the grid


def a_grid(folder: Path, configurations: list[str]) -> tuple[dict[Run, Finished], list[Failed], list[tuple[str, int]]]:
    """Finished runs, failed ones, and the (configuration, seed) of each batch in turn; "oracle" cannot be stacked."""
    asked: list[tuple[str, int]] = []
    finished: dict[Run, Finished] = {}
    settings = Settings(None, folder, "cpu", 1, "unknown")

    def plan(run: Run, settings: Settings) -> Plan:
        if run.configuration == "bad":
            raise ValueError("10 parameters are too few")

        def note(seed: int, step: int) -> None:
            asked.append((run.configuration, seed))

        oracle = run.configuration == "oracle"
        config = with_routing("uniform") if oracle else tiny_config(run.configuration)
        task = a_task(config, model_class=Oracle if oracle else HetMoE, on_batch=note)
        return Plan(Folder(run, settings, "test"), task, RECIPE, "mse", lambda model, progress: [])

    runs = [Run("test", "test", c, "1", str(seed)) for seed in SEEDS for c in configurations]
    start = partial(in_groups, plan=plan, settings=settings)
    failed = run_grid(runs, partial(execute, plan), settings, start, lambda one: finished.update({one.run: one}))
    return finished, failed, asked


def test_a_grid_trains_each_group_once_and_to_what_it_comes_to_alone(tmp_path):
    finished, failed, asked = a_grid(tmp_path / "together", ["homogeneous", "hybrid"])
    assert not failed
    assert asked == [(c, seed) for c in ("homogeneous", "hybrid") for _ in range(20) for seed in SEEDS]  # in turn
    for run, one in finished.items():
        _, progress = alone_in(tmp_path / run.configuration, a_task(tiny_config(run.configuration)), int(run.seed))
        (*_, loss) = (float(row["value"]) for row in one.curve if row["metric"] == "train_loss")
        assert loss == pytest.approx(progress.curve[-1]["loss"], rel=1e-9)
    again, _, asked = a_grid(tmp_path / "together", ["homogeneous", "hybrid"])
    assert again == finished
    assert asked == []


def test_a_finished_run_is_left_out_of_its_group(tmp_path):
    _, _, _ = a_grid(tmp_path, ["homogeneous"])
    one = next(path for path in tmp_path.iterdir() if "-42-" in path.name)
    shutil.rmtree(one)
    finished, _, asked = a_grid(tmp_path, ["homogeneous"])
    assert asked == [("homogeneous", 42)] * 20
    assert len(finished) == 2


def test_what_cannot_be_trained_together_goes_one_after_another_and_takes_no_other_down(tmp_path, capsys):
    finished, failed, asked = a_grid(tmp_path, ["oracle", "bad", "homogeneous"])
    assert [run.configuration for run in finished] == ["oracle"] * 2 + ["homogeneous"] * 2
    assert [(f.run.configuration, f.reason) for f in failed] == [("bad", "ValueError: 10 parameters are too few")] * 2
    assert asked[:40] == [("oracle", seed) for seed in SEEDS for _ in range(20)]
    assert "oracle 1: one after another, for its router chooses an expert" in capsys.readouterr().err
