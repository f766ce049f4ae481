"""The loop: the same seed gives the same weights, interrupted or not; evaluation sees every input once."""

import json
import math
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hetmoe import checkpoint, routing
from hetmoe.config import ExpertConfig, ModelConfig
from hetmoe.encoding import MODALITIES, standardise
from hetmoe.model import HetMoE, MoEOutput
from tests.tiny import STATISTICS, tiny_config, tiny_data, tiny_frontier_config, tiny_model
from training import classification, loop
from training.baselines import Oracle
from training.classification import classification_task
from training.data import Composition, Data, Split, statistics
from training.frontier import smoothed_cross_entropy
from training.loop import Batch, Evaluation, Progress, Recipe, Task, evaluate, rising_cosine, train

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")

RECIPE = Recipe(epochs=3, steps=4, batch_size=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    return tiny_data(tmp_path_factory.mktemp("loop"))


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> tuple[HetMoE, Progress, Path]:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return *run(data, folder), folder


def run(
    data: Data, folder: Path, configuration: str = "heterogeneous", recipe: Recipe = RECIPE, seed: int = 42
) -> tuple[HetMoE, Progress]:
    return train(
        classification_task(data, statistics(data.train), recipe, lambda: HetMoE(tiny_config(configuration))),
        recipe,
        seed=seed,
        device=torch.device("cpu"),
        folder=folder,
        name="test",
    )


def assert_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Bit for bit: weights, buffers, and every number of the curve."""
    (first, first_progress), (second, second_progress) = one[:2], other[:2]
    weights, other_weights = first.state_dict(), second.state_dict()
    assert list(weights) == list(other_weights)
    different = [name for name in weights if not torch.equal(weights[name], other_weights[name])]
    assert different == []
    assert first_progress.curve == second_progress.curve
    assert first_progress.step == second_progress.step


# The same seed


@pytest.mark.parametrize("configuration", ["homogeneous", "heterogeneous", "hybrid"])
def test_same_seed_same_weights(data, tmp_path, configuration):
    recipe = Recipe(epochs=1, steps=3, batch_size=8)
    torch.manual_seed(999)
    first = run(data, tmp_path / "a", configuration, recipe)
    torch.rand(5)  # what the process did before must not matter
    again = run(data, tmp_path / "b", configuration, recipe)
    assert_same(first, again)
    other, _ = run(data, tmp_path / "c", configuration, recipe, seed=43)
    assert any(not torch.equal(a, b) for a, b in zip(first[0].parameters(), other.parameters(), strict=True))


def test_a_run_reports_what_it_did(uninterrupted):
    model, progress, folder = uninterrupted
    assert not model.training
    assert progress.step == 12
    assert progress.seconds > 0
    assert progress.loss_sum == 0
    assert [line["epoch"] for line in progress.curve] == [1, 2, 3]
    for line in progress.curve:
        assert set(line["validation"]) == set(MODALITIES)
        assert all(0 <= accuracy <= 1 for accuracy in line["validation"].values())
        assert 0.5 < line["loss"] < 10
    assert [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()] == progress.curve
    assert sorted(path.name for path in folder.iterdir()) == ["curve.jsonl", "state.safetensors"]


def test_the_curve_ends_with_the_final_models_validation_accuracy(data, uninterrupted):
    model, progress, _ = uninterrupted
    expected = evaluate(model, data.validation, statistics(data.train))
    assert progress.curve[-1]["validation"] == {m: e.correct.mean() for m, e in expected.items()}


def test_it_learns(data, tmp_path):
    _, progress = run(data, tmp_path, "homogeneous", Recipe(epochs=2, steps=40, batch_size=16, learning_rate=1e-2))
    assert progress.curve[1]["loss"] < progress.curve[0]["loss"] - 0.1


# Interrupted: resumes to the same weights, bit for bit


def after_batch(
    monkeypatch: pytest.MonkeyPatch, n: int, act: Callable[[], object], kind: str = "mixed_batches"
) -> None:
    """`act` happens while the n-th batch from now on is being worked on."""
    batches, count = getattr(classification, kind), 0

    def counted(*args: Any, **kwargs: Any) -> Iterator[Batch]:
        nonlocal count
        for batch in batches(*args, **kwargs):
            count += 1
            if count == n:
                act()
            yield batch

    monkeypatch.setattr(classification, kind, counted)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def step_of(folder: Path) -> int:
    metadata, _ = checkpoint.read_tensors(folder / "state.safetensors")
    return json.loads(metadata["progress"])["step"]


@pytest.mark.parametrize("step", [1, 3, 4, 6, 12])
def test_ctrl_c_at_any_step_loses_nothing(data, uninterrupted, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        after_batch(patch, step, ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path)
    assert step_of(tmp_path) == step  # the step that was being worked on is finished
    resumed = run(data, tmp_path)
    assert_same(resumed, uninterrupted)
    assert (tmp_path / "curve.jsonl").read_text() == (uninterrupted[2] / "curve.jsonl").read_text()


def test_ctrl_c_again_and_again(data, uninterrupted, tmp_path, monkeypatch):
    interruptions = 0
    while step_of(tmp_path) < 12 if (tmp_path / "state.safetensors").exists() else True:
        with monkeypatch.context() as patch:
            after_batch(patch, 5, ctrl_c)
            try:
                run(data, tmp_path)
            except KeyboardInterrupt:
                interruptions += 1
    assert interruptions == 2
    assert_same(run(data, tmp_path), uninterrupted)


@pytest.mark.parametrize("step", [5, 7, 9])
def test_a_killed_process_goes_on_from_the_last_epoch(data, uninterrupted, tmp_path, monkeypatch, step):
    """A kill or a power cut gives no time to save."""

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        after_batch(patch, step, kill)
        with pytest.raises(Killed):
            run(data, tmp_path)
    assert step_of(tmp_path) == (step - 1) // 4 * 4
    assert_same(run(data, tmp_path), uninterrupted)


def test_a_state_half_written_does_not_replace_the_last(data, uninterrupted, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        save, saves = checkpoint.save_file, 0

        def fail_the_second(tensors: Any, part: str, metadata: Any) -> None:
            nonlocal saves
            saves += 1
            if saves == 2:
                Path(part).write_bytes(b"half")
                raise OSError("no space left on device")
            save(tensors, part, metadata)

        patch.setattr(checkpoint, "save_file", fail_the_second)
        with pytest.raises(OSError, match="no space"):
            run(data, tmp_path)
    assert step_of(tmp_path) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.jsonl", "state.safetensors"]
    assert_same(run(data, tmp_path), uninterrupted)


def test_a_finished_run_is_not_trained_again(data, uninterrupted, tmp_path, monkeypatch):
    model, progress = run(data, tmp_path)
    after_batch(monkeypatch, 1, lambda: pytest.fail("trained again"))
    again, again_progress = run(data, tmp_path)
    assert_same((again, again_progress), (model, progress))
    assert again_progress.seconds == progress.seconds


def test_the_second_ctrl_c_acts_at_once():
    before = signal.getsignal(signal.SIGINT)
    with loop.deferred_interrupt() as interrupted:
        assert not interrupted.is_set()
        ctrl_c()
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_acts_as_usual_before_and_after(data, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run(data, tmp_path, "homogeneous", Recipe(epochs=1, steps=1, batch_size=4))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_training_in_a_thread_leaves_signals_alone(data, uninterrupted, tmp_path):
    result: list[tuple[HetMoE, Progress]] = []
    thread = threading.Thread(target=lambda: result.append(run(data, tmp_path)))
    thread.start()
    thread.join()
    assert_same(result[0], uninterrupted)


# The frontier family: Muon, thresholded routing, augmented batches


FRONTIER = replace(RECIPE, learning_rate=4e-3, clip=2.0, warmup=0.25, muon_rate=2e-2, router_rate=2e-2)


def frontier_run(data: Data, folder: Path, configuration: str = "heterogeneous") -> tuple[HetMoE, Progress]:
    task = classification_task(
        data,
        statistics(data.train),
        FRONTIER,
        lambda: HetMoE(tiny_frontier_config(configuration)),
        smoothed_cross_entropy,
        Composition(picture=4, sound=1, digit=2),
    )
    return train(task, FRONTIER, seed=42, device=torch.device("cpu"), folder=folder, name="test")


@pytest.fixture(scope="module")
def frontier_data(tmp_path_factory) -> Data:
    return tiny_data(tmp_path_factory.mktemp("frontier"), "frontier")


@pytest.fixture(scope="module")
def uninterrupted_frontier(frontier_data, tmp_path_factory) -> tuple[HetMoE, Progress]:
    return frontier_run(frontier_data, tmp_path_factory.mktemp("frontier") / "run")


@pytest.mark.parametrize("step", [1, 6, 8])
def test_ctrl_c_loses_nothing_of_a_frontier_run(frontier_data, uninterrupted_frontier, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        after_batch(patch, step, ctrl_c, "augmented_batches")
        with pytest.raises(KeyboardInterrupt):
            frontier_run(frontier_data, tmp_path)
    assert step_of(tmp_path) == step
    assert_same(frontier_run(frontier_data, tmp_path), uninterrupted_frontier)


def test_a_frontier_run_killed_goes_on_from_the_last_epoch(
    frontier_data, uninterrupted_frontier, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        after_batch(patch, 7, lambda: 1 / 0, "augmented_batches")
        with pytest.raises(ZeroDivisionError):
            frontier_run(frontier_data, tmp_path)
    assert step_of(tmp_path) == 4
    assert_same(frontier_run(frontier_data, tmp_path), uninterrupted_frontier)


def test_a_frontier_run_depends_on_its_momentum(frontier_data, uninterrupted_frontier, tmp_path, monkeypatch):
    """Resumed without the state of the optimiser, it would come to other weights."""
    with monkeypatch.context() as patch:
        after_batch(patch, 6, ctrl_c, "augmented_batches")
        with pytest.raises(KeyboardInterrupt):
            frontier_run(frontier_data, tmp_path)
    metadata, tensors = checkpoint.read_tensors(tmp_path / "state.safetensors")
    kept = {name: t for name, t in tensors.items() if not name.endswith("momentum_buffer")}
    assert len(kept) < len(tensors)
    checkpoint.write_tensors(tmp_path / "state.safetensors", kept, metadata)
    resumed, _ = frontier_run(frontier_data, tmp_path)
    pairs = zip(resumed.parameters(), uninterrupted_frontier[0].parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


# The recipe


def test_the_papers_recipe():
    assert Recipe() == Recipe(epochs=30, steps=500, batch_size=64, learning_rate=1e-3, weight_decay=1e-4, clip=1.0)


def test_cosine_by_hand():
    """0.5 (1 + cos(pi t / T)): 1, (2 + √2) / 4, 1/2, (2 - √2) / 4, 0 at the quarters."""
    values = [rising_cosine(step, 100, warmup=0) for step in (0, 25, 50, 75, 100)]
    quarter = math.sqrt(2) / 4
    np.testing.assert_allclose(values, [1, 0.5 + quarter, 0.5, 0.5 - quarter, 0], atol=1e-15)


def test_without_warm_up_the_rates_are_those_of_the_published_runs_bit_for_bit():
    former = [1e-3 * 0.5 * (1 + math.cos(math.pi * step / 15_000)) for step in range(15_000)]
    assert [1e-3 * rising_cosine(step, 15_000, Recipe().warmup) for step in range(15_000)] == former


def test_warm_up_by_hand():
    """8 of 100 steps: ninths up to 8/9, then the peak, half of it midway through the other 92, then nothing."""
    values = [rising_cosine(step, 100, warmup=0.08) for step in (0, 1, 7, 8, 54, 100)]
    np.testing.assert_allclose(values, [1 / 9, 2 / 9, 8 / 9, 1, 0.5, 0], atol=1e-15)


def test_every_step_has_its_rate_and_a_clipped_gradient(data, tmp_path, monkeypatch):
    """With an interruption on the way: the schedule goes on where it was."""
    rates, norms = [], []

    def note(optimiser: torch.optim.Optimizer, *_: object) -> None:
        (group,) = optimiser.param_groups
        assert isinstance(optimiser, torch.optim.AdamW)
        assert group["weight_decay"] == 1e-4
        rates.append(group["lr"])
        norms.append(torch.stack([p.grad.norm() for p in group["params"]]).norm().item())

    recipe = Recipe(epochs=2, steps=4, batch_size=8, clip=0.1)
    hook = register_optimizer_step_pre_hook(note)
    try:
        with monkeypatch.context() as patch:
            after_batch(patch, 3, ctrl_c)
            with pytest.raises(KeyboardInterrupt):
                run(data, tmp_path, recipe=recipe)
        run(data, tmp_path, recipe=recipe)
    finally:
        hook.remove()
    np.testing.assert_allclose(rates, [1e-3 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])
    assert max(norms) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("coefficient", ["LOAD_BALANCE_COEFFICIENT", "ENTROPY_COEFFICIENT"])
def test_each_auxiliary_loss_is_trained_on(data, uninterrupted, tmp_path, monkeypatch, coefficient):
    monkeypatch.setattr(routing, coefficient, 0.0)
    model, _ = run(data, tmp_path)
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), uninterrupted[0].parameters(), strict=True))


# The task


def test_the_loop_knows_of_a_task_only_what_it_says(tmp_path):
    """One output, a numeric target, half of the squared error; by hand, for only the last bias ever has a gradient."""
    config = ModelConfig((ExpertConfig("ffn", 1, 1),), n_outputs=1, task="regression", routing="uniform")
    asked: list[tuple[int, int, int]] = []

    def build() -> HetMoE:
        model = HetMoE(config)
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        return model

    def batches(seed: int, epoch: int, start: int) -> Iterator[Batch]:
        asked.append((seed, epoch, start))
        for _ in range(start, 3):
            yield np.zeros((2, 1024), np.float32), np.array([3.0, 3.0], np.float32), np.array([0, 3])

    def loss(output: MoEOutput, target: Tensor) -> Tensor:
        assert target.tolist() == [3, 3]
        return (output.logits[:, 0] - target).square().mean() / 2

    def validate(model: HetMoE) -> dict[str, float]:
        assert not model.training
        return {"spatial": model(torch.zeros(1, 1024)).logits.item()}

    recipe = Recipe(epochs=2, steps=3, learning_rate=0.1, weight_decay=0.0)
    task = Task(build, batches, loss, validate)
    model, progress = train(task, recipe, seed=7, device=torch.device("cpu"), folder=tmp_path, name="regression")
    assert asked == [(7, 0, 0), (7, 1, 0)]
    # All gradients but the bias's are 0, and the clipped one is -1 at every step: Adam moves by the rate itself, which
    # falls along the cosine over six steps.
    rates = [0.05 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    values = np.cumsum(rates)
    assert model(torch.zeros(1, 1024)).logits.item() == pytest.approx(values[5], rel=1e-4)
    before = [0, *values]
    for epoch, line in enumerate(progress.curve):
        losses = [(before[step] - 3) ** 2 / 2 for step in range(3 * epoch, 3 * epoch + 3)]
        assert line["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
        assert line["validation"] == {"spatial": pytest.approx(values[3 * epoch + 2], rel=1e-4)}


def test_of_all_models_only_the_oracle_is_told_the_modality(data, tmp_path):
    """In training, each of its experts sees the inputs of its modality alone; likewise in evaluation."""
    heard: list[list[Tensor]] = [[], [], [], []]

    def build() -> HetMoE:
        model = Oracle(replace(tiny_config("homogeneous"), routing="uniform"))
        for expert, inputs in zip(model.experts, heard, strict=True):
            expert.register_forward_pre_hook(lambda _, arguments, inputs=inputs: inputs.append(arguments[0]))
        return model

    recipe = Recipe(epochs=1, steps=3, batch_size=8)
    task = replace(classification_task(data, STATISTICS, recipe, build), validate=lambda model: {})
    model, _ = train(task, recipe, seed=42, device=torch.device("cpu"), folder=tmp_path, name="oracle")
    for modality, inputs in zip(MODALITIES, heard, strict=True):
        rows = {standardise(x, STATISTICS[modality]).tobytes() for x in data.train.inputs[modality]}
        assert [len(x) for x in inputs] == [2, 2, 2]
        assert all(x.numpy().tobytes() in rows for batch in inputs for x in batch)
        inputs.clear()
    result = evaluate(model, data.test, STATISTICS)
    for i, modality in enumerate(MODALITIES):
        expected = standardise(data.test.inputs[modality], STATISTICS[modality])
        assert np.array_equal(torch.cat(heard[i]).numpy(), expected)
        assert np.array_equal(result[modality].routing_weights, np.eye(4)[[i] * len(expected)])
        assert np.array_equal(result[modality].logits, result[modality].expert_logits[:, i])


# Evaluation. Fault 4 of the original: accuracy came from 4,000 draws with replacement, different for every model.


class Listener(nn.Module):
    """Notes every input it is given, and answers with the input's first ten numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.heard: list[Tensor] = []

    def forward(self, x: Tensor) -> MoEOutput:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.heard.append(x)
        return MoEOutput(x[:, :10], x[:, :4].softmax(-1), x[:, :40].view(-1, 4, 10), {})


def a_split(n: int) -> Split:
    rng = np.random.default_rng(0)
    return Split(
        {m: rng.normal(size=(n + i, 1024)).astype(np.float32) for i, m in enumerate(MODALITIES)},
        {m: rng.integers(0, 10, n + i) for i, m in enumerate(MODALITIES)},
    )


@pytest.mark.parametrize("n", [1, 499, 500, 1203])
def test_evaluation_uses_every_input_once_and_in_order(n):
    split, model = a_split(n), Listener()
    result = evaluate(model, split, STATISTICS)  # type: ignore[arg-type]
    expected = [standardise(split.inputs[m], STATISTICS[m]) for m in MODALITIES]
    assert np.array_equal(torch.cat(model.heard).numpy(), np.concatenate(expected))
    for i, modality in enumerate(MODALITIES):
        assert len(result[modality].logits) == n + i
        assert np.array_equal(result[modality].logits, expected[i][:, :10])
        assert np.array_equal(result[modality].labels, split.labels[modality])
        assert result[modality].routing_weights.shape == (n + i, 4)
        assert np.array_equal(result[modality].expert_logits, expected[i][:, :40].reshape(-1, 4, 10))


def test_evaluation_of_the_first_inputs():
    split, model = a_split(700), Listener()
    result = evaluate(model, split, STATISTICS, at_most=600)  # type: ignore[arg-type]
    assert np.array_equal(result["spectral"].labels, split.labels["spectral"][:600])
    first = [standardise(split.inputs[m][:600], STATISTICS[m]) for m in MODALITIES]
    assert np.array_equal(torch.cat(model.heard).numpy(), np.concatenate(first))


def test_evaluation_equals_a_plain_loop_and_changes_nothing(data):
    model = tiny_model().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = evaluate(model, data.test, STATISTICS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for modality, e in result.items():
        for i in range(len(data.test.labels[modality])):
            x = torch.from_numpy(standardise(data.test.inputs[modality][i], STATISTICS[modality]))
            output = model(x[None])
            np.testing.assert_allclose(e.logits[i], output.logits[0].detach().numpy(), atol=1e-5)
            np.testing.assert_allclose(e.routing_weights[i], output.routing_weights[0].detach().numpy(), atol=1e-6)
            np.testing.assert_allclose(e.expert_logits[i], output.expert_logits[0].detach().numpy(), atol=1e-5)
            assert e.correct[i] == (output.logits[0].argmax().item() == data.test.labels[modality][i])


def test_accuracy_and_loss_by_hand():
    """Right, wrong, right; losses ln(1 + e**-2) = 0.126928, ln(1 + e**1) = 1.313262, ln 2 = 0.693147."""
    logits = np.array([[2.0, 0.0], [1.0, 0.0], [0.5, 0.5]], np.float32)
    e = Evaluation(logits, np.ones((3, 1), np.float32), logits[:, None], np.array([0, 1, 0]))
    assert e.correct.tolist() == [True, False, True]
    assert e.loss == pytest.approx((0.126928 + 1.313262 + 0.693147) / 3, abs=1e-6)
    assert e.loss == pytest.approx(F.cross_entropy(torch.from_numpy(logits), torch.tensor([0, 1, 0])).item())
