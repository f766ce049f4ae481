"""Frontier and replica: which answers, what it is given, and how one turns from one to the other."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Request, expect

from hetmoe.checkpoint import load_checkpoint
from hetmoe.demo.sources import examples
from hetmoe.encoding import FAMILIES, Family, encode_recording, open_recording
from hetmoe.inference import Predictor, default_checkpoint
from tests.browser.hand import Hand
from tests.browser.test_page import pixels
from tests.media import png

FOUR = ["Spatial", "Temporal", "Spectral", "Relational"]


def is_chosen(hand: Hand, name: str) -> None:
    expect(hand.page.get_by_role("radio", name=name)).to_be_checked()


def runs(hand: Hand) -> list[str]:
    """The inputs that the page will submit from now on."""
    submitted: list[str] = []

    def on_request(request: Request) -> None:
        if "/gradio_api/run/" in request.url:
            submitted.append(request.post_data or "")

    hand.page.on("request", on_request)
    return submitted


def test_opens_with_frontier_and_the_replica_is_one_click_away(hand: Hand) -> None:
    hand.open_tab("Digit")
    turns: tuple[Family, ...] = ("frontier", "replica", "frontier")
    for family in turns:
        if family == "replica":
            with hand.expecting_change():
                hand.choose_family("Replica")
        elif hand.page.evaluate("hm.state.family") != family:
            hand.choose_family("Frontier")
        is_chosen(hand, family.capitalize())
        predictor = Predictor.load(default_checkpoint("heterogeneous", family), "cpu")
        prediction = predictor.digit(next(iter(examples("digit").values())))
        (lane,) = hand.see()
        assert [bar.name for bar in lane.routing] == FOUR
        assert [bar.width for bar in lane.routing] == pytest.approx(100 * prediction.routing_weights, abs=0.01)
        assert lane.answer[0].name == prediction.top(1)[0][0]


def test_a_line_says_what_differs_and_nothing_moves(hand: Hand) -> None:
    line = hand.page.locator(".hm-family")
    parts = (".hm-tools", ".tab-wrapper", ".hm-results >> visible=true", ".hm-why >> visible=true")

    def boxes() -> list[object]:
        return [hand.page.locator(part).first.bounding_box() for part in parts]

    for tab in ("Picture", "Sound", "Digit"):
        hand.open_tab(tab)
        before = boxes()
        hand.choose_family("Replica")
        expect(line).to_contain_text("Replica: the paper’s encodings and training.")
        assert boxes() == before, tab
        hand.choose_family("Frontier")
        expect(line).to_contain_text("Frontier: our own encodings and training.")
        assert boxes() == before, tab
    hand.choose_configuration("Hybrid")
    accuracies = [load_checkpoint(default_checkpoint("hybrid", f)).metrics["test/all/accuracy"] for f in FAMILIES]
    here, there = (f"{100 * accuracy:.1f}\u202f%" for accuracy in accuracies)
    expect(line).to_contain_text(f"Hybrid: {here} test accuracy, as replica {there}.")
    box, tabs = line.bounding_box(), hand.page.get_by_role("tab", name="Evidence").bounding_box()
    assert box and tabs and box["x"] > tabs["x"] + tabs["width"]


def test_fits_a_phone(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740})
    for family in ("Replica", "Frontier"):
        hand.choose_family(family)
        expect(hand.page.locator(".hm-family")).to_be_visible()
        assert hand.page.evaluate("document.documentElement.scrollWidth") == 375


def test_keeps_the_input_and_frees_the_experts(hand: Hand) -> None:
    with hand.expecting_change():
        hand.give("mine.png", png(Image.radial_gradient("L")))
    preview = hand.part("preview").get_attribute("src")
    seen = hand.see()[0].seen
    hand.button("Mute Spatial").click()
    hand.results.locator(".hm-answer button").nth(1).click()
    hand.choose_family("Replica")
    assert hand.part("preview").get_attribute("src") == preview
    assert hand.see()[0].seen == seen  # a picture is the same 1024 numbers to both
    assert hand.page.evaluate("hm.isUntouched && !Object.keys(hm.state.chosen).length")


def test_the_address_holds_it(open_page: Callable[..., Hand]) -> None:
    sender = open_page("?tab=digit")
    sender.choose_family("Replica")
    sender.wait_until(lambda: sender.page.evaluate("location.search") == "?tab=digit&family=replica")
    receiver = open_page("?tab=digit&family=replica")
    is_chosen(receiver, "Replica")
    receiver.wait_until(lambda: receiver.see() == sender.see())
    receiver.choose_family("Frontier")
    receiver.wait_until(lambda: receiver.page.evaluate("location.search") == "?tab=digit")


def test_only_the_tab_that_is_open_asks(hand: Hand) -> None:
    hand.open_tab("Digit")
    submitted = runs(hand)
    hand.choose_family("Replica")
    assert len(submitted) == 1 and '"family":"replica"' in submitted[0]
    hand.open_tab("Picture")
    hand.wait_until(lambda: len(submitted) == 2)
    expect(hand.page.locator("html")).not_to_have_class(re.compile("hm-outdated"))
    assert hand.page.evaluate("Object.values(hm.payloads).map(({ asked }) => asked.family)") == ["replica"] * 2
    hand.open_tab("Digit")
    hand.page.wait_for_timeout(300)
    assert len(submitted) == 2


def test_a_late_answer_of_the_other_family_is_not_shown(hand: Hand) -> None:
    hand.open_tab("Digit")
    hand.page.evaluate("window.late = hm.payloads.digit")
    hand.choose_family("Replica")
    shown = hand.see()
    hand.page.evaluate("hm.receive('digit', window.late)")
    assert hand.see() == shown
    assert hand.page.evaluate("hm.payloads.digit.asked.family") == "replica"


def test_until_its_own_answer_is_there_the_old_one_is_dimmed(hand: Hand) -> None:
    hand.open_tab("Digit")
    before = hand.see()
    hand.page.route("**/gradio_api/run/**", lambda route: None)  # no answer comes
    hand.page.get_by_role("radio", name="Replica").check(force=True)
    expect(hand.page.locator("html")).to_have_class(re.compile("hm-outdated"))
    expect(hand.results).to_have_css("opacity", "0.4")
    hand.button("equal").click()
    assert hand.see() == before
    hand.page.get_by_role("radio", name="Frontier").check(force=True)
    expect(hand.results).to_have_css("opacity", "1")


def test_the_spectrogram_has_time_to_the_right_and_low_frequencies_below(hand: Hand) -> None:
    hand.open_tab("Sound")
    samples, rate = open_recording(next(iter(examples("sound").values())))
    moments = encode_recording(samples, rate, "frontier")["spectral"].reshape(32, 32)
    upright = moments.T[::-1]  # rows from high to low, columns from early to late
    order = np.argsort(upright, axis=None, kind="stable")
    drawn = pixels(hand.see()[1].seen).sum(axis=2).ravel()[order].astype(int)
    assert (np.diff(drawn) >= -2).all() and drawn[-1] - drawn[0] > 300
    picture = hand.results.get_by_role("img", name="The spectrogram that the model sees")
    expect(picture).to_have_accessible_name(re.compile("time to the right, low frequencies below"))
    expect(hand.results.get_by_text("1 s →, 60 Hz to 7.6 kHz ↑")).to_be_visible()
    hand.choose_family("Replica")
    expect(hand.results.get_by_text("0 to 8 kHz, 1024 bins")).to_be_visible()
    assert hand.see()[1].seen.startswith("M0 100L")
    hand.choose_family("Frontier")
    expect(picture).to_be_visible()


@pytest.mark.parametrize(
    ("family", "words"), [("frontier", "loudest half second"), ("replica", "The recording as 1024")]
)
def test_what_is_said_of_the_input_is_the_familys(open_page: Callable[..., Hand], family: Family, words: str) -> None:
    hand = open_page(f"?tab=sound&family={family}")
    hand.open_tab("Sound")
    hand.results.locator(".hm-sees .hm-about").first.click()
    expect(hand.results.locator(".hm-sees .hm-quiet").first).to_contain_text(words)
