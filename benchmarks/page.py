"""How fast the page is, in a real browser: `python -m benchmarks.page [--rounds 40]`, about two minutes.

Starts the page, opens it in Chromium as the browser tests do, and prints median and 95th percentile in milliseconds. An
interval begins with the event of the pointer, key or click as the browser dates it, and ends when the first frame in
which the bars are different has been painted; the bars then glide on for 120 ms. Needs requirements-dev.txt.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import launch
from tests.conftest import serving

GOALS = {  # milliseconds: median, 95th percentile
    "what-if: mute": (40, 100),
    "what-if: drag a bar": (40, 100),
    "pen stroke": (80, 160),
    "example": (150, 300),
    "example, three models compared": (200, 400),
    "first useful picture": (3000, 3000),
    "example, while another one speaks": (150, 300),
}
# From the latest event of a type to the first frame after a change below the node: window.next() promises it.
STOPWATCH = """([type, selector]) => {
  let began = null;
  const begin = (event) => (began ??= event.timeStamp);
  window.addEventListener(type, begin, { capture: true });
  const node = [...document.querySelectorAll(selector)].find((candidate) => candidate.checkVisibility());
  window.next = () => {
    began = null;
    return new Promise((done) => {
      const observer = new MutationObserver(() => {
        if (began === null) return;
        observer.disconnect();
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel(); // its message comes after the frame is painted
          port1.onmessage = () => done(performance.now() - began);
          port2.postMessage(null);
        });
      });
      observer.observe(node, { subtree: true, attributeFilter: ["style"] });
    });
  };
}"""


def intervals(page: Page, event: str, selector: str, actions: Iterator[Callable[[], None]]) -> list[float]:
    """From each action's event to the new bars below the first visible node of the selector."""
    page.evaluate(STOPWATCH, [event, selector])
    found = []
    for act in actions:
        page.evaluate("void (window.measured = next())")
        act()
        found.append(float(page.evaluate("measured")))
        page.wait_for_timeout(160)  # until the bars stand
    return found


def example_clicks(page: Page, rounds: int) -> Iterator[Callable[[], None]]:
    buttons = page.locator(".hm-example >> visible=true")
    n = buttons.count()
    for i in range(rounds):
        yield buttons.nth((i + 1) % n).click


def mutes(page: Page, rounds: int) -> Iterator[Callable[[], None]]:
    """Of who answers most: where the others have weight 0, to mute them changes nothing."""
    numbers = page.locator(".hm-routing .hm-number >> visible=true").all_inner_texts()
    leader = max(range(len(numbers)), key=lambda i: float(numbers[i].rstrip("\u202f%")))
    for _ in range(rounds):
        yield page.locator(".hm-mix button[aria-label^=Mute] >> visible=true").nth(leader).click


def drags(page: Page, rounds: int) -> Iterator[Callable[[], None]]:
    box = page.locator(".hm-routing .hm-track >> visible=true").first.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 5, y)
    page.mouse.down()
    for i in range(rounds):
        x = box["x"] + box["width"] * (0.2 + 0.6 * ((7 * i) % rounds) / rounds)
        yield partial(page.mouse.move, x, y)
    page.mouse.up()


def pen(page: Page, rounds: int) -> Iterator[Callable[[], None]]:
    """Round and round, so that every step changes the digit."""
    box = page.locator('[data-part="pad"]').bounding_box()
    assert box

    def at(i: int) -> tuple[float, float]:
        angle, radius = 2 * np.pi * i / 20, 0.12 + 0.28 * i / rounds
        return box["x"] + box["width"] * (0.5 + radius * np.cos(angle)), box["y"] + box["height"] * (
            0.5 + radius * np.sin(angle)
        )

    page.locator('[data-part="clear"] >> visible=true').click()
    page.mouse.move(*at(0))
    page.mouse.down()
    page.mouse.move(*at(1))
    page.wait_for_timeout(300)
    for i in range(2, rounds + 2):
        yield partial(page.mouse.move, *at(i))
    page.mouse.up()


@contextmanager
def opened(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser.new_page(viewport={"width": 1280, "height": 800})
        browser.close()


def enter(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".hm-number >> visible=true").first.wait_for()
    page.wait_for_timeout(2000)  # until everything else has loaded


def first_pictures(address: str, rounds: int) -> list[float]:
    """From navigation to the first bars, in a browser that has never been here."""
    found = []
    for _ in range(rounds):
        with opened(address) as page:
            page.goto(address)
            page.locator(".hm-number >> visible=true").first.wait_for()
            found.append(float(page.evaluate("performance.now()")))
    return found


def listening(page: Page) -> str:
    rate, lag = page.locator(".hm-ribbon").evaluate("({ dataset }) => [dataset.rate, dataset.lag]")
    return f"{rate} updates a second, {lag} ms behind"


def report(name: str, milliseconds: list[float]) -> None:
    median, late = statistics.median(milliseconds), float(np.quantile(milliseconds, 0.95))
    goal = "/".join(map(str, GOALS[name]))
    print(f"{name:<34} {median:>7.0f} {late:>7.0f}   {goal:>9}   n = {len(milliseconds)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="of each measurement")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, serving(["app.py"], Path(folder)) as address:
        print(f"{'milliseconds':<34} {'median':>7} {'95 %':>7}   {'goal':>9}")
        report("first useful picture", first_pictures(address, max(3, rounds // 8)))
        with opened(address) as page:
            enter(page, address)
            report("example", intervals(page, "click", ".hm-results", example_clicks(page, rounds)))
            report("what-if: mute", intervals(page, "click", ".hm-results", mutes(page, rounds)))
            report("what-if: drag a bar", intervals(page, "pointermove", ".hm-results", drags(page, rounds)))
            page.evaluate("hm.set(hm.untouched)")
            compared = intervals(page, "click", ".hm-compare", example_clicks(page, rounds))
            report("example, three models compared", compared)
            page.get_by_role("tab", name="Digit").click()
            page.wait_for_timeout(500)
            report("pen stroke", intervals(page, "pointermove", ".hm-results", pen(page, rounds)))
            page.get_by_role("tab", name="Sound").click()
            page.get_by_role("button", name="Live", exact=True).click()
            page.wait_for_timeout(8000)
            print(f"live microphone: {listening(page)}; goal 4, 300 ms")
            assert page.context.browser
            other = page.context.browser.new_page(viewport={"width": 1280, "height": 800})
            enter(other, address)
            beside = intervals(other, "click", ".hm-results", example_clicks(other, rounds))
            report("example, while another one speaks", beside)
            print(f"live microphone, while another one clicks: {listening(page)}")


if __name__ == "__main__":
    main()
