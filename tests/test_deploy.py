"""Putting the page on a Space: staged, tried, and published by the real client to a Hub on loopback."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi, RepoCard, constants
from huggingface_hub.utils import _http

from hetmoe.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hetmoe.demo import deploy
from hetmoe.demo.deploy import CannotDeploy
from tests.hub import TOKEN, USER, Hub, Refused, validate

ROOT = Path(__file__).parents[1]
NAME = f"{USER}/hetmoe"
SCRIPT = ["bash", str(ROOT / "deploy_hf.sh"), NAME, "--python", sys.executable]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Temporary files go to a folder of their own; python3 is that of the tests, should there be no .venv."""
    (tmp_path / "temporary").mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "TMPDIR": str(tmp_path / "temporary"), "HF_HOME": str(tmp_path / "home")} | more


def left_behind(tmp_path: Path) -> list[Path]:
    """In the folder for temporary files; torch keeps a cache of its own there."""
    return [path for path in (tmp_path / "temporary").iterdir() if not path.name.startswith("torchinductor_")]


def folder_of(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_script_puts_the_page_on_a_space(hub: Hub, tmp_path: Path) -> None:
    variables = environment(tmp_path, HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1", HF_TOKEN=TOKEN)
    command = [*SCRIPT, "--private", "--hardware", "cpu-upgrade"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/spaces/{NAME} is now at {hub.repositories['spaces', NAME].sha()}." in done.stdout
    for modality in ("spatial", "temporal", "spectral", "relational"):
        assert re.search(rf"^The staged page says \w+ for .*\({modality}\)\.$", done.stdout, re.MULTILINE)
    assert TOKEN not in done.stdout + done.stderr
    assert not left_behind(tmp_path)

    space = hub.repositories["spaces", NAME]
    asked = {"sdk": "gradio", "visibility": "private", "hardware": "cpu-upgrade", "type": "space"}
    assert asked.items() <= space.asked.items()
    assert len(space.commits) == 2 and ".gitattributes" in space.files
    files = {name: content for name, content in space.files.items() if name != ".gitattributes"}
    assert files.pop("README.md").decode() == deploy.readme(NAME)
    for name, content in files.items():
        assert content == (ROOT / name).read_bytes(), name
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hetmoe").rglob("*.*") if path.suffix != ".pyc"}
    weights = {f"weights/{path.name}" for path in (ROOT / "weights").iterdir()}
    results = {f"training/results/{name}.json" for name in ("evidence", "landscape")}
    assert set(files) == code | weights | results | {"app.py", "LICENSE", "requirements.txt", "docs/card.png"}

    # Again: the same, so nothing. Then something is added there by hand, and the page here is another one.
    deploy.stage_space(tmp_path / "staged", NAME)
    assert "is up to date" in deploy.publish(HfApi(), tmp_path / "staged", NAME, "space", hardware="cpu-upgrade")
    assert len(space.commits) == 2
    assert not [request for request in hub.requests if request.endswith("/hardware")]
    deploy.publish(HfApi(), tmp_path / "staged", NAME, "space", hardware="t4-small")
    assert space.asked["hardware"] == "t4-small"
    space.commits.append(space.files | {"by_hand.txt": b"hello"})
    (tmp_path / "staged" / "app.py").write_text("new")
    assert "is now at" in deploy.publish(HfApi(), tmp_path / "staged", NAME, "space")
    assert len(space.commits) == 4
    assert space.files == space.commits[1] | {"app.py": b"new"}


def test_terminated_it_leaves_nothing_behind(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    app = subprocess.Popen([*SCRIPT, "--dry-run"], env=variables, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "temporary").glob("hetmoe-*/log.txt")):
        assert app.poll() is None, app.stderr and app.stderr.read()
        time.sleep(0.05)
    app.terminate()
    _, said = app.communicate(timeout=30)
    assert app.returncode == 130
    assert said.strip() == f"error: interrupted; {NAME} is as it was, or whole if its commit had arrived"
    assert not left_behind(tmp_path)


def test_a_dry_run_asks_the_hub_for_nothing_and_lists_what_it_would_send(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy.main([NAME, "--weights", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    sizes = {path.name: path.stat().st_size for path in (ROOT / "weights").iterdir()}
    assert [line.split() for line in lines[:-1]] == [[f"{sizes[name]:,}", name] for name in sorted(sizes)]
    assert lines[-1].split() == [f"{sum(sizes.values()):,}", "in", str(len(sizes)), "files"]
    assert not hub.requests


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hetmoe"], "'hetmoe' has no owner: name it user/space"),
        (["/hetmoe"], "'/hetmoe' has no owner"),
        ([f"{USER}/het moe"], "is no name for a Space"),
        ([f"{USER}/het/moe"], "is no name for a Space"),
        (["grace/hetmoe"], "your token may not write to grace/hetmoe"),
        ([f"{USER}/public", "--private"], f"{USER}/public exists and is public"),
    ],
)
def test_what_cannot_be_published_is_a_sentence(
    hub: Hub, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    hub.create({"type": "model", "organization": USER, "name": "public"})
    assert deploy.main([*arguments, "--weights"]) == 1
    assert_is_sentence(capsys, said)
    assert [len(one.commits) for one in hub.repositories.values()] == [1]


def test_without_a_login_a_good_token_or_a_network_it_is_a_sentence(
    hub: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ofSomeoneElse")
    assert deploy.main([NAME]) == 1
    assert_is_sentence(capsys, "the Hub does not accept your token")
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\N{GREEK SMALL LETTER ALPHA}")
    assert deploy.main([NAME]) == 1
    assert_is_sentence(capsys, "the token is not one of the Hub's")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert deploy.main([NAME]) == 1
    assert_is_sentence(capsys, "you are not logged in: run 'hf auth login'")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    assert deploy.main([NAME]) == 1
    assert_is_sentence(capsys, "http://127.0.0.1:9 cannot be reached")
    assert not hub.repositories


def assert_is_sentence(capsys: pytest.CaptureFixture[str], said: str) -> None:
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert said in captured.err
    assert TOKEN not in captured.out + captured.err


# Connections that break


def test_a_file_cut_off_on_its_way_is_sent_again(hub: Hub, tmp_path: Path) -> None:
    files = {"README.md": deploy.readme(NAME).encode(), "model.bin": bytes(200_000)}
    hub.drop["PUT"] = 1
    deploy.publish(HfApi(), folder_of(files, tmp_path / "staged"), NAME, "space")
    assert sum(request.startswith("PUT") for request in hub.requests) == 2
    assert files.items() <= hub.repositories["spaces", NAME].files.items()


@pytest.mark.parametrize("what", ["PUT", "commit"])
def test_what_stays_cut_off_is_said_and_nothing_is_half_there(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(_http.time, "sleep", lambda _: None)  # the client waits 23 s in all
    files = {"README.md": deploy.readme(NAME).encode(), "model.bin": bytes(200_000), "app.py": b"pass"}
    staged = folder_of(files, tmp_path / "staged")
    hub.drop[what] = 100
    with pytest.raises(CannotDeploy, match=r"the upload to ada/hetmoe was interrupted; .* run the same command again"):
        deploy.publish(HfApi(), staged, NAME, "space")
    assert list(hub.repositories["spaces", NAME].files) == [".gitattributes"]
    hub.drop.clear()
    deploy.publish(HfApi(), staged, NAME, "space")
    assert files.items() <= hub.repositories["spaces", NAME].files.items()


def test_a_readme_that_the_hub_refuses_is_a_sentence(hub: Hub, tmp_path: Path) -> None:
    files = {"README.md": deploy.readme(NAME).replace("colorTo: green", "colorTo: greenish").encode()}
    with pytest.raises(CannotDeploy, match="the Hub refused the files for ada/hetmoe: .*colorTo is no colour"):
        deploy.publish(HfApi(), folder_of(files, tmp_path / "staged"), NAME, "space")


# What is staged


def test_the_front_matter_is_that_of_the_requirements() -> None:
    text = deploy.readme(NAME)
    assert validate({"content": text, "repoType": "space"})["errors"] == []
    with pytest.raises(Refused, match="longer than 60"):
        validate({"content": text.replace("one answer", "one answer" * 5), "repoType": "space"})
    data = RepoCard(text).data.to_dict()
    assert f"gradio=={data['sdk_version']}" in (ROOT / "requirements.txt").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {data['python_version']}" in project["classifiers"]
    assert data["license"] == project["license"].lower()
    assert (ROOT / data["app_file"]).is_file()
    assert (ROOT / data["thumbnail"].partition("/resolve/main/")[2]).is_file()
    assert data["models"] == [NAME] and data["sdk"] == "gradio"
    assert (ROOT / "requirements.txt").read_text().isascii()


def test_a_page_that_does_not_start_is_a_sentence(tmp_path: Path) -> None:
    staged = folder_of({"app.py": b"raise SystemExit('no such thing as a page')"}, tmp_path / "staged")
    with pytest.raises(CannotDeploy, match="the staged page does not start: no such thing as a page"):
        deploy.try_out(staged, Path(sys.executable), tmp_path)


def test_requirements_that_cannot_be_had_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "requirements.txt").write_text("hetmoe-has-no-such-requirement==1\n")
    with pytest.raises(CannotDeploy, match=r"requirements could not be installed: .*hetmoe-has-no-such-requirement==1"):
        deploy.new_environment(tmp_path / "environment", tmp_path / "requirements.txt")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, from which the weights are taken."""
    shutil.copytree(ROOT / "weights", tmp_path / "weights")
    monkeypatch.setattr(deploy, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def test_missing_or_damaged_weights_are_not_published(weights: Path) -> None:
    file = weights / "replica-hybrid.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"replica-hybrid\.safetensors is truncated"):
        deploy.check_weights()
    file.unlink()
    with pytest.raises(CheckpointError, match=r"there is no checkpoint at .*replica-hybrid\.safetensors"):
        deploy.check_weights()


def test_weights_that_the_card_or_the_landscape_do_not_know_are_not_published(weights: Path) -> None:
    file, card = weights / "frontier-hybrid.safetensors", weights / "README.md"
    shutil.copy(file, weights / "mine.safetensors")
    with pytest.raises(CannotDeploy, match=r"does not list mine\.safetensors"):
        deploy.check_weights()
    (weights / "mine.safetensors").unlink()
    checkpoint = load_checkpoint(file)
    save_checkpoint(file, replace(checkpoint, provenance=checkpoint.provenance | {"seed": 7}))
    with pytest.raises(CannotDeploy, match=r"README\.md is about another frontier-hybrid\.safetensors"):
        deploy.check_weights()
    text = card.read_text()
    card.write_text(text.replace(f"| `{file.name}` | 42 |", f"| `{file.name}` | 7 |"))
    with pytest.raises(CannotDeploy, match=r"landscape\.json is about another frontier-hybrid\.safetensors"):
        deploy.check_weights()
