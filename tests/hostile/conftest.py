"""The demo as a visitor finds it, with its process, its log and its folder of uploads in sight."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import free_port, started

MAX_EXTRA_BYTES = 300 * 10**6
MAX_SECONDS = 15  # 2 on two idle cores, and tests run on busy ones, too
TOKEN = "hf_" + "nobodysTokenButALongOne"


class Server:
    """A running demo, and the ways to ask it."""

    def __init__(self, url: str, process: int, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.api = f"{url}/gradio_api"
        self.web = httpx.Client(timeout=60)
        self.process = psutil.Process(process)
        # Of the page's own functions, those that classify what an input holds come first for each kind.
        functions = self.web.get(f"{url}/config").json()["dependencies"]
        asked = [f["id"] for f in functions if any(event == "input" for _, event in f["targets"])]
        self.functions = dict(zip(("picture", "sound", "digit"), asked, strict=True))

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    def upload(self, content: bytes, name: str) -> dict[str, Any]:
        """Gradio's FileData of an uploaded file."""
        (path,) = self.web.post(f"{self.api}/upload", files={"files": (name, content)}).raise_for_status().json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def post(self, route: str, body: bytes | str) -> httpx.Response:
        """What the API answers to a body that need not be JSON, but says it is."""
        return self.web.post(f"{self.api}{route}", content=body, headers={"content-type": "application/json"})

    def call(self, kind: str, file: Any, *rest: Any) -> tuple[bool, str]:
        """Whether a named end point has answered, and what, through plain HTTP."""
        call = f"{self.api}/call/classify_{kind}"
        started = self.web.post(call, json={"data": [file, *(rest or ("heterogeneous", "frontier"))]})
        if started.status_code != 200:
            assert 400 <= started.status_code < 500
            return False, started.text
        reply = self.web.get(f"{call}/{started.json()['event_id']}").text
        return reply.startswith("event: complete"), reply

    def show(self, kind: str, value: Any) -> httpx.Response:
        """What the page gets for what one of its inputs holds."""
        body = {"data": [value], "fn_index": self.functions[kind], "session_hash": "someone"}
        return self.web.post(f"{self.api}/run/predict", json=body)

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """While something hostile goes on, which must be over soon and take little memory, and leave the app going."""
        before = self.process.memory_info().rss
        peak, over = [before], threading.Event()

        def watch() -> None:
            while not over.wait(0.005):
                peak.append(self.process.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - start
            over.set()
            watching.join()
        print(f"{seconds:.2f} s, {(max(peak) - before) / 1e6:.0f} MB")  # for pytest -rP
        assert seconds < MAX_SECONDS
        assert max(peak) - before < MAX_EXTRA_BYTES
        assert self.show("picture", {"example": "ship"}).json()["data"][0]["inputs"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        patch.setenv("HF_TOKEN", TOKEN)
        with started(["app.py"], folder, free_port()) as (url, app):
            yield Server(url, app.pid, folder)
