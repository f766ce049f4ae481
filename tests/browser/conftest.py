"""A real browser on the real page. Every test also fails on any console error and any request to another host."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from tests.browser.hand import Hand

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
expect.set_options(timeout=20_000)  # other tests may run beside these
EXAMPLES = Path(__file__).parents[2] / "hetmoe" / "demo" / "examples"


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium, or else Playwright's own, with a camera and a microphone that keeps saying "yes"."""
    spoken = next(EXAMPLES.glob("speech-*-yes.wav"))
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}",
    ]
    system = next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
    return playwright.chromium.launch(executable_path=system, args=arguments)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, app_url: str) -> Iterator[Callable[..., Hand]]:
    """Opens the page in a window of its own; query is what follows its address, keyword arguments are those of
    Browser.new_context."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("blob", "data") and url.netloc != urlsplit(app_url).netloc:
            complaints.append(f"foreign request: {request.url}")

    def watch(page: Page) -> None:
        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("request", on_request)

    def open_(query: str = "", **options: object) -> Hand:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        watch(page)
        page.goto(f"{app_url}/{query}")
        return Hand(page)

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def hand(open_page: Callable[..., Hand]) -> Hand:
    return open_page()
