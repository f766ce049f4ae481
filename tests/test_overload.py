"""A full queue, a full disk, a server that is asked to stop: each says what to do, and answers in the making arrive."""

import resource
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import httpx
import pytest

from hetmoe.demo.overload import DISK_FULL, EXCEPTION_HANDLERS, LEAVING, QUEUE_FULL
from hetmoe.demo.sources import examples
from tests.conftest import free_port, started

SOUND = next(iter(examples("sound").values()))
CALL = "/gradio_api/call/classify_sound"
DISK = 2**16  # bytes that the process may write into one file: it then fails as on a full disk


def small_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[httpx.Client, object]]:
    with (
        started(["app.py"], tmp_path_factory.mktemp("app"), free_port(), small_disk) as (url, process),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client, process


def upload(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/gradio_api/upload", files={"files": ("stop.wav", content)})


def test_a_full_disk_has_a_sentence(server) -> None:
    client, _ = server
    refused = upload(client, SOUND.read_bytes() * 5)
    assert (refused.status_code, refused.json()["detail"]) == (507, DISK_FULL)
    assert upload(client, SOUND.read_bytes()).status_code == 200


def test_a_full_queue_has_a_sentence() -> None:
    """Gradio's own queue, with one place, in an app that takes its time."""
    going_on = threading.Event()

    def slow() -> str:
        going_on.wait(60)
        return "done"

    with gr.Blocks() as page:
        gr.api(slow, api_name="slow")
    page.queue(max_size=1)
    page.launch(prevent_thread_lock=True, quiet=True, app_kwargs={"exception_handlers": EXCEPTION_HANDLERS})
    try:
        ask = f"{page.local_url}gradio_api/call/slow"
        asked = [httpx.post(ask, json={"data": []}) for _ in range(4)]
        refused = [answer for answer in asked if answer.status_code != 200]
        assert 2 <= len(refused) <= 3  # one in work or not yet, one waiting
        for answer in refused:
            assert (answer.status_code, answer.json()["detail"]) == (503, QUEUE_FULL)
            assert int(answer.headers["Retry-After"]) > 0
        assert httpx.get(f"{page.local_url}gradio_api/no/such").json() == {"detail": "Not Found"}
    finally:
        going_on.set()
        page.close()


def test_answers_in_the_making_arrive_before_the_server_stops(server) -> None:
    """Last of this file: it stops the server."""
    client, process = server
    path = upload(client, SOUND.read_bytes()).json()[0]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    question = {"data": [file, "heterogeneous", "frontier"]}

    def ask(_: int) -> str | None:
        asked = client.post(CALL, json=question)
        if asked.status_code == 503:
            assert asked.json()["detail"] == LEAVING
            return None
        accepted.release()
        time.sleep(1)  # of a client far away; meanwhile no request is open
        return client.get(f"{CALL}/{asked.json()['event_id']}").text

    accepted = threading.Semaphore(0)
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(ask, i) for i in range(32)]
        for _ in range(4):
            accepted.acquire()
        process.send_signal(signal.SIGTERM)
        texts = [answer.result() for answer in answers]
    assert not [text for text in texts if text is not None and not text.startswith("event: complete")]
    assert None in texts
    assert process.wait(20) == 0
