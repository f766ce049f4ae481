"""The guard in front of an app of one line: where the page lies under a path of its own."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from hetmoe.demo.guard import Guard


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.mark.parametrize("root", ["", "/a", "/a/", "/as", "/some/where"])
def test_a_path_of_its_own_changes_nothing(root: str) -> None:
    """Whether a proxy takes it off the path, or not."""
    client = TestClient(Guard(hello, ["/public"], 1000), root_path=root)
    for prefix in ("", root.rstrip("/")):
        for route in ("/", "/config", "/assets/a.js", "/gradio_api/info", "/gradio_api/file=/public/a.png"):
            assert client.get(prefix + route).text == "hello"
        for route in (
            "/monitoring",
            "/gradio_api/file=/etc/passwd",
            "/gradio_api/file=/publicity",
            "/elsewhere/config",
        ):
            assert client.get(prefix + route).status_code == 404
