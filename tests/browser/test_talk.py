"""The slide and the frame of docs/talk, as they are but for the page's address: served, and opened as files."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

TALK = Path(__file__).parents[2] / "docs" / "talk"
DEFAULT = "http://localhost:7860"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def talk(tmp_path: Path, app_url: str) -> Path:
    """docs/talk with the address of the running page, which stands in one place of each file."""
    folder = tmp_path / "talk"
    shutil.copytree(TALK, folder)
    (folder / "favicon.ico").touch()  # which browsers ask every server for
    for path in folder.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert text.count(DEFAULT) == 1
        path.write_text(text.replace(DEFAULT, app_url), encoding="utf-8")
    return folder


@pytest.fixture(params=["served", "file"])
def folder_url(request: pytest.FixtureRequest, talk: Path) -> Iterator[str]:
    if request.param == "file":
        yield talk.as_uri()
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=talk)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if is_foreign(request.url) else None)
    yield page
    context.close()
    assert not complaints


def is_foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname not in ("localhost", "127.0.0.1")


def test_the_frame_answers_a_stroke(page: Page, folder_url: str) -> None:
    page.goto(f"{folder_url}/iframe.html")
    draw_and_expect_an_answer(page)


def test_the_slide_answers_a_stroke(page: Page, folder_url: str) -> None:
    page.goto(f"{folder_url}/slide.html")
    expect(page.get_by_role("heading", name="Who answers")).to_be_in_viewport()
    draw_and_expect_an_answer(page)


def draw_and_expect_an_answer(page: Page) -> None:
    """Draws a one where there was a seven, inside the frame."""
    frame = page.frame_locator("iframe")
    answer = frame.locator(".hm-answer .hm-name >> visible=true").first
    pad = frame.locator('[data-part="pad"] >> visible=true')
    expect(answer).to_have_text("7")
    expect(frame.locator(".hm-header")).to_be_hidden()
    box = pad.bounding_box()
    assert box is not None
    assert box["width"] > 150
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for i in range(15, 85, 10):
        page.mouse.move(x, box["y"] + i / 100 * box["height"])
        page.wait_for_timeout(20)
    page.mouse.up()
    expect(answer).to_have_text("1")
