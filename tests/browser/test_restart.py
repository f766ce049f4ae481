"""A server that is killed while a page is open, and started again."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.hand import Hand
from tests.conftest import free_port, started


def test_an_open_page_says_that_the_server_is_gone_and_goes_on_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(30_000)
    with started(["app.py"], tmp_path, port) as (url, app):
        page.goto(f"{url}/?tab=digit&configuration=hybrid")
        hand = Hand(page)
        app.kill()
        app.wait()
    hand.results.locator(".hm-number").first.wait_for()
    page.locator(".hm-example >> visible=true").last.click()
    expect(page.get_by_text("Connection to the server was lost")).to_be_visible(timeout=30_000)
    with started(["app.py"], tmp_path, port):
        expect(page.get_by_text("Connection to the server was lost")).to_be_hidden(timeout=60_000)
        hand = Hand(page)
        expect(page.get_by_role("radio", name="Hybrid")).to_be_checked()  # the address holds it
        example = page.locator(".hm-example >> visible=true").nth(1)
        example.click()
        answer = hand.results.locator(".hm-answer li").first
        expect(answer).to_contain_text(re.compile(f"^{example.inner_text().strip()}"))
    page.close()
