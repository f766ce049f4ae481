"""What the README shows works as it stands there."""

import re
import shutil
from pathlib import Path

import pytest

from hetmoe import CONFIGURATIONS, EXPERTS, HetMoE, Prediction
from training.report.findings import summary
from training.results import RESULTS, of_family, read

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def block(word: str) -> str:
    (found,) = (text for text in BLOCKS if word in text)
    return found


def test_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "weights", tmp_path / "weights")
    shutil.copy(ROOT / "hetmoe/demo/examples/cifar10-00132-ship.png", tmp_path / "ship.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block("Predictor.load"), names)
    prediction = names["prediction"]
    assert isinstance(prediction, Prediction)
    assert prediction.expert_logits.shape == (4, 10)
    exec(block("WhatIf"), names)
    muted = names["muted"]
    assert isinstance(muted, Prediction)
    assert muted.routing_weights[0] == 0


def test_an_expert_of_ones_own() -> None:
    names: dict[str, object] = {}
    try:
        exec(block("@register_expert"), names)
        assert isinstance(names["model"], HetMoE)
    finally:
        EXPERTS.pop("haar", None)


def test_headline_is_that_of_the_results() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    rows = of_family(read(RESULTS / "realdata.csv"), "replica")
    for configuration in CONFIGURATIONS:
        accuracy = summary(rows, configuration)
        assert accuracy is not None
        assert f"{configuration} {100 * accuracy.mean:.1f} ± {100 * accuracy.sd:.1f} %" in text
    frontier = of_family(read(RESULTS / "realdata.csv"), "frontier")
    mixture, net = summary(frontier, "heterogeneous"), summary(frontier, "convolutional")
    assert mixture and net
    assert f"heterogeneous {100 * mixture.mean:.1f} ± {100 * mixture.sd:.1f} %" in text
    assert f"one convolutional net {100 * net.mean:.1f} ± {100 * net.sd:.1f} %" in text


def test_commands_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m ((?:training|benchmarks|hetmoe)[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
