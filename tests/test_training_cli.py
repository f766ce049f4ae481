"""`python -m training realdata` from the command line to the checkpoint, on the tiny data."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from hetmoe.checkpoint import load_checkpoint, read_tensors
from hetmoe.encoding import MODALITIES
from hetmoe.inference import Predictor
from hetmoe.model import count_multiply_adds, count_parameters
from tests.tiny import copy_of_data
from training import __main__ as cli
from training import classification, encoding_choices, frontier, realdata
from training.calibration import temperature
from training.classification import BUDGET, SEEDS
from training.data import LABELS, Composition, load_splits, statistics
from training.grid import Failed, Settings
from training.loop import Batch, Recipe, evaluate
from training.plan import Plan
from training.results import COLUMNS, CURVE_COLUMNS, Row, Run, of_family, read, replace_run

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")

ROOT = Path(__file__).parents[1]
EXPERTS = {
    "heterogeneous": ("spatial", "temporal", "spectral", "relational"),
    "homogeneous": ("ffn 1", "ffn 2", "ffn 3", "ffn 4"),
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = copy_of_data(tmp_path_factory.mktemp("cli"))
    load_splits(folder, download=False)
    return folder


@pytest.fixture(autouse=True)
def tiny_recipe_offline_in_its_own_project(monkeypatch, tmp_path):
    def refuse(*_: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    monkeypatch.setattr(cli, "available_cores", lambda: 1)
    monkeypatch.setattr(realdata, "QUICK", Recipe(epochs=1, steps=5, batch_size=16))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.delenv("HETMOE_DATA", raising=False)
    monkeypatch.delenv("HETMOE_DEVICE", raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def command(data_dir: Path, *options: str, configurations: tuple[str, ...] = ("heterogeneous",)) -> list[str]:
    return [
        *("realdata", "--quick", "--device", "cpu", "--jobs", "1", "--data-dir", str(data_dir)),
        *("--configurations", *configurations, *options),
    ]


def value(rows: list[Row], modality: str, metric: str, configuration: str = "heterogeneous") -> float:
    wanted = (configuration, modality, metric)
    (found,) = (row for row in rows if (row["configuration"], row["modality"], row["metric"]) == wanted)
    return float(found["value"])


def test_from_the_command_to_results_and_checkpoints(data_dir, tmp_path):
    assert cli.main(command(data_dir, configurations=("homogeneous", "heterogeneous"))) == 0
    output = tmp_path / "runs" / "quick"
    rows = read(output / "training" / "results" / "realdata.csv", COLUMNS)
    runs = {tuple(row[column] for column in COLUMNS[:5]) for row in rows}
    assert runs == {("realdata", "replica", c, str(BUDGET), str(SEEDS[0])) for c in EXPERTS}
    for configuration, experts in EXPERTS.items():
        expected = {("all", metric) for metric in ("accuracy", "parameters", "multiply_adds", "seconds", "steps")}
        for modality in MODALITIES:
            expected |= {(modality, metric) for metric in ("accuracy", "loss")}
            expected |= {(modality, f"accuracy_{label}") for label in LABELS[modality]}
            for expert in experts:
                expected |= {(modality, f"{what}_{expert}") for what in ("routing", "accuracy_of", "accuracy_without")}
        expected |= {("spatial", f"routing_of_airplane_{expert}") for expert in experts}
        mine = [row for row in rows if row["configuration"] == configuration]
        assert {(row["modality"], row["metric"]) for row in mine} == expected
        assert len(mine) == len(expected)
        check_numbers(rows, configuration, experts)
        check_checkpoint(output / "weights" / f"replica-{configuration}.safetensors", rows, configuration, data_dir)
    check_curves(read(output / "training" / "results" / "realdata_curves.csv", CURVE_COLUMNS))


def check_numbers(rows: list[Row], configuration: str, experts: tuple[str, ...]) -> None:
    def of(modality: str, metric: str) -> float:
        return value(rows, modality, metric, configuration)

    assert of("all", "accuracy") == pytest.approx(np.mean([of(m, "accuracy") for m in MODALITIES]))
    for modality in MODALITIES:  # the tiny test sets have as many of each class
        assert of(modality, "accuracy") == pytest.approx(
            np.mean([of(modality, f"accuracy_{label}") for label in LABELS[modality]])
        )
        assert sum(of(modality, f"routing_{expert}") for expert in experts) == pytest.approx(1, abs=1e-5)
    assert sum(of("spatial", f"routing_of_airplane_{expert}") for expert in experts) == pytest.approx(1, abs=1e-5)
    assert abs(of("all", "parameters") - 223_000) <= 0.005 * 223_000
    assert of("all", "steps") == 5
    assert of("all", "seconds") >= 0


def check_checkpoint(path: Path, rows: list[Row], configuration: str, data_dir: Path) -> None:
    """The published file, loaded as anyone loads it, reproduces the table from whole test sets."""
    predictor = Predictor.load(path, "cpu")
    assert predictor.checkpoint.family == "replica"
    data = load_splits(data_dir, download=False)
    for modality in MODALITIES:
        inputs, labels = data.test.inputs[modality], data.test.labels[modality]
        predictions = [predictor.predict({modality: x})[modality] for x in inputs]
        answers = [p.top(1)[0][0] for p in predictions]
        right = [answer == LABELS[modality][label] for answer, label in zip(answers, labels, strict=True)]
        assert np.mean(right) == pytest.approx(value(rows, modality, "accuracy", configuration))
        for i, expert in enumerate(EXPERTS[configuration]):
            mean = np.mean([p.routing_weights[i] for p in predictions])
            assert mean == pytest.approx(value(rows, modality, f"routing_{expert}", configuration), abs=1e-5)
    checkpoint = predictor.checkpoint
    assert count_parameters(checkpoint.model) == value(rows, "all", "parameters", configuration)
    assert count_multiply_adds(checkpoint.model) == value(rows, "all", "multiply_adds", configuration)
    assert checkpoint.metrics["test/all/accuracy"] == value(rows, "all", "accuracy", configuration)
    provenance = checkpoint.provenance
    assert (provenance["seed"], provenance["steps"], provenance["configuration"]) == (SEEDS[0], 5, configuration)
    assert provenance["data_fingerprint"] == data.fingerprint
    assert provenance["recipe"] == {
        "epochs": 1, "steps": 5, "batch_size": 16, "learning_rate": 1e-3, "weight_decay": 1e-4, "clip": 1.0,
        "warmup": 0.0, "muon_rate": None, "router_rate": None,
    }  # fmt: skip
    assert {"commit", "versions", "date", "device"} <= set(provenance)
    for modality in MODALITIES:  # fault 1: statistics are those of the inputs before standardising
        assert checkpoint.statistics[modality].mean == pytest.approx(data.train.inputs[modality].mean(), abs=1e-4)
        assert checkpoint.statistics[modality].std == pytest.approx(data.train.inputs[modality].std(), rel=1e-4)


def test_the_frontier_from_the_command_to_the_checkpoint(data_dir, tmp_path, monkeypatch, capsys):
    """Beside results of the replica, which stay; again, it trains nothing and doubles nothing."""
    monkeypatch.setattr(frontier, "QUICK", replace(frontier.QUICK, steps=3))
    monkeypatch.setattr(frontier, "OF_EACH", Composition(picture=4, sound=1, digit=2))
    output = tmp_path / "runs" / "quick"
    results = output / "training" / "results" / "realdata.csv"
    replica = Run("realdata", "replica", "heterogeneous", "223000", "42")
    replace_run(results, replica, [{"modality": "all", "metric": "accuracy", "value": "0.25"}])
    names = ("heterogeneous", "convolutional")
    arguments = ["frontier", *command(data_dir, configurations=names)[1:]]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "heterogeneous" in printed and "convolutional" in printed and "asked for: at least" in printed

    rows = read(results, COLUMNS)
    mine = of_family(rows, "frontier")
    assert len(rows) == len(mine) + 1
    runs = {tuple(row[column] for column in COLUMNS[:5]) for row in mine}
    assert runs == {("realdata", "frontier", name, "223000", "42") for name in names}
    data = load_splits(data_dir, download=False, family="frontier")
    for name in names:
        checkpoint = load_checkpoint(output / "weights" / f"frontier-{name}.safetensors")
        assert checkpoint.family == "frontier"
        assert checkpoint.model.config == frontier.CONFIGURATIONS[name]
        assert checkpoint.statistics == statistics(data.train)
        validation = evaluate(checkpoint.model, data.validation, checkpoint.statistics)
        assert checkpoint.temperatures == {modality: temperature(e) for modality, e in validation.items()}
        for modality, e in evaluate(checkpoint.model, data.test, checkpoint.statistics).items():
            assert e.correct.mean() == value(mine, modality, "accuracy", name)
        assert count_parameters(checkpoint.model) == value(mine, "all", "parameters", name)
        assert value(mine, "all", "steps", name) == checkpoint.provenance["steps"] == 3
        assert checkpoint.provenance["command"] == "python -m training frontier"
        assert (checkpoint.provenance["family"], checkpoint.provenance["configuration"]) == ("frontier", name)
        assert checkpoint.provenance["recipe"]["muon_rate"] == frontier.RECIPE.muon_rate
        assert checkpoint.provenance["data_fingerprint"] == data.fingerprint
    labels = frontier.CONFIGURATIONS["heterogeneous"].expert_labels()
    for modality in MODALITIES:
        weights = [value(mine, modality, f"routing_{expert}", "heterogeneous") for expert in labels]
        assert sum(weights) == pytest.approx(1, abs=1e-5)
    assert not list((output / "weights").glob("replica-*"))

    monkeypatch.setattr(classification, "augmented_batches", lambda *_, **__: pytest.fail("trained again"))
    assert cli.main(arguments) == 0
    assert read(results, COLUMNS) == rows


def check_curves(curves: list[Row]) -> None:
    assert {(row["epoch"], row["modality"], row["metric"]) for row in curves} == {
        *(("1", modality, "accuracy") for modality in (*MODALITIES, "all")),
        ("1", "all", "train_loss"),
    }
    for configuration in EXPERTS:
        of = {m: value(curves, m, "accuracy", configuration) for m in (*MODALITIES, "all")}
        assert of["all"] == pytest.approx(np.mean([of[m] for m in MODALITIES]))


def contents(folder: Path) -> dict[str, list[Row]]:
    return {
        name: [row for row in read(folder / "training" / "results" / name, columns) if row["metric"] != "seconds"]
        for name, columns in (("realdata.csv", COLUMNS), ("realdata_curves.csv", CURVE_COLUMNS))
    }


def test_interrupted_and_repeated_it_comes_to_the_same(data_dir, tmp_path, monkeypatch, capsys):
    assert cli.main(command(data_dir, "--output", str(tmp_path / "whole"))) == 0
    monkeypatch.setattr(cli, "PROJECT", tmp_path / "again")
    arguments = command(data_dir, "--output", str(tmp_path / "interrupted"))
    with monkeypatch.context() as patch:
        on_batch(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        assert cli.main(arguments) == 130
    assert "nothing is lost" in capsys.readouterr().err
    assert not (tmp_path / "interrupted" / "weights").exists()
    assert cli.main(arguments) == 0
    expected = contents(tmp_path / "whole")
    assert contents(tmp_path / "interrupted") == expected
    on_batch(monkeypatch, 1, lambda: pytest.fail("trained again"))
    assert cli.main(arguments) == 0  # finished: its rows are replaced, not doubled
    assert contents(tmp_path / "interrupted") == expected


TWO_WORKERS = """
import sys
from pathlib import Path
from training import realdata
from training.loop import Recipe

realdata.QUICK = Recipe(epochs=500, steps=1, batch_size=4)  # the state is saved after every step; workers do this too
if __name__ == "__main__":
    from training import __main__ as cli

    cli.PROJECT = Path(sys.argv[1])
    sys.exit(cli.main(["realdata", "--quick", "--device", "cpu", "--jobs", "2", "--data-dir", sys.argv[2]]))
"""


def test_ctrl_c_with_two_workers_stops_both_and_begins_no_other_run(data_dir, tmp_path):
    """As a terminal sends it: to the command and to its worker processes."""
    script = tmp_path / "two_workers.py"
    script.write_text(TWO_WORKERS)
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path), str(data_dir)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    runs = tmp_path / "runs" / "quick"
    try:
        while len(list(runs.glob("*/state.safetensors"))) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert "nothing is lost" in error
    assert "Traceback" not in error
    states = sorted(runs.glob("*/state.safetensors"))
    assert len(states) == 2
    assert not any("homogeneous" in state.parent.name.split("-") for state in states)  # the third in the order
    for state in states:
        assert 0 < json.loads(read_tensors(state)[0]["progress"])["step"] < 500
    assert not (tmp_path / "weights").exists()


def on_batch(monkeypatch: pytest.MonkeyPatch, n: int, act: Callable[[], object]) -> None:
    batches = classification.mixed_batches

    def counted(*args: Any, **kwargs: Any) -> Iterator[Batch]:
        for i, batch in enumerate(batches(*args, **kwargs), 1):
            if i == n:
                act()
            yield batch

    monkeypatch.setattr(classification, "mixed_batches", counted)


def test_another_seed_is_not_published(data_dir, tmp_path):
    options = ("--seeds", "123", "--output", str(tmp_path))
    assert cli.main(command(data_dir, *options, configurations=("homogeneous",))) == 0
    assert {row["seed"] for row in read(tmp_path / "training" / "results" / "realdata.csv")} == {"123"}
    assert not (tmp_path / "weights").exists()


# What a command asks for


class Asked(NamedTuple):
    """What the grid is asked to do."""

    runs: list[Run]
    settings: Settings
    parallel: int
    recipes: list[Recipe]  # of the runs


@pytest.fixture
def ask(data_dir, monkeypatch) -> Callable[..., Asked]:
    """Says what a realdata command with these options would run, without running it."""

    def ask(*options: str) -> Asked:
        asked: list[Asked] = []
        recipes: list[Recipe] = []

        def note_recipe(run: Run, settings: Settings, config: tuple[str, int], recipe: Recipe, command: str) -> None:
            assert config == (run.configuration, BUDGET)
            recipes.append(recipe)

        def run_grid(runs: list[Run], execute: Any, settings: Settings, start: Any, record: Any) -> list[Failed]:
            for run in runs:
                realdata.plan(run, settings)
            asked.append(Asked(runs, settings, start.keywords["parallel"], recipes))
            return []

        monkeypatch.setattr(cli, "run_grid", run_grid)
        monkeypatch.setattr(realdata, "match_parameters", lambda configuration, budget: (configuration, budget))
        monkeypatch.setattr(classification, "plan", note_recipe)
        assert cli.main(["realdata", "--device", "cpu", "--data-dir", str(data_dir), *options]) == 0
        return asked[0]

    return ask


def test_the_default_is_the_papers_nine_runs(ask):
    asked = ask("--jobs", "3")
    assert asked.runs == [
        Run("realdata", "replica", configuration, "223000", seed)
        for configuration in ("heterogeneous", "hybrid", "homogeneous")  # the longest first
        for seed in ("42", "123", "456")
    ]
    assert asked.parallel == 3
    assert asked.settings.threads >= 1
    assert asked.recipes == [Recipe()] * 9


def test_no_more_runs_at_a_time_than_there_are_and_no_core_is_used_twice(ask, monkeypatch):
    monkeypatch.setattr(cli, "available_cores", lambda: 8)
    two = ask("--configurations", "hybrid", "--seeds", "1", "2")
    assert (len(two.runs), two.parallel, two.settings.threads) == (2, 2, 4)
    nine = ask()
    assert (nine.parallel, nine.settings.threads) == (8, 1)


def test_quick_is_one_seed(ask):
    asked = ask("--quick")
    assert [run.seed for run in asked.runs] == ["42"] * 3
    assert asked.settings.quick
    assert {recipe.steps for recipe in asked.recipes} == {5}


# Mistakes


def test_an_empty_data_folder(tmp_path, capsys):
    assert cli.main(command(tmp_path / "empty")) == 1
    error = capsys.readouterr().err
    assert "error: CIFAR-10 was not found" in error
    assert "cifar-10-batches-py" in error
    assert "--data-dir or HETMOE_DATA" in error
    assert "Traceback" not in error


def test_without_what_only_training_needs(tmp_path, capsys, monkeypatch):
    for name in ("torchvision.datasets", "torchaudio.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main(command(tmp_path / "empty")) == 1
    assert "pip install -r requirements-training.txt" in capsys.readouterr().err


def test_a_damaged_data_folder(tmp_path, capsys):
    folder = copy_of_data(tmp_path)
    (folder / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    assert cli.main(command(folder)) == 1
    assert "data_batch_2 is not a CIFAR-10 batch" in capsys.readouterr().err


def test_results_of_another_form_are_not_overwritten(data_dir, tmp_path, capsys):
    results = tmp_path / "training" / "results" / "realdata.csv"
    results.parent.mkdir(parents=True)
    results.write_text("a,b\n1,2\n")
    assert cli.main(command(data_dir, "--output", str(tmp_path), configurations=("homogeneous",))) == 1
    assert "move it away" in capsys.readouterr().err
    assert results.read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["imagenet"], "invalid choice: 'imagenet'"),
        (["realdata", "--seeds", "x"], "argument --seeds: invalid int value: 'x'"),
        (["realdata", "--seeds"], "argument --seeds: expected at least one argument"),
        (["realdata", "--configurations", "sparse"], "argument --configurations: invalid choice: 'sparse'"),
        (["realdata", "--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["realdata", "--jobs", "many"], "argument --jobs: invalid int value: 'many'"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_failed_runs_are_named_with_their_reasons_and_the_others_are_recorded(data_dir, tmp_path, monkeypatch, capsys):
    plan = realdata.plan

    def fail_hybrid(run: Run, settings: Settings) -> Plan:
        if run.configuration == "hybrid":
            raise RuntimeError("out of memory")
        return plan(run, settings)

    monkeypatch.setattr(realdata, "plan", fail_hybrid)
    arguments = command(data_dir, "--output", str(tmp_path / "output"), configurations=("hybrid", "homogeneous"))
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert "error: 1 of 2 runs failed" in error
    assert "hybrid 223000 42: RuntimeError: out of memory" in error
    assert "Traceback" not in error
    rows = read(tmp_path / "output" / "training" / "results" / "realdata.csv")
    assert {row["configuration"] for row in rows} == {"homogeneous"}
    assert [path.name for path in (tmp_path / "output" / "weights").iterdir()] == ["replica-homogeneous.safetensors"]


def test_an_absent_device(monkeypatch, capsys):
    """It is noticed before any data are looked for."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli.main(["realdata", "--device", "cuda"]) == 1
    assert "error: this machine has no cuda" in capsys.readouterr().err


# The other script


def test_the_encoding_choices_can_be_measured_again(data_dir, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["encoding_choices", "--data-dir", str(data_dir)])
    monkeypatch.setattr(encoding_choices, "EPOCHS", 1)
    monkeypatch.setattr(encoding_choices, "BATCH", 10)
    monkeypatch.setattr(encoding_choices, "SEEDS", (0,))
    encoding_choices.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    for line in lines:
        variant = line.split("   ")[0].strip()
        assert variant in (encoding_choices.__doc__ or "")  # the table in the docstring names them as they are printed
    assert sum(line.startswith("*") for line in lines) == 3
