"""What tests of several kinds share."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = folder / "log.txt"
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        app = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output)
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
        yield url
    finally:
        app.terminate()
        app.wait(10)
