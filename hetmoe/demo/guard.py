"""What of the web reaches the app, and what browsers let the page do: an ASGI middleware that lets through the routes
that the page and its API need, bodies of a bounded size and files that were uploaded, and adds the safe headers."""

import json
import logging
import os
import re
import time
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import gradio.route_utils
from gradio.blocks import Blocks
from gradio.data_classes import FileData
from gradio.route_utils import FnIndexInferError, GradioMultiPartParser
from gradio.utils import get_upload_folder
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_JSON_BYTES = 10**6  # the largest that the page sends is a second of live sound, 0.4 MB
FORM_BYTES = 10**5  # what an upload has beside its file
MAX_FILES = 10  # of one upload: each is kept open until the last has arrived
STRAY_SECONDS = 600  # an upload that nothing was written to for so long has been broken off

# Gradio has many more: a proxy, a recorder, an editor, statistics, links to what a visitor did.
ROUTES = re.compile(
    r"/|/(?:assets|static)/.+|/(?:theme\.css|favicon\.ico|manifest\.json|pwa_icon|robots\.txt|config/?)"
    r"|/gradio_api/(?:info/?|openapi\.json|startup-events|upload|component_server/?|run/predict/?|call/.+|queue/join"
    r"|queue/data|cancel|reset/?|heartbeat/.+|file=.+"
    r"|app_id/?)"  # by which an open page learns that the server is back
)
FILE = "/gradio_api/file="
UPLOAD = "/gradio_api/upload"
CALL = re.compile(r"/gradio_api/call/classify_\w+/?")
RUN = re.compile(r"/gradio_api/(?:run/predict/?|queue/join)")
ARGUMENTS = ("file", "configuration", "family")  # of the named end points

NOT_HERE = "There is nothing here."
NOT_UNDERSTOOD = "This request was not understood. What can be asked stands at /gradio_api/info."
NOT_UPLOADED = f"Please send the file to {UPLOAD} first, and name it as that answers."

# Gradio's page consists of inline scripts and styles, and its HTML components compile their templates; the microphone's
# worklet and pictures of the page are blobs and data URLs. Nothing is loaded from elsewhere or sent there. There is no
# frame-ancestors, for even "frame-ancestors *" keeps a slide that was opened as a file from framing the page.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
HEADERS = {
    "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in POLICY.items()),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(self), geolocation=(), payment=(), usb=()",
}


class Refused(Exception):
    """A request that is answered with this status and sentence, without asking the app."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = JSONResponse({"detail": sentence}, status)


class Guard:
    """ASGI middleware, as the module says.

    files: the files and folders that anyone may read
    max_file_bytes: of an uploaded file
    """

    def __init__(self, app: ASGIApp, files: Sequence[str], max_file_bytes: int) -> None:
        self.app = app
        self.files = files
        self.max_file_bytes = max_file_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            return await self.app(scope, await self._checked(scope, receive), send_with_headers)
        except Refused as refused:
            answer = refused.answer
        except (FnIndexInferError, LookupError, TypeError, ValueError, AttributeError) as error:
            # So Gradio meets a function, a component or a field that there is not; the server itself is well. Where it
            # was is logged, for a fault of ours would look the same; what was sent is not.
            if started or scope["method"] != "POST":
                raise
            *_, place = traceback.extract_tb(error.__traceback__)
            name = type(error).__name__
            logging.getLogger(__name__).warning("not understood: %s at %s:%s", name, place.filename, place.lineno)
            answer = Refused(400, NOT_UNDERSTOOD).answer
        except RuntimeError as error:
            # Gradio's streams say that there is no such event or session, and then raise it; they only have to end.
            if not (started and isinstance(error.__cause__, HTTPException)):
                raise
            return await send({"type": "http.response.body"})
        await answer(scope, receive, send_with_headers)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """What the app is to receive. Raises Refused if it is not to be asked at all."""
        path, root = scope["path"], scope.get("root_path", "").rstrip("/")
        if path.startswith(f"{root}/"):
            path = path[len(root) :]
        if not ROUTES.fullmatch(path) or (path.startswith(FILE) and not self._is_public(path.removeprefix(FILE))):
            raise Refused(404, NOT_HERE)
        if scope["method"] != "POST":
            return receive
        if path == UPLOAD:
            loose = Path(get_upload_folder()).glob("*")
            await anyio.to_thread.run_sync(remove_old, loose, STRAY_SECONDS)
            return _limited(receive, self.max_file_bytes + FORM_BYTES)
        body = await self._read(receive)
        check_json(scope["app"].get_blocks(), path, body)
        return _replayed(body, receive)

    def _is_public(self, name: str) -> bool:
        path = Path(os.path.abspath(name))
        return "\0" not in name and any(path.is_relative_to(public) for public in self.files)

    async def _read(self, receive: Receive) -> bytes:
        """A body of JSON. Raises Refused if it is too large, though not before it has arrived (up to the size of a
        file): whoever is cut off while sending does not see the answer."""
        body, size, more = bytearray(), 0, True
        while more and size <= self.max_file_bytes:
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if size <= MAX_JSON_BYTES:
                body += part
            more = message.get("more_body", False)
        if size > MAX_JSON_BYTES:
            raise Refused(413, f"This is more than {MAX_JSON_BYTES // 10**6} MB. Please send files to {UPLOAD}.")
        return bytes(body)


class UploadParser(GradioMultiPartParser):
    """Gradio's, for files alone. It keeps a field that is no file in memory, and decodes it as its sender says: in
    "punycode", 10 MB would take it an hour, in which nobody is answered."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"max_files": MAX_FILES})

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("Please send files, each with its name, and nothing else.")


gradio.route_utils.GradioMultiPartParser = UploadParser  # type: ignore[misc] # what the route for uploads makes


def check_json(page: Blocks, path: str, body: bytes) -> None:
    """Raises Refused if a body of JSON is none, names a file that was not uploaded (Gradio would even fetch a URL), or
    lacks arguments of the function that it is for (Gradio would log those that it has)."""
    try:
        asked = json.loads(body, object_hook=_check_file)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "This is no JSON.") from error
    asked = asked if isinstance(asked, dict) else {}
    data = asked.get("data")
    given = len(data) if isinstance(data, list) else 0
    if CALL.fullmatch(path) and given != len(ARGUMENTS):
        raise Refused(422, f'Please send {{"data": [{", ".join(ARGUMENTS)}]}}.')
    if RUN.fullmatch(path):
        index = asked.get("fn_index")
        function = page.fns.get(index) if type(index) is int else None
        if function is None or given < len(function.inputs):
            raise Refused(422, NOT_UNDERSTOOD)


def _check_file(entry: dict[str, Any]) -> dict[str, Any]:
    """Any object of a body, as it is. Raises Refused if it means a file, but not one in the folder of uploads."""
    if "path" in entry and "meta" in entry:
        try:
            is_upload = _lies_in(Path(get_upload_folder()), FileData(**entry).path)
        except (OSError, ValueError, TypeError) as error:  # an impossible path, or other fields than a file's
            raise Refused(422, NOT_UPLOADED) from error
        if not is_upload:
            raise Refused(422, NOT_UPLOADED)
    return entry


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a path, of a file that there is or was, lies in the folder. Raises OSError or ValueError for a path that
    there cannot be."""
    Path(name).is_file()
    return Path(os.path.abspath(name)).is_relative_to(os.path.abspath(folder))


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was already read, then whatever else is received."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _limited(receive: Receive, limit: int) -> Receive:
    """Gives what is received until it is more than the limit; then the upload's parser removes what it has written."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise MultiPartException(f"This is more than the maximum allowed size of {limit} bytes.")
        return message

    return limited


def remove_old(paths: Iterable[Path], seconds: float) -> None:
    """Removes the files among the paths that were last written to longer ago than this. Gradio leaves some among the
    uploads: loose ones, when an upload is broken off or malformed, and all that it had when it was killed."""
    for path in paths:
        with suppress(OSError):  # gone meanwhile, or not ours
            if path.is_file() and time.time() - path.stat().st_mtime > seconds:
                path.unlink()
