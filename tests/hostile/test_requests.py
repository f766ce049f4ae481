"""Requests that no page and no client sends: each is answered with 4xx or a sentence, and the app goes on."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from hetmoe.demo.components import MAX_FILE_MEGABYTES
from hetmoe.demo.guard import HEADERS, MAX_FILES, MAX_JSON_BYTES, NOT_UNDERSTOOD, STRAY_SECONDS
from tests.conftest import ROOT
from tests.hostile.conftest import TOKEN, Server
from tests.hostile.corpus import example

MARK = {"_type": "gradio.FileData"}
PRIVATE = ROOT / "app.py"

BODIES = {
    "nothing": b"",
    "half an object": b"{",
    "no text": b"\xff\xfe\x00",
    "a hundred thousand brackets": b"[" * 100_000,
    "deep": b'{"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "no data": b"{}",
    "too few": b'{"data": []}',
    "too many": json.dumps({"data": [1] * 1000}).encode(),
    "data is an object": b'{"data": {}}',
    "numbers that are none": b'{"data": [NaN, Infinity, -Infinity]}',
    "wrong types": json.dumps({"data": [[], {}, 5]}).encode(),
    "a session that is a list": b'{"data": [1, 2, 3], "session_hash": [1]}',
    "a function that there is not": b'{"data": [1], "fn_index": 12345, "session_hash": "a"}',
    "a function below zero": b'{"data": [1], "fn_index": -1, "session_hash": "a"}',
    "a component that there is not": b'{"data": 1, "component_id": 9999, "fn_name": "ask_closer", "session_hash": "a"}',
    "a component that is a list": b'{"data": 1, "component_id": [1], "fn_name": "ask_closer", "session_hash": "a"}',
    "a function of Python's": b'{"data": 1, "component_id": 1, "fn_name": "__init__", "session_hash": "a"}',
    "50 MB": b'{"data": ["' + b"x" * 50_000_000 + b'", "heterogeneous", "frontier"]}',
}
ROUTES = (
    "/call/classify_picture",
    "/call/nothing",
    "/call/v2/classify_picture",
    "/call/v2/nothing",
    "/run/predict",
    "/queue/join",
    "/component_server/",
    "/cancel",
    "/reset",
    "/upload",
)


@pytest.mark.parametrize("body", BODIES)
def test_a_hostile_body_is_answered_on_every_route(server: Server, body: str) -> None:
    for route in ROUTES:
        with server.unharmed():
            response = server.post(route, BODIES[body])
        if body == "50 MB":
            assert response.status_code == (400 if route == "/upload" else 413)
        assert response.status_code < 500, (route, response.text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([None, "heterogeneous", "frontier"], "Please send a file"),
        (["hello", "heterogeneous", "frontier"], "Please send a file"),
        ([{"path": 7}, "heterogeneous", "frontier"], "Please send a file"),
        ([{"path": 7, "meta": MARK}, "heterogeneous", "frontier"], "Please send the file"),
        ([{"path": "x", "meta": "y"}, "heterogeneous", "frontier"], "Please send the file"),
        ([None, "enormous", "frontier"], "There is no configuration"),
        ([None, ["hybrid"], "frontier"], "There is no configuration"),
        ([None, "hybrid", {}], "There is no family"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(server: Server, arguments: list[Any], sentence: str) -> None:
    with server.unharmed():
        answered, reply = server.call("picture", *arguments)
    assert not answered
    assert sentence in reply


def test_the_log_says_where_a_request_was_not_understood(server: Server) -> None:
    logged = len(server.log)
    refused = server.post("/component_server/", BODIES["a component that there is not"])
    assert (refused.status_code, refused.json()["detail"]) == (400, NOT_UNDERSTOOD)
    assert re.fullmatch(r"not understood: \w+ at .+\.py:\d+\n", server.log[logged:])


@pytest.mark.parametrize(
    "route", ["/call/classify_digit/nothing", "/call/v2/classify_digit", "/queue/data?session_hash=nobody"]
)
def test_what_nobody_asked_has_no_answer(server: Server, route: str) -> None:
    logged = len(server.log)
    with server.unharmed():
        assert "404: Not Found" in server.web.get(f"{server.api}{route}").text  # and the stream ends as it should
    assert "Traceback" not in server.log[logged:]


def test_a_body_may_not_be_endless(server: Server) -> None:
    """Nor is there a length that says so: it comes in chunks."""

    def chunks(n: int) -> Iterator[bytes]:
        for _ in range(n):
            yield b" " * MAX_JSON_BYTES

    with server.unharmed():
        response = server.web.post(f"{server.api}/run/predict", content=chunks(20))
    assert response.status_code == 413


# Files


def form(content: Iterator[bytes], part: str = 'name="files"; filename="a"') -> Iterator[bytes]:
    yield f"--b\r\ncontent-disposition: form-data; {part}\r\n\r\n".encode()
    yield from content
    yield b"\r\n--b--\r\n"


FORM = {"content-type": "multipart/form-data; boundary=b"}


def loose(server: Server) -> list[Path]:
    return [path for path in server.uploads.iterdir() if path.is_file()]


def test_an_upload_of_any_shape_is_limited_and_leaves_nothing(server: Server) -> None:
    megabyte = b"x" * 10**6
    shapes = {
        "one file": form(megabyte for _ in range(MAX_FILE_MEGABYTES + 5)),
        "many files": (part for _ in range(MAX_FILE_MEGABYTES // 4) for part in form(iter([5 * megabyte]))),
    }
    for content in shapes.values():
        with server.unharmed():
            try:
                status = server.web.post(f"{server.api}/upload", content=content, headers=FORM).status_code
            except httpx.TransportError:  # cut off in mid-upload
                status = 413
        assert status in (400, 413)
    assert not loose(server)


@pytest.mark.parametrize("charset", ["utf-8", "punycode"])
def test_an_upload_is_of_files_alone(server: Server, charset: str) -> None:
    """As punycode, a field of a megabyte took half a minute to decode, and 90 MB in any code nearly a gigabyte."""
    headers = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    with server.unharmed():
        try:
            content = form((b"a" * 10**6 for _ in range(MAX_FILE_MEGABYTES - 10)), 'name="a"')
            refused = server.web.post(f"{server.api}/upload", content=content, headers=headers)
            assert (refused.status_code, refused.text) == (
                400,
                "Please send files, each with its name, and nothing else.",
            )
        except httpx.TransportError:  # cut off in mid-upload
            pass


def test_an_upload_is_of_a_few_files(server: Server) -> None:
    files = [("files", (f"{i}.txt", b"mine")) for i in range(MAX_FILES + 1)]
    assert len(server.web.post(f"{server.api}/upload", files=files[1:]).json()) == MAX_FILES
    refused = server.web.post(f"{server.api}/upload", files=files)
    assert (refused.status_code, refused.text) == (400, f"Too many files. Maximum number of files is {MAX_FILES}.")
    assert not loose(server)


def test_what_broken_and_malformed_uploads_leave_is_removed(server: Server) -> None:
    server.web.post(f"{server.api}/upload", files={"elsewhere": ("a.png", b"not among the files")})
    host = urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port)) as connection:
        head = "POST /gradio_api/upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n"
        connection.sendall(f"{head}content-type: {FORM['content-type']}\r\n\r\n".encode() + next(form(iter([]))) + b"x")
        deadline = time.monotonic() + 20
        while len(loose(server)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(loose(server)) == 2
    deadline = time.monotonic() + 20
    while loose(server) and time.monotonic() < deadline:  # Python writes what a file still buffers when it forgets it
        for path in loose(server):
            os.utime(path, (time.time() - 2 * STRAY_SECONDS,) * 2)
        server.upload(b"another", "a.txt")
    assert not loose(server)


# What may be read

OUTSIDE = "/etc/passwd"
DISGUISES = (
    "{}",
    "/{}",
    "{examples}/../../../app.py",
    "{examples}/../page.py",
    "{examples}/%2e%2e/%2e%2e/%2e%2e/app.py",
    "{examples}/%252e%252e/page.py",
    "{examples}/..%2f..%2f..%2fapp.py",
    "{examples}/..%5c..%5c..%5capp.py",
    "{examples}/....//....//app.py",
    "{examples}%00/../../../app.py",
    "{examples}-elsewhere/a",
    "file://{}",
    "{}%00.png",
    "%2fetc%2fpasswd",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "../../../../../../../../etc/passwd",
    "/proc/self/environ",
    "/proc/self/cwd/app.py",
    "~/.bashrc",
    ".",
    "",
)
PREFIXES = (
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/file=",
    "/static/",
    "/assets/",
    "/svelte/",
    "/theme.css/",
    "/gradio_api/custom_component/html/client/component/",
    "/gradio_api/stream/a/b/1/",
    "/gradio_api/proxy=",
    "/gradio_api/",
    "//",
)


def raw_get(server: Server, target: str) -> tuple[int, bytes]:
    """The status and the body of a path that is sent as it stands; httpx would tidy it up."""
    host = urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port), timeout=30) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: {host.netloc}\r\nconnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(reply.split()[1]), reply.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_path_leads_outside_the_apps_own_files(server: Server, prefix: str) -> None:
    secrets = [Path(OUTSIDE).read_bytes()[:40], PRIVATE.read_bytes()[:40], b'"""The page as a whole', TOKEN.encode()]
    examples = ROOT / "hetmoe" / "demo" / "examples"
    for disguise in DISGUISES:
        for private in (OUTSIDE, str(PRIVATE)):
            status, body = raw_get(server, prefix + disguise.format(private, examples=examples))
            assert not any(secret in body for secret in secrets), disguise
            assert 300 <= status < 500 or b"<title>" in body, disguise  # "//" is the page itself


def test_a_link_among_the_uploads_leads_nowhere(server: Server) -> None:
    """Nobody can make one through the app; if there were one, it could not be read."""
    link = server.uploads / "link.png"
    link.symlink_to(PRIVATE)
    try:
        assert raw_get(server, f"/gradio_api/file={link}")[0] == 404
    finally:
        link.unlink()


@pytest.mark.parametrize("path", [OUTSIDE, str(PRIVATE), "/proc/self/environ", "a\0b", "x" * 5000, ".", ""])
def test_no_file_can_be_classified_that_was_not_uploaded(server: Server, path: str) -> None:
    for named in (path, f"{server.uploads}/../{path}", f"{server.uploads}/../../../../../..{path}"):
        for kind in ("picture", "sound"):
            with server.unharmed():
                answered, reply = server.call(kind, {"path": named, "meta": MARK})
            assert not answered and "Please send the file" in reply
            body = {"data": [{"file": {"path": named, "meta": MARK}}], "fn_index": server.functions[kind]}
            assert server.post("/run/predict", json.dumps(body)).status_code == 422


def test_an_upload_cannot_be_read_back_nor_guessed(server: Server) -> None:
    """Not even by its address, which holds the SHA-256 of its content: only who has the file knows that."""
    file = server.upload(example("picture"), "mine.png")
    assert raw_get(server, f"/gradio_api/file={file['path']}")[0] == 404
    guess = Path(file["path"]).parents[1] / ("0" * 64) / "mine.png"
    answered, reply = server.call("picture", {"path": str(guess), "meta": MARK})
    assert not answered and "There is no file" in reply


def test_visitors_do_not_see_each_others_state(server: Server) -> None:
    server.show("picture", {"example": "horse"})  # as session "someone"
    for route in ("deep_link?session_hash=someone", "queue/status", "token"):
        assert raw_get(server, f"/gradio_api/{route}")[0] == 404
    assert b"horse" not in raw_get(server, "/gradio_api/queue/data?session_hash=someone")[1]
    event = server.post("/call/classify_picture", json.dumps({"data": [None, "horse", "frontier"]})).json()["event_id"]
    assert len(event) == 32  # a random UUID, by which alone the answer can be had
    assert b"horse" not in raw_get(server, f"/gradio_api/call/classify_picture/{'0' * 32}")[1]


# No URL is fetched


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of another server, and the paths that it was asked for."""
    asked: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(example("picture"))

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_port}/a.png", asked
        other.shutdown()


def test_no_address_is_fetched_for_a_visitor(server: Server, elsewhere: tuple[str, list[str]]) -> None:
    """Gradio itself would fetch one of the public internet, if not of this machine: it must be refused before that."""
    url, asked = elsewhere
    for address in (
        url,
        url.replace("127.0.0.1", "localhost"),
        "https://example.com/a.png",
        "HTTP://example.com/a.png",
    ):
        for named in ({"path": address}, {"path": "a.png", "url": address}, {"path": address, "is_stream": True}):
            answered, reply = server.call("picture", named | {"meta": MARK})
            assert not answered and "Please send the file" in reply
            assert not server.call("picture", named)[0]
            body = json.dumps({"file": named | {"meta": MARK}})
            assert server.post("/call/v2/classify_picture", body).status_code == 422
            assert server.show("picture", {"file": named | {"meta": MARK}}).status_code == 422
        answered, reply = server.call("picture", address)
        assert not answered and "Please send a file" in reply
        for prefix in ("file=", "proxy=", "file/"):
            assert raw_get(server, f"/gradio_api/{prefix}{address}")[0] == 404
    assert httpx.get(url).status_code == 200
    assert asked == ["/a.png"]  # our own


# Headers and log


@pytest.mark.parametrize("route", ["/", "/theme.css", "/gradio_api/info", "/nothing", "/gradio_api/file=/etc/passwd"])
def test_every_answer_has_the_safe_headers(server: Server, route: str) -> None:
    headers = server.web.get(server.url + route).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-frame-options" not in headers and "frame-ancestors" not in headers["content-security-policy"]
    assert "microphone=(self)" in headers["permissions-policy"]


def test_nothing_but_what_the_page_needs_is_served(server: Server) -> None:
    unneeded = (
        "monitoring",
        "monitoring/summary",
        "docs",
        "openapi.json",
        "login",
        "gradio_api/vibe-code",
        "pwa_icon/9",
    )
    for route in (*unneeded, "gradio_api/token", "gradio_api/dev/reload", "gradio_api/runs"):
        assert server.web.get(f"{server.url}/{route}").status_code == 404
    for route in ("process_recording", "vibe-edit", "login", "stream/a", "run/classify_picture", "api/predict"):
        assert server.post(f"/{route}", b"{}").status_code == 404


def test_the_log_holds_no_secret_and_nothing_of_visitors(server: Server) -> None:
    canary = "canary-in-a-coal-mine"
    server.call("picture", server.upload(canary.encode(), f"{canary}.png"))
    server.call("picture", canary, canary, canary)
    server.show("digit", {"drawing": canary, canary: canary})
    server.show("digit", {"file": server.upload(b"x", "x.png") | {"size": canary}})
    for index in range(20):
        some = {"data": [canary], "fn_index": index, "session_hash": canary}
        server.post("/queue/join", json.dumps(some))
        server.post("/run/predict", json.dumps(some))
    time.sleep(1)
    for route in ROUTES:
        server.post(route, json.dumps({"data": [canary] * 3, canary: canary}))
        server.web.get(f"{server.api}/file={canary}")
    assert canary not in server.log
    assert TOKEN not in server.log
