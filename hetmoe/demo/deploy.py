"""`bash deploy_hf.sh user/space`: the page on a Hugging Face Space; with --weights, the weights in the model repository
of that name, which the Space names.

What is published is staged in a temporary folder and, if it is the page, tried there first: in a new environment with
nothing but the Space's requirements, by one real prediction for each modality. It then goes up in one commit, so that
nothing is ever half there.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import httpx2
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceCardData, constants, logging
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from hetmoe.checkpoint import CheckpointError, load_checkpoint
from hetmoe.demo.classify import encode
from hetmoe.demo.evidence import EVIDENCE, read_evidence
from hetmoe.demo.landscape import LANDSCAPE, read_landscape
from hetmoe.demo.social import CARD, TITLE
from hetmoe.demo.sources import examples
from hetmoe.inference import Predictor, default_checkpoint
from hetmoe.project import PROJECT

WEIGHTS = PROJECT / "weights"
ROOT_FILES = [PROJECT / name for name in ("app.py", "LICENSE", "requirements.txt")]
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
START_SECONDS = 180
NO_PROXY: dict[str, Any] = {"trust_env": False}  # to the page that is tried, which is on this machine
INTERRUPTED = "the upload to {} was interrupted; it is one commit, so nothing is half there: run the same command again"


class CannotDeploy(Exception):
    """The message is a sentence that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 if it worked, 1 with a sentence on stderr if not, 130 after an interruption."""
    parser = argparse.ArgumentParser(prog="bash deploy_hf.sh", description="Puts the page on a Hugging Face Space.")
    parser.add_argument("name", metavar="user/space", help="the Space; it is created if it does not exist")
    parser.add_argument("--dry-run", action="store_true", help="do all but the upload, and print what it would be")
    parser.add_argument("--private", action="store_true", help="for you alone, if it is to be created")
    parser.add_argument("--hardware", help="what the Space is to run on, such as cpu-upgrade")
    parser.add_argument("--weights", action="store_true", help="put the weights in the model repository of this name")
    parser.add_argument(
        "--python",
        type=Path,
        help="try the page with this interpreter and what is installed for it, not in a new environment",
    )
    options = parser.parse_args(arguments)
    if options.weights and options.hardware:
        parser.error("weights run on no hardware of the Hub's: leave --hardware out")
    try:
        with TemporaryDirectory(prefix="hetmoe-") as folder:
            _deploy(options, Path(folder))
    except KeyboardInterrupt:
        print(f"\nerror: interrupted; {options.name} is as it was, or whole if its commit had arrived", file=sys.stderr)
        return 130
    except (CannotDeploy, CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _deploy(options: argparse.Namespace, folder: Path) -> None:
    check_name(options.name)
    api = None if options.dry_run else log_in()
    staged = folder / "staged"
    check_weights()
    if options.weights:
        stage_weights(staged)
    else:
        stage_space(staged, options.name)
        python = options.python or new_environment(folder / "environment", staged / "requirements.txt")
        try_out(staged, python.absolute(), folder)
    if api is None:
        print(listing(staged))
        return
    kind = "model" if options.weights else "space"
    print(publish(api, staged, options.name, kind, private=options.private, hardware=options.hardware))


def check_name(name: str) -> None:
    """Raises CannotDeploy if this is not user/space."""
    owner, _, rest = name.partition("/")
    if not owner or not rest:
        raise CannotDeploy(f"{name!r} has no owner: name it user/space, with your user name or an organisation's")
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise CannotDeploy(f"{name!r} is no name for a Space: letters, digits, - _ . and one slash will do") from None


def log_in() -> HfApi:
    """The Hub's client, after the Hub has accepted its token. Raises CannotDeploy."""
    logging.set_verbosity_error()  # its warnings show the addresses of uploads, which are signed
    api = HfApi()
    try:
        api.whoami()
    except LocalTokenNotFoundError:
        raise CannotDeploy(
            "you are not logged in: run 'hf auth login', or set HF_TOKEN to a token that may write"
        ) from None
    except HfHubHTTPError as error:
        raise CannotDeploy(_refusal(error, "your account")) from None
    except (ValueError, httpx2.LocalProtocolError):  # no header may hold this token, and the message would show it
        raise CannotDeploy("the token is not one of the Hub's: run 'hf auth login' or set HF_TOKEN anew") from None
    except (httpx2.HTTPError, OfflineModeIsEnabled):
        raise CannotDeploy(f"{api.endpoint} cannot be reached: is there a network?") from None
    return api


def check_weights() -> None:
    """Raises CheckpointError if a checkpoint that the card lists is missing or damaged, CannotDeploy if one is not the
    one that the card and the landscape are about, or the page would lack what was measured."""
    for message in (read_landscape(LANDSCAPE).message, read_evidence(EVIDENCE).get("message")):
        if message:
            raise CannotDeploy(message)
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\S+\.safetensors)` \| (\d+) \| (\d+) \| `(\w+\+?)` \|", card, re.MULTILINE)
    if unknown := {path.name for path in WEIGHTS.glob("*.safetensors")} - {name for name, *_ in listed}:
        name = min(unknown)
        raise CannotDeploy(f"weights/README.md does not list {name}: run 'python -m training report', or remove it")
    provenance = {name: load_checkpoint(WEIGHTS / name).provenance for name, *_ in listed}
    for name, seed, steps, commit in listed:
        p = provenance[name]
        whole = str(p.get("commit"))
        short = whole[:12] + "+" * whole.endswith("+")
        if (str(p.get("seed")), str(p.get("steps")), short) != (seed, steps, commit):
            raise CannotDeploy(f"weights/README.md is about another {name}: run 'python -m training report'")
    for family, of_family in json.loads(LANDSCAPE.read_text(encoding="utf-8"))["families"].items():
        for configuration, model in of_family["models"].items():
            name = default_checkpoint(configuration, family).name
            if not model["provenance"].items() <= provenance.get(name, {}).items():
                raise CannotDeploy(f"{LANDSCAPE.name} is about another {name}: run 'python -m training landscape'")


def stage_weights(folder: Path) -> None:
    """Into a new folder: the weights and their card."""
    folder.mkdir(parents=True)
    for path in (WEIGHTS / "README.md", *WEIGHTS.glob("*.safetensors")):
        shutil.copyfile(path, folder / path.name)


def stage_space(folder: Path, name: str) -> None:
    """Into a new folder: what the page serves and runs, and the Space's own README."""
    shutil.copytree(PROJECT / "hetmoe", folder / "hetmoe", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    stage_weights(folder / "weights")
    for path in (*ROOT_FILES, EVIDENCE, LANDSCAPE, CARD):
        target = folder / path.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "README.md").write_text(readme(name), encoding="utf-8")


def readme(name: str) -> str:
    """The README of the Space user/space, with all that the Hub wants to know in front."""
    requirements = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    data = SpaceCardData(
        title="HetMoE",
        emoji="🧩",
        colorFrom="blue",
        colorTo="green",
        sdk="gradio",
        sdk_version=re.findall(r"^gradio==(\S+)$", requirements, re.MULTILINE)[0],
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",  # the one that it was tried with
        app_file="app.py",
        short_description="Four different experts, one answer: live",
        thumbnail=f"{constants.ENDPOINT}/spaces/{name}/resolve/main/{CARD.relative_to(PROJECT).as_posix()}",
        suggested_hardware="cpu-basic",
        license="mit",
        models=[name],
        tags=[
            "mixture-of-experts",
            "image-classification",
            "audio-classification",
            "keyword-spotting",
            "explainability",
        ],
    )
    return f"""---
{data}
---

# {TITLE}

A picture, a spoken word or a drawn digit becomes 1024 numbers; nobody tells the model which of these it is looking at;
a small router decides how much each expert counts. What the weights are, how well they do and what they were trained on
is in [their card](weights/README.md).

`deploy_hf.sh` has put this here, and its next run undoes what was changed by hand.
"""


def listing(folder: Path) -> str:
    """The files with their sizes in bytes."""
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    lines = [f"{size:>12,}  {name}" for name, size in sizes.items()]
    return "\n".join([*lines, f"{sum(sizes.values()):>12,}  in {len(sizes)} files"])


def new_environment(folder: Path, requirements: Path) -> Path:
    """Installs the requirements in a new environment and gives its Python. Raises CannotDeploy if they cannot be."""
    print("Installing the Space's requirements in a new environment …", flush=True)
    start, python = time.monotonic(), folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(requirements)],
    ):
        done = subprocess.run(command, env=_environment(folder.parent), capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("ERROR: ")]
            problem = errors[-1].removeprefix("ERROR: ") if errors else _last_line(done.stderr + done.stdout)
            raise CannotDeploy(f"the Space's requirements could not be installed: {problem}")
    print(f"… took {time.monotonic() - start:.0f} s.", flush=True)
    return python


def try_out(folder: Path, python: Path, scratch: Path) -> None:
    """Starts the staged page and has it classify an example of each kind, as visitors do: by its API.

    Raises CannotDeploy if it does not start, or does not answer as the model does here.
    """
    predictor = Predictor.load(default_checkpoint("heterogeneous"), "cpu")
    with _serving(folder, python, scratch) as url:
        files = {kind: next(iter(examples(kind).values())) for kind in ("picture", "sound", "digit")}
        try:
            client = Client(url, verbose=False, download_files=scratch / "downloads", httpx_kwargs=NO_PROXY)
            told = {kind: client.predict(handle_file(f), api_name=f"/classify_{kind}") for kind, f in files.items()}
        except (AppError, httpx.HTTPError, OSError, ValueError) as error:
            raise CannotDeploy(f"the staged page could not classify its examples: {error}") from None
        for kind, file in files.items():
            expected = predictor.predict(encode(kind, file, "frontier"))
            answers = told[kind] if kind == "sound" else {told[kind]["modality"]: told[kind]}
            for modality, prediction in expected.items():
                there, here = answers[modality]["label"], prediction.top(1)[0][0]
                if there != here:
                    raise CannotDeploy(
                        f"for {file.name}, {modality}, the staged page says {there}, but the model {here}"
                    )
                print(f"The staged page says {there} for {file.name} ({modality}).", flush=True)


def publish(
    api: HfApi, folder: Path, name: str, kind: str, *, private: bool = False, hardware: str | None = None
) -> str:
    """Makes the repository equal to the folder, in one commit or, where it is so already, none. A sentence on what was
    done.

    kind: "space" or "model"; private: if it does not exist yet; hardware: of a Space
    Raises CannotDeploy.
    """
    try:
        try:
            info = api.repo_info(name, repo_type=kind)
        except RepositoryNotFoundError:
            is_space = kind == "space"
            api.create_repo(
                name,
                repo_type=kind,
                private=private or None,
                space_sdk="gradio" if is_space else None,
                space_hardware=hardware if is_space else None,  # type: ignore[arg-type]
            )
            info = api.repo_info(name, repo_type=kind)
        if private and not info.private:
            raise CannotDeploy(f"{name} exists and is public: make it private in its settings first")
        if hardware and api.get_space_runtime(name).requested_hardware != hardware:
            api.request_space_hardware(name, hardware)  # type: ignore[arg-type]
            print(f"{name} is moved to {hardware}.", flush=True)
        paths = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
        gone = {*api.list_repo_files(name, repo_type=kind)} - {*paths, ".gitattributes"}
        # Not upload_folder: it may spread a slow upload over several commits.
        done = api.create_commit(
            name,
            [
                *(CommitOperationDelete(path) for path in sorted(gone)),
                *(CommitOperationAdd(path, paths[path]) for path in sorted(paths)),
            ],
            commit_message="Deploy",
            repo_type=kind,
        )
    except HfHubHTTPError as error:
        raise CannotDeploy(_refusal(error, name)) from None
    except ValueError as error:
        raise CannotDeploy(f"the Hub refused the files for {name}: {' '.join(str(error).split())}") from None
    except (httpx2.HTTPError, OSError, RuntimeError):
        raise CannotDeploy(INTERRUPTED.format(name)) from None
    address = f"{api.endpoint}/{'spaces/' if kind == 'space' else ''}{name}"
    if done.oid == info.sha:
        return f"{address} is up to date at {done.oid}: nothing was changed."
    return f"{address} is now at {done.oid}."


def _refusal(error: HfHubHTTPError, what: str) -> str:
    """The Hub's answer as a sentence."""
    status = error.response.status_code
    if status == 401:
        return "the Hub does not accept your token: run 'hf auth login --force', or set HF_TOKEN anew"
    if status == 403:
        return f"your token may not write to {what}: is the owner right, and may the token write there?"
    return f"the Hub refused ({status}) what was asked for {what}: {error.server_message or 'it does not say why'}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _environment(scratch: Path) -> dict[str, str]:
    """For what is started: no token, nothing of this checkout, and nothing left behind."""
    ours = {name: value for name, value in os.environ.items() if name not in (*TOKENS, "PYTHONPATH")}
    return ours | {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(scratch)}


@contextmanager
def _serving(folder: Path, python: Path, scratch: Path) -> Iterator[str]:
    """The address of the app in this folder, started on a free port. Raises CannotDeploy if it does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", scratch / "log.txt"
    environment = _environment(scratch) | {"GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        app = subprocess.Popen([python, "app.py"], cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            if app.poll() is not None:
                raise CannotDeploy(f"the staged page does not start: {_last_line(log.read_text())}")
            try:
                httpx.get(url, timeout=5, **NO_PROXY).raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > end:
                    raise CannotDeploy(f"the staged page did not answer within {START_SECONDS} s") from None
                time.sleep(0.2)
        yield url
    finally:
        app.kill()
        app.wait()


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "nothing was said"


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # so that these, too, remove the temporary folder
    sys.exit(main())
