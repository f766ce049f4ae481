"""What the server says when it cannot take more: its queue or its disk is full, or it has been asked to stop."""

import errno
import signal
import threading
import time
from typing import Any

from fastapi.exception_handlers import http_exception_handler
from gradio.blocks import Blocks
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

QUEUE_SIZE = 256  # waiting for an answer; at 40 answers a second the last one waits for six seconds
AT_ONCE = 8  # questions to an end point in work: they share forward passes
QUEUE_FULL = "Many people are asking just now. Please try again in a few seconds."
DISK_FULL = "This file could not be stored: the server's disk is full. Please tell whoever runs this page."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEAVING = "This server is about to restart. Please try again in a few seconds."
DRAIN_SECONDS = 10
QUIET_SECONDS = 0.5  # in which what has just arrived is counted
STAYS_OPEN = "/heartbeat/"  # Gradio's, as long as a page is open


def refusal(status: int, sentence: str) -> JSONResponse:
    """As FastAPI says it, so that Gradio's clients show the sentence."""
    return JSONResponse({"detail": sentence}, status, headers={"Retry-After": "5"})


async def _queue_full(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 503 and str(error.detail).startswith("Queue is full"):
        return refusal(503, QUEUE_FULL)
    return await http_exception_handler(request, error)


async def _disk_full(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in FULL and request.url.path.endswith("/upload"):
        return refusal(507, DISK_FULL)
    raise error


EXCEPTION_HANDLERS: dict[Any, Any] = {HTTPException: _queue_full, OSError: _disk_full}


class Draining:
    """Lets the answers being made arrive before the server stops; whoever asks meanwhile is told to come back."""

    def __init__(self, page: Blocks) -> None:
        self.page = page
        self.asked_to_stop = threading.Event()
        self._open = 0  # requests; changed by the server's thread alone

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware that counts open requests, and refuses new questions and uploads once asked to stop."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or STAYS_OPEN in scope["path"]:
                return await app(scope, receive, send)
            if self.asked_to_stop.is_set() and scope["method"] == "POST":
                return await refusal(503, LEAVING)(scope, receive, send)
            self._open += 1
            try:
                await app(scope, receive, send)
            finally:
                self._open -= 1

        return counted

    def wait(self) -> None:
        """Returns once SIGTERM or SIGINT (Ctrl-C) has come and what was open is answered, or DRAIN_SECONDS later. A
        second signal ends the process at once."""

        def stop(*_: Any) -> None:
            self.asked_to_stop.set()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.asked_to_stop.wait()
        now = time.monotonic()
        deadline, quiet_since = now + DRAIN_SECONDS, now
        while now < min(deadline, quiet_since + QUIET_SECONDS):
            time.sleep(0.05)
            now = time.monotonic()
            if self._open or self._is_answer_due():
                quiet_since = now

    def _is_answer_due(self) -> bool:
        """Whether a question waits, is in work, or has an answer that is not yet fetched, which takes a request."""
        return any(list(self.page._queue.pending_event_ids_session.values()))
