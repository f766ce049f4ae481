"""Weights from a model repository: published there, loaded from there, at a commit, and from the cache."""

import re
from pathlib import Path

import pytest
from huggingface_hub import constants

from hetmoe.checkpoint import CheckpointError
from hetmoe.demo import deploy
from hetmoe.inference import Predictor, default_checkpoint
from tests.hub import USER, Hub
from tests.media import SAMPLES

NAME = f"{USER}/hetmoe"
DIGIT = sorted(SAMPLES.glob("mnist-*.png"))[0]
WEIGHTS = Path(__file__).parents[1] / "weights"


@pytest.fixture
def commit(hub: Hub, capsys: pytest.CaptureFixture[str]) -> str:
    """The one that has the published weights."""
    assert deploy.main([NAME, "--weights"]) == 0
    found = re.fullmatch(rf"{hub.url}/{NAME} is now at ([0-9a-f]{{40}})\.\n", capsys.readouterr().out)
    assert found
    return found[1]


def test_weights_and_their_card_are_published(hub: Hub, commit: str, capsys: pytest.CaptureFixture[str]) -> None:
    published = {p.name: p.read_bytes() for p in [WEIGHTS / "README.md", *WEIGHTS.glob("*.safetensors")]}
    files = hub.repositories["models", NAME].at(commit)
    assert files is not None
    assert {name: content for name, content in files.items() if name != ".gitattributes"} == published
    assert deploy.main([NAME, "--weights"]) == 0
    assert f"is up to date at {commit}" in capsys.readouterr().out
    assert len(hub.repositories["models", NAME].commits) == 2


def test_a_predictor_from_the_hub(hub: Hub, commit: str) -> None:
    for options in ({}, {"configuration": "hybrid", "family": "replica"}):
        predictor = Predictor.from_hub(NAME, revision=commit, device="cpu", **options)  # type: ignore[arg-type]
        local = Predictor.load(default_checkpoint(**({"configuration": "heterogeneous"} | options)), "cpu")  # type: ignore[arg-type]
        assert (predictor.digit(DIGIT).logits == local.digit(DIGIT).logits).all()


def test_a_commit_is_asked_for_once(hub: Hub, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Predictor.from_hub(NAME, revision=commit, device="cpu").digit(DIGIT)
    Predictor.from_hub(NAME, revision="main", device="cpu")
    repository = hub.repositories["models", NAME]
    file = default_checkpoint("heterogeneous").name
    repository.commits.append(repository.files | {file: default_checkpoint("homogeneous").read_bytes()})
    hub.requests.clear()
    assert (Predictor.from_hub(NAME, revision=commit, device="cpu").digit(DIGIT).logits == before.logits).all()
    assert not hub.requests
    assert Predictor.from_hub(NAME, revision="main", device="cpu").digit(DIGIT).experts != before.experts
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    for revision in (commit, "main"):
        Predictor.from_hub(NAME, revision=revision, device="cpu")
    with pytest.raises(
        CheckpointError, match=r"frontier-hybrid\.safetensors .* is not in the cache, and the Hub cannot"
    ):
        Predictor.from_hub(NAME, revision=commit, configuration="hybrid", device="cpu")
    assert not hub.requests


def test_what_is_not_there_is_a_sentence(hub: Hub, commit: str) -> None:
    with pytest.raises(CheckpointError, match="there is no model repository ada/nothing"):
        Predictor.from_hub(f"{USER}/nothing", revision=commit)
    with pytest.raises(CheckpointError, match="ada/hetmoe has no revision 'v9'"):
        Predictor.from_hub(NAME, revision="v9")
    with pytest.raises(CheckpointError, match=r"has no frontier-enormous\.safetensors at revision"):
        Predictor.from_hub(NAME, revision=commit, configuration="enormous")
    with pytest.raises(CheckpointError, match="'a/b/c' is not the name of a repository"):
        Predictor.from_hub("a/b/c", revision=commit)
    with pytest.raises(ValueError, match="unknown device"):
        Predictor.from_hub(NAME, revision=commit, device="abacus")


def test_what_is_published_must_be_a_checkpoint(hub: Hub, commit: str) -> None:
    repository = hub.repositories["models", NAME]
    repository.commits.append({"frontier-heterogeneous.safetensors": b"something else"})
    with pytest.raises(CheckpointError, match="truncated or not a safetensors file"):
        Predictor.from_hub(NAME, revision=repository.sha())
