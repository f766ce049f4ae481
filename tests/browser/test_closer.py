"""Looking closer: what each expert answered to, drawn over the input, and what is inside it."""

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Request, expect

from tests.browser.hand import Hand

FOUR = ["Spatial", "Temporal", "Spectral", "Relational"]
BLANK = "(canvas) => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"


def panel(hand: Hand) -> Locator:
    return hand.page.locator(".hm-closer")


def look(hand: Hand) -> None:
    """Scrolls to the panel and waits for its drawing."""
    panel(hand).scroll_into_view_if_needed()
    settle(hand)


def settle(hand: Hand) -> None:
    expect(panel(hand)).to_have_attribute("aria-busy", "false", timeout=20_000)


def pictures(hand: Hand) -> list[str]:
    """The picture of the input on each card."""
    return (
        panel(hand)
        .locator(".hm-closer-card")
        .evaluate_all("(cards) => cards.map((card) => card.querySelector('canvas').toDataURL())")
    )


def names(hand: Hand) -> list[str]:
    return panel(hand).locator(".hm-closer-card .hm-name").all_inner_texts()


def questions(hand: Hand) -> list[dict[str, Any]]:
    """The questions that the page will send from now on."""
    asked: list[dict[str, Any]] = []

    def on_request(request: Request) -> None:
        if request.url.endswith("/component_server") or request.url.endswith("/component_server/"):
            asked.append(json.loads(request.post_data or "")["data"])

    hand.page.on("request", on_request)
    return asked


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_four_pictures_appear_in_words_and_numbers_too(hand: Hand) -> None:
    look(hand)
    assert names(hand) == FOUR
    assert len(set(pictures(hand))) == 4
    label = hand.see()[0].answer[0].name
    expect(panel(hand).locator(".hm-closer-legend")).to_contain_text(f"speaks for {label}")
    for canvas in panel(hand).locator("canvas").all():
        expect(canvas).to_be_visible()
        assert not canvas.evaluate(BLANK)
    for name in FOUR:
        expect(panel(hand).get_by_role("img", name=f"What {name} answered to in the picture.")).to_be_visible()
        expect(panel(hand).get_by_role("img", name=f"Inside {name}.")).to_be_visible()
    panel(hand).get_by_text("The same in numbers").click()
    rows = panel(hand).locator("tbody tr").all()
    assert len(rows) == 4
    for name, row, shown in zip(FOUR, rows, panel(hand).locator(".hm-number").all(), strict=True):
        gain, loss, total, where = row.locator("td").all_inner_texts()
        assert row.locator("th").inner_text() == name
        assert abs(number(gain) + number(loss) - number(total)) < 0.11  # each is rounded to a tenth
        assert total == shown.inner_text()
        assert where.startswith("row ")


def test_they_change_with_the_class_and_the_configuration_and_keep_their_nodes(hand: Hand) -> None:
    look(hand)
    hand.page.evaluate("window.nodes = [...document.querySelectorAll('.hm-closer :not(svg, svg *)')]")
    first = pictures(hand)
    asked = questions(hand)
    second = hand.see()[0].answer[1].name
    hand.results.locator(".hm-answer button.hm-bar").nth(1).click()
    look(hand)
    expect(panel(hand).locator(".hm-closer-legend")).to_contain_text(f"speaks for {second}")
    assert not set(pictures(hand)) & set(first)
    hand.choose_configuration("Homogeneous")
    look(hand)
    assert names(hand) == ["FFN 1", "FFN 2", "FFN 3", "FFN 4"]
    expect(panel(hand).get_by_text("A plain network")).to_have_count(4)
    hand.choose_configuration("Heterogeneous")
    look(hand)
    assert pictures(hand) == first  # once more the likeliest class, from memory
    assert [q["configuration"] for q in asked] == ["heterogeneous", "homogeneous"]
    assert asked[0]["label"] == second
    assert hand.page.evaluate("nodes.every((node) => node.isConnected)")
    assert hand.page.evaluate("document.querySelectorAll('.hm-closer :not(svg, svg *)').length === nodes.length")


def test_a_what_if_asks_nothing(hand: Hand) -> None:
    look(hand)
    before, asked = pictures(hand), questions(hand)
    hand.results.locator(".hm-answer button.hm-bar").first.click()  # the class stays, whatever the mixture says
    hand.button("Mute Spatial").click()
    hand.button("equal").click()
    hand.page.wait_for_timeout(500)
    assert pictures(hand) == before
    assert asked == []


def test_both_views_of_a_sound_can_be_looked_at(open_page: Callable[..., Hand]) -> None:
    hand = open_page("?family=replica")
    hand.open_tab("Sound")
    look(hand)
    waveform = pictures(hand)
    expect(hand.button("Waveform")).to_have_attribute("aria-pressed", "true")
    expect(panel(hand).locator("[data-expert=spectral]").get_by_text("512 Hz")).to_be_visible()
    hand.button("Spectrum").press("Enter")
    settle(hand)
    expect(hand.button("Spectrum")).to_have_attribute("aria-pressed", "true")
    assert not set(pictures(hand)) & set(waveform)
    expect(panel(hand).locator("[data-expert=spectral]").get_by_text("8 kHz wide")).to_be_visible()
    hand.open_tab("Picture")
    look(hand)
    expect(hand.button("Spectrum")).to_be_hidden()


def test_the_frontiers_spectrogram_is_a_grid_and_so_are_its_filters(hand: Hand) -> None:
    hand.open_tab("Sound")
    look(hand)
    asked = questions(hand)
    hand.button("Spectrogram").press("Enter")
    settle(hand)
    assert [q["family"] for q in asked] == ["frontier"]
    card = panel(hand).locator("[data-expert=spectral]")
    expect(card.get_by_role("img", name="in the spectrogram")).to_be_visible()
    expect(card).to_contain_text(
        "On the spectrogram, time to the right: which ripples its 8 learned filters let through"
    )
    expect(card.locator(".hm-closer-axis")).to_be_hidden()
    assert card.locator("canvas").evaluate_all("(canvases) => canvases.map(({ height }) => height)") == [512, 248]
    panel(hand).get_by_text("The same in numbers").click()
    for row in panel(hand).locator("tbody tr").all():
        assert re.fullmatch(r"\d\.\d\d s, \d\.\d\d kHz", row.locator("td").last.inner_text())


def test_a_stroke_asks_nothing_until_the_pen_is_lifted(hand: Hand) -> None:
    hand.page.set_viewport_size({"width": 1280, "height": 2000})  # so that the panel is in sight
    hand.open_tab("Digit")
    settle(hand)
    before, asked = pictures(hand), questions(hand)
    hand.pen((0.3, 0.2))
    hand.page.mouse.down()
    hand.pen((0.7, 0.2), (0.4, 0.8))
    hand.page.wait_for_timeout(600)  # it rests, but is still down
    assert asked == []
    expect(panel(hand)).to_have_attribute("aria-busy", "true")
    assert pictures(hand) == before
    hand.page.mouse.up()
    settle(hand)
    assert len(asked) == 1
    assert pictures(hand) != before


def test_far_from_sight_nothing_is_asked_and_without_an_input_there_is_no_panel(hand: Hand) -> None:
    hand.page.set_viewport_size({"width": 1280, "height": 300})
    asked = questions(hand)
    hand.page.reload()
    hand.open_tab("Digit")
    hand.page.wait_for_timeout(500)
    assert asked == []
    hand.button("Clear").click()
    hand.expect_sentence("Draw a digit")
    expect(panel(hand)).to_be_hidden()


def test_nonsense_gets_a_sentence_and_the_drawing_stays(hand: Hand) -> None:
    look(hand)
    before = pictures(hand)
    hand.page.evaluate("hm.payload.inputs[0].encoding = ['nonsense']; hm.tell()")
    expect(panel(hand).get_by_role("status")).to_contain_text("1024 numbers")
    assert pictures(hand) == before
    with hand.expecting_change():
        hand.page.locator(".hm-example >> visible=true").nth(1).click()
    look(hand)
    expect(panel(hand).get_by_role("status")).to_be_hidden()
    assert pictures(hand) != before


def test_on_a_phone_two_stand_beside_each_other_and_nothing_scrolls_sideways(hand: Hand) -> None:
    def columns() -> int:
        boxes = [card.bounding_box() for card in panel(hand).locator(".hm-closer-card").all()]
        return len({box["x"] for box in boxes if box})

    look(hand)
    assert columns() == 4
    hand.page.set_viewport_size({"width": 375, "height": 700})
    look(hand)
    assert columns() == 2
    assert hand.page.evaluate("document.documentElement.scrollWidth") == 375
