"""What a person does with the page and sees on it."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

# The results of the open tab as a person sees them, lane by lane.
READ_RESULTS = """(results) => [...results.querySelectorAll(".hm-lane")].filter(
  (lane) => lane.checkVisibility({ visibilityProperty: true }),
).map((lane) => {
  const rows = (section) => [...lane.querySelectorAll(`.hm-${section} .hm-bar`)].map((row) => ({
    name: row.querySelector(".hm-name").textContent,
    note: row.querySelector(".hm-note")?.textContent ?? "",
    number: parseFloat(row.querySelector(".hm-number").textContent.replace("−", "-")),
    left: parseFloat(row.querySelector(".hm-fill").style.left) || 0,
    width: parseFloat(row.querySelector(".hm-fill").style.width),
  }));
  const seen = lane.querySelector(".hm-seen :is(canvas, path)");
  return {
    routing: rows("routing"),
    answer: rows("answer"),
    why: rows("why"),
    seen: seen.tagName === "CANVAS" ? seen.toDataURL() : seen.getAttribute("d"),
  };
})"""


@dataclass
class Bar:
    name: str
    note: str
    number: float  # the percentage, or the part of the logit, that is written
    left: float  # where the bar begins, in per cent of its track
    width: float  # and how long it is


@dataclass
class Lane:
    routing: list[Bar]
    answer: list[Bar]
    why: list[Bar]  # of each expert, and of their sum
    seen: str  # what the model sees: a picture as a data URL, or a curve as an SVG path


class Hand:
    """A person on an open page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        expect(self.results.locator(".hm-number").first).to_be_visible()

    def open_tab(self, name: str) -> None:
        """Waits for the answer to what its input holds."""
        self.page.get_by_role("tab", name=name).click()
        expect(self.page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        self.page.wait_for_function(
            "(tab) => hm.state.tab === tab && hm.payloads[tab] && !hm.isStale", arg=name.lower()
        )
        expect(self.results.locator(".hm-number").first).to_be_visible()

    @property
    def results(self) -> Locator:
        return self.page.locator(".hm-results >> visible=true")

    def part(self, name: str) -> Locator:
        """A part of the open tab's input, hidden or not."""
        return self.page.locator(".hm-stage >> visible=true").locator(f'[data-part="{name}"]')

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def see(self) -> list[Lane]:
        def bars(rows: list[dict[str, Any]]) -> list[Bar]:
            return [Bar(**row) for row in rows]

        lanes = self.results.evaluate(READ_RESULTS)
        return [Lane(bars(lane["routing"]), bars(lane["answer"]), bars(lane["why"]), lane["seen"]) for lane in lanes]

    def wait_until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        for _ in range(int(seconds / 0.05)):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("the page did not get there")

    @contextmanager
    def expecting_change(self) -> Iterator[None]:
        """What is done inside must change what is shown."""
        before = self.see()
        yield
        self.wait_until(lambda: self.see() != before)

    def give(self, name: str, content: bytes) -> None:
        """Chooses a file in the open tab's file dialogue."""
        self.part("file").set_input_files({"name": name, "mimeType": "", "buffer": content})

    def choose_family(self, name: str) -> None:
        """Waits for the family's own answer."""
        self.page.get_by_role("radio", name=name).check(force=True)
        expect(self.page.locator("html")).not_to_have_class(re.compile("hm-outdated"))

    def choose_configuration(self, name: str) -> None:
        self.page.get_by_role("radio", name=name).check(force=True)

    def expect_sentence(self, words: str) -> None:
        """A sentence stands in place of the results, and no error pops up."""
        expect(self.results.locator(".hm-message")).to_contain_text(words)
        expect(self.results.locator(".hm-lane").first).to_be_hidden()
        assert self.page.locator(".toast-wrap").inner_text() == ""

    def pad(self) -> bytes:
        """What is drawn on the pad, as a PNG."""
        return base64.b64decode(self.part("pad").evaluate("(pad) => pad.toDataURL()").partition(",")[2])

    def pen(self, *points: tuple[float, float]) -> None:
        """Moves the pen to points of the pad; (0, 0) is its upper left corner and (1, 1) the lower right one."""
        box = self.part("pad").bounding_box()
        assert box is not None
        for x, y in points:
            self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def draw_a_one(self) -> None:
        """A stroke down the middle of the pad, in the digit tab."""
        self.open_tab("Digit")
        with self.expecting_change():
            self.pen((0.5, 0.2))
            self.page.mouse.down()
            self.pen((0.5, 0.8))
            self.page.mouse.up()
