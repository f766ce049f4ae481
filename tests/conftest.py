"""What tests of several kinds share."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hub import TOKEN, Hub, serving_hub

ROOT = Path(__file__).parents[1]

# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them are about.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo, started as a person starts it, on a free port."""
    with serving(["app.py"], tmp_path_factory.mktemp("app")) as url:
        yield url


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub on loopback that the client in this process is logged in to, with an empty cache."""
    with serving_hub() as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # As HF_ENDPOINT and so on would, had they been there at import.
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        address = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


@contextmanager
def serving(arguments: list[str], folder: Path) -> Iterator[str]:
    """The address of the demo, which Python with these arguments starts on a free port. Its log goes to the folder."""
    with started(arguments, folder, free_port()) as (url, _):
        yield url


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(
    arguments: list[str], folder: Path, port: int, before: Callable[[], None] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """As `serving`, with the process; before: what the process does before it becomes Python"""
    url = f"http://127.0.0.1:{port}"
    log = folder / "log.txt"
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        app = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output, preexec_fn=before
        )
    try:
        for _ in range(1800):
            assert app.poll() is None, f"the demo stopped:\n{log.read_text()}"
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        else:
            raise AssertionError(f"the demo did not answer within three minutes:\n{log.read_text()}")
        yield url, app
    finally:
        app.terminate()
        app.wait(30)
