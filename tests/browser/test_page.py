"""The page, used as a person uses it."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from hetmoe.demo.overload import DISK_FULL
from hetmoe.encoding import encode_digit, encode_picture
from tests.browser.hand import Bar, Hand, Lane
from tests.media import png, wav

FOUR = ["Spatial", "Temporal", "Spectral", "Relational"]
PICTURES = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
WORDS = {"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"}
DIGITS = set("0123456789")
LABELS = {"Picture": PICTURES, "Sound": WORDS, "Digit": DIGITS}
SEVEN = [(0.3 + 0.02 * i, 0.25) for i in range(20)] + [(0.7 - 0.01 * i, 0.25 + 0.025 * i) for i in range(23)]


def pixels(seen: str) -> np.ndarray:
    """What the model sees, from its data URL → (32, 32, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(seen.partition(",")[2]))).convert("RGB"))


def assert_is_answer(lane: Lane, experts: list[str], labels: set[str]) -> None:
    def agree(bars: list[Bar]) -> bool:
        return all(abs(bar.number - bar.width) <= 0.51 for bar in bars)

    assert [bar.name for bar in lane.routing] == experts
    assert abs(sum(bar.width for bar in lane.routing) - 100) < 0.1
    assert agree(lane.routing)
    names = [bar.name for bar in lane.answer]
    assert len(names) == len(set(names)) == (3 if labels == WORDS else 5)
    assert set(names) <= labels
    assert [bar.width for bar in lane.answer] == sorted((bar.width for bar in lane.answer), reverse=True)
    assert agree(lane.answer)
    assert [bar.name for bar in lane.why] == [*experts, "Sum"]
    *parts, total = lane.why
    assert {part.note.split(" ")[0] for part in parts} <= labels  # what each alone would say
    assert abs(sum(part.number for part in parts) - total.number) <= 0.3  # each is rounded to a tenth


def test_opens_with_an_example_classified_in_every_tab(hand: Hand) -> None:
    expect(hand.page.get_by_role("heading", level=1)).to_contain_text("HetMoE")
    for tab, n_lanes in (("Picture", 1), ("Sound", 2), ("Digit", 1)):
        hand.open_tab(tab)
        lanes = hand.see()
        assert len(lanes) == n_lanes
        for lane in lanes:
            assert_is_answer(lane, FOUR, LABELS[tab])


@pytest.mark.parametrize("tab", LABELS)
def test_an_example_takes_one_click_or_key(hand: Hand, tab: str) -> None:
    hand.open_tab(tab)
    examples = hand.page.locator(".hm-example >> visible=true")
    assert examples.count() >= 4
    expect(examples.first).to_have_attribute("aria-pressed", "true")
    with hand.expecting_change():
        examples.nth(2).click()
    expect(examples.nth(2)).to_have_attribute("aria-pressed", "true")
    with hand.expecting_change():
        examples.nth(1).press("Enter")
    for lane in hand.see():
        assert_is_answer(lane, FOUR, LABELS[tab])


def test_the_configuration_answers_anew_at_once(hand: Hand) -> None:
    seen = hand.see()[0].seen
    for name, experts in (
        ("Homogeneous", ["FFN 1", "FFN 2", "FFN 3", "FFN 4"]),
        ("Hybrid", ["FFN", "Spatial", "Temporal", "Spectral"]),
        ("Heterogeneous", FOUR),
    ):
        with hand.expecting_change():
            hand.choose_configuration(name)
        lane = hand.see()[0]
        assert_is_answer(lane, experts, PICTURES)
        assert lane.seen == seen
    hand.choose_configuration("Hybrid")
    hand.open_tab("Sound")
    hand.wait_until(lambda: hand.see()[0].routing[0].name == "FFN")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_an_uploaded_picture_reaches_the_model_as_it_is(hand: Hand, mode: str) -> None:
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    if mode == "RGBA":  # black, from transparent to opaque
        image = Image.merge("RGBA", [Image.new("L", (64, 48))] * 3 + [Image.fromarray(grey)])
    elif mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert(mode)
    with hand.expecting_change():
        hand.give("picture.png", png(image))
    lane = hand.see()[0]
    assert_is_answer(lane, FOUR, PICTURES)
    expected = np.rint(encode_picture(image).reshape(32, 32) * 255)
    assert np.abs(pixels(lane.seen)[..., 0] - expected).max() <= 1
    expect(hand.part("preview")).to_be_visible()


def test_a_picture_can_be_pasted_and_taken(hand: Hand) -> None:
    paste = """(data) => {
      const clipboardData = new DataTransfer();
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    }"""
    with hand.expecting_change():
        hand.page.evaluate(paste, base64.b64encode(png(Image.radial_gradient("L"))).decode())
    hand.button("Webcam").click()
    expect(hand.part("camera")).to_be_visible()
    with hand.expecting_change():
        hand.button("Take it").click()
    expect(hand.part("camera")).to_be_hidden()


def test_bars_move_during_the_stroke_and_end_on_the_last_state(hand: Hand) -> None:
    hand.open_tab("Digit")
    hand.button("Clear").click()
    hand.expect_sentence("Draw a digit")
    hand.page.evaluate("window.nodes = [...document.querySelectorAll('.hm-results *')]")
    hand.pen(SEVEN[0])
    hand.page.mouse.down()
    widths = set()
    for point in SEVEN:
        hand.pen(point)
        hand.page.wait_for_timeout(20)
        widths.add(tuple(bar.width for lane in hand.see() for bar in lane.answer))
    assert len(widths) >= 5  # while the pen is down
    hand.page.mouse.up()

    distances = encode_digit(Image.open(io.BytesIO(hand.pad())), "frontier").reshape(32, 32)
    brightness = np.argsort(distances, axis=None, kind="stable")

    def shows_last_state() -> bool:  # the farther apart two rows or columns are, the brighter
        return bool((np.diff(pixels(hand.see()[0].seen).sum(axis=2).ravel()[brightness].astype(int)) >= -2).all())

    hand.wait_until(shows_last_state)
    assert_is_answer(hand.see()[0], FOUR, DIGITS)
    assert hand.page.evaluate("window.nodes.every((node) => node.isConnected)")


def test_a_drawing_takes_the_place_of_an_example(hand: Hand) -> None:
    hand.open_tab("Digit")
    with hand.expecting_change():
        hand.pen((0.9, 0.9))
        hand.page.mouse.down()
        hand.page.mouse.up()
    ink = np.asarray(Image.open(io.BytesIO(hand.pad())).convert("L")) > 128
    assert ink.any()
    assert not ink[: len(ink) // 2].any()


def test_an_example_that_comes_late_leaves_the_drawing_alone(hand: Hand) -> None:
    late: list[Route] = []
    hand.page.route("**/mnist-*.png", lambda route: late.append(route))
    hand.open_tab("Digit")
    hand.draw_a_one()
    drawing = hand.pad()
    assert late
    for route in late:
        route.fulfill(response=route.fetch())
    hand.page.wait_for_timeout(300)
    assert hand.pad() == drawing


def test_a_finger_draws(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True)
    hand.open_tab("Digit")
    hand.button("Clear").tap()
    hand.expect_sentence("Draw a digit")
    with hand.expecting_change():
        hand.part("pad").tap(position={"x": 100, "y": 100})
    assert Image.open(io.BytesIO(hand.pad())).convert("L").getextrema() == (0, 255)
    assert_is_answer(hand.see()[0], FOUR, DIGITS)


def test_speaks_into_the_microphone(hand: Hand) -> None:
    hand.open_tab("Sound")
    with hand.expecting_change():
        hand.button("Record").click()
        hand.page.wait_for_timeout(1500)
        hand.part("record").click()
    for lane in hand.see():
        assert_is_answer(lane, FOUR, WORDS)
    assert 1 < hand.part("player").evaluate("(player) => player.duration") < 3
    with hand.expecting_change():
        hand.page.locator(".hm-example >> visible=true").first.click()
    with hand.expecting_change():  # it stops by itself
        hand.button("Record").click()
        expect(hand.part("record")).to_have_text("Record", timeout=6000)


@pytest.mark.parametrize("tab", LABELS)
def test_a_bad_file_gets_a_sentence_and_the_page_lives_on(hand: Hand, tab: str) -> None:
    hand.open_tab(tab)
    for content in (b"", b"neither a picture nor a sound"):
        hand.give("broken.png" if tab != "Sound" else "broken.wav", content)
        hand.expect_sentence("file")
        with hand.expecting_change():
            hand.page.locator(".hm-example >> visible=true").nth(1).click()
        expect(hand.results.locator(".hm-message")).to_be_empty()
    hand.button("Clear").click()
    hand.expect_sentence("choose an example")


def test_what_the_server_says_of_an_upload_is_said(browser: Browser, app_url: str) -> None:
    """In a page of its own, for the browser's console says it, too."""
    page = browser.new_page()
    page.goto(app_url)
    hand = Hand(page)
    page.route("**/upload*", lambda route: route.fulfill(status=507, json={"detail": DISK_FULL}))
    hand.give("picture.png", b"anything")
    expect(hand.results.locator(".hm-message")).to_have_text(DISK_FULL)
    page.close()


def test_silence_and_half_an_hour_get_a_sentence(hand: Hand) -> None:
    hand.open_tab("Sound")
    hand.give("silence.wav", wav(np.zeros(16_000), 16_000))
    hand.expect_sentence("silent")
    hand.give("long.wav", wav(np.zeros(30 * 60 * 1000), 1000))
    hand.expect_sentence("longer than")


def test_follows_the_systems_theme(open_page: Callable[..., Hand]) -> None:
    def brightness(hand: Hand, node: str, rule: str) -> float:
        colour = hand.page.locator(node).first.evaluate(f"(node) => getComputedStyle(node).{rule}")
        return float(np.mean([int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]))

    for theme, is_dark in (("light", False), ("dark", True)):
        hand = open_page(color_scheme=theme)
        hand.page.wait_for_timeout(300)
        assert (brightness(hand, "body", "backgroundColor") < 60) == is_dark
        assert (brightness(hand, ".hm-number", "color") > 200) == is_dark


def test_fits_a_phone(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740})
    for tab in LABELS:
        hand.open_tab(tab)
        assert hand.page.evaluate("document.documentElement.scrollWidth") == 375
        for text in hand.results.locator(".hm-number, .hm-name").all():
            box = text.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 375


@pytest.mark.parametrize("width", [375, 1280])
def test_the_longest_numbers_have_room(open_page: Callable[..., Hand], width: int) -> None:
    hand = open_page(viewport={"width": width, "height": 800})
    for tab in LABELS:
        hand.open_tab(tab)
        for number in hand.results.locator(".hm-number").all():
            room = """(node) => {
              node.textContent = node.closest(".hm-why") ? "−99.9" : "100\u202f%";
              return node.clientWidth - node.scrollWidth;
            }"""
            assert number.evaluate(room) >= 0


def test_obeys_reduced_motion(open_page: Callable[..., Hand]) -> None:
    hand = open_page(reduced_motion="reduce")
    transition = hand.page.locator(".hm-fill").first.evaluate("(bar) => getComputedStyle(bar).transitionDuration")
    assert transition == "0s"
