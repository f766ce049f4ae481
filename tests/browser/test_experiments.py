"""The panel "Try this": ready-made experiments, and two inputs side by side."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from tests.browser.hand import Hand

# One column's cell: a group named "As it is: the distances", say.
READ_SIDE = """(side) => ({
  answer: side.querySelector(".hm-said .hm-name").textContent,
  names: [...side.querySelectorAll(".hm-bar .hm-name")].map((name) => name.textContent),
  numbers: [...side.querySelectorAll(".hm-bar .hm-number")].map((number) => parseInt(number.textContent)),
  widths: [...side.querySelectorAll(".hm-bar .hm-fill")].map((fill) => parseFloat(fill.style.width)),
  pictures: [...side.querySelectorAll("img, canvas, path")].map(
    (node) => node.src ?? node.getAttribute("d") ?? node.toDataURL(),
  ),
})"""


@dataclass
class Side:
    answer: str
    names: list[str]
    numbers: list[int]  # the percentages that are written
    widths: list[float]  # and those that are drawn
    pictures: list[str]  # of the input and of what the model sees


def panel(hand: Hand) -> Locator:
    return hand.page.locator(".hm-experiments")


def press(hand: Hand, name: str) -> None:
    panel(hand).get_by_role("button", name=name, exact=True).click()


def sides(hand: Hand, lane: int = 0, names: tuple[str, str] = ("As it is", "Changed")) -> tuple[Side, Side]:
    """The two columns of a lane, as a person reads them."""
    left, right = (panel(hand).get_by_role("group", name=f"{name}: ").nth(lane) for name in names)
    expect(right).to_be_visible()
    return Side(**left.evaluate(READ_SIDE)), Side(**right.evaluate(READ_SIDE))


def change(hand: Hand, lane: int = 0) -> Locator:
    """The change in words."""
    return panel(hand).locator(".hm-change >> visible=true").nth(lane)


def strength(hand: Hand) -> Locator:
    return panel(hand).get_by_role("slider")


def test_before_anything_is_chosen_there_are_buttons_and_one_line(hand: Hand) -> None:
    for tab, known in (("Picture", "shuffle pixels"), ("Sound", "hush"), ("Digit", "shuffle columns")):
        hand.open_tab(tab)
        expect(panel(hand).get_by_role("button", name=known)).to_have_attribute("aria-pressed", "false")
        expect(panel(hand).locator("p >> visible=true").first).to_contain_text("keep it and choose another")
        expect(panel(hand).get_by_role("button", name="mirror")).to_have_count(0 if tab == "Sound" else 1)
        expect(strength(hand)).to_have_count(0)
        box = panel(hand).bounding_box()
        assert box is not None and box["height"] < 180
    hand.page.get_by_role("tab", name="Evidence").click()
    expect(panel(hand)).to_be_hidden()


@pytest.fixture
def replica(open_page: Callable[..., Hand]) -> Hand:
    return open_page("?family=replica")


def test_a_digit_and_its_mirror_image_are_the_same_1024_numbers_to_the_replica(replica: Hand) -> None:
    hand = replica
    hand.open_tab("Digit")
    before = hand.see()
    press(hand, "mirror")
    expect(panel(hand).get_by_text("no expert can tell")).to_be_visible()
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")
    left, right = sides(hand)
    assert left.pictures[0] != right.pictures[0]  # the digits
    assert left.pictures[1] == right.pictures[1]  # what the model sees of them
    assert (left.answer, left.numbers) == (right.answer, right.numbers)
    assert hand.see() == before  # the results stay those of the input
    press(hand, "mirror")
    expect(change(hand)).to_have_count(0)


def test_the_sentence_is_true_of_the_family(hand: Hand) -> None:
    hand.open_tab("Digit")
    press(hand, "mirror")
    expect(panel(hand).get_by_text("The rows’ distances stay")).to_be_visible()
    expect(change(hand)).to_contain_text("→")
    press(hand, "negative")
    expect(panel(hand).get_by_text("no expert can tell")).to_be_visible()
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")
    press(hand, "mirror")
    expect(change(hand)).to_contain_text("→")
    hand.choose_family("Replica")  # the experiment stays
    expect(panel(hand).get_by_text("no expert can tell")).to_be_visible()
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")


def test_an_input_of_the_other_family_is_let_go(hand: Hand) -> None:
    press(hand, "Keep this one")
    sides(hand, names=("Kept", "Now"))
    hand.choose_family("Replica")
    expect(change(hand)).to_have_count(0)
    expect(panel(hand).get_by_role("button", name="Keep this one")).to_be_visible()


def test_upside_down_a_picture_is_routed_otherwise(replica: Hand) -> None:
    hand = replica
    press(hand, "upside-down")
    expect(change(hand)).to_have_text(re.compile(r"^\w+ \d+\u202f% → \d+\u202f%; (\w+ → \w+|still \w+, .*)\.$"))
    left, right = sides(hand)
    shown = hand.see()[0]
    assert left.names == right.names == [bar.name for bar in shown.routing]
    assert left.numbers == [bar.number for bar in shown.routing] and left.answer == shown.answer[0].name
    assert left.numbers != right.numbers
    name, was, is_ = re.match(r"(\w+) (\d+)\u202f% → (\d+)", change(hand).inner_text()).groups()  # type: ignore[union-attr]
    moved = left.names.index(name)
    assert (left.numbers[moved], right.numbers[moved]) == (int(was), int(is_))
    moves = [abs(a - b) for a, b in zip(left.widths, right.widths, strict=True)]
    assert moves[moved] == max(moves)


def test_the_noise_slider_moves_the_bars_while_it_is_dragged(replica: Hand) -> None:
    hand = replica
    press(hand, "add noise")
    as_it_is, _ = sides(hand)
    hand.page.evaluate("window.nodes = [...document.querySelectorAll('.hm-experiments *')]")
    strength(hand).scroll_into_view_if_needed()
    box = strength(hand).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    hand.page.mouse.move(box["x"] + 0.2 * box["width"], y)
    hand.page.mouse.down()
    widths = set()
    for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        hand.page.mouse.move(box["x"] + share * box["width"], y)
        hand.page.wait_for_timeout(80)
        widths.add(tuple(sides(hand)[1].widths))
    assert len(widths) >= 4  # before it is let go
    hand.page.mouse.up()
    assert sides(hand)[0] == as_it_is
    assert hand.page.evaluate("window.nodes.every((node) => node.isConnected)")
    strength(hand).press("Home")  # no noise, by the keyboard
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")


def test_a_reversed_word_keeps_its_spectrum_to_the_replica_and_can_be_played(replica: Hand) -> None:
    hand = replica
    hand.open_tab("Sound")
    press(hand, "reverse")
    expect(change(hand, 1)).to_have_text("The spectrum: All 1024 numbers are the same.")
    expect(change(hand, 0)).to_contain_text("The waveform: ")
    expect(change(hand, 0)).to_contain_text("→")
    waveform, backwards = sides(hand, 0)
    assert waveform.pictures != backwards.pictures
    spectrum, same = sides(hand, 1)
    assert spectrum == same
    hand.page.evaluate(
        "() => { window.played = []; const { play } = Audio.prototype;"
        " Audio.prototype.play = function () { played.push(this.src); return play.call(this); }; }"
    )
    press(hand, "Play: As it is")
    press(hand, "Play: Changed")
    first, second = hand.page.evaluate("window.played")
    assert first.startswith("data:audio/wav") and second.startswith("data:audio/wav") and first != second


def test_a_drawing_carries_the_experiment(hand: Hand) -> None:
    hand.open_tab("Digit")
    press(hand, "upside-down")
    example, _ = sides(hand)
    hand.part("pad").scroll_into_view_if_needed()
    hand.pen((0.3, 0.2))
    hand.page.mouse.down()
    hand.pen((0.7, 0.2), (0.45, 0.8))
    hand.wait_until(lambda: sides(hand)[0].pictures[0] != example.pictures[0])  # the pen is still down
    drawn, turned = sides(hand)
    hand.page.mouse.up()
    assert drawn.pictures[0] != turned.pictures[0]
    ink = hand.pad()
    press(hand, "negative")
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")
    assert hand.pad() == ink  # the drawing stays on the pad
    assert sides(hand)[0].pictures[0] != example.pictures[0]


def test_two_inputs_side_by_side(hand: Hand) -> None:
    hand.open_tab("Digit")
    press(hand, "Keep this one")
    seven = hand.see()[0]
    kept = ("Kept", "Now")
    with hand.expecting_change():
        hand.page.locator(".hm-example >> visible=true").nth(1).click()
    expect(change(hand)).to_contain_text("7 → 2.")
    left, right = sides(hand, names=kept)
    assert left.pictures[0] != right.pictures[0] and left.pictures[1] != right.pictures[1]
    assert left.numbers == [bar.number for bar in seven.routing]
    assert right.numbers == [bar.number for bar in hand.see()[0].routing]
    hand.button("Mute Relational").click()  # a what-if is for both
    hand.wait_until(lambda: [side.numbers[3] for side in sides(hand, names=kept)] == [0, 0])
    hand.button("Mute Relational").click()
    hand.choose_configuration("Homogeneous")
    hand.wait_until(
        lambda: {tuple(side.names) for side in sides(hand, names=kept)} == {("FFN 1", "FFN 2", "FFN 3", "FFN 4")}
    )
    hand.open_tab("Picture")  # every kind has its own
    expect(change(hand)).to_have_count(0)
    hand.open_tab("Digit")
    expect(change(hand)).to_have_count(1)
    press(hand, "Let go")
    expect(change(hand)).to_have_count(0)


@pytest.mark.parametrize(
    "variation",
    [
        "{ picture: { name: 'melt', strength: 0.5 } }",
        "{ picture: { name: 'hush', strength: 0 } }",
        "{ picture: { name: 'noise', strength: 7 } }",
        "{ picture: { name: 'noise' } }",
        "{ picture: 'mirror' }",
    ],
)
def test_a_wrong_experiment_from_outside_is_a_sentence(hand: Hand, variation: str) -> None:
    before = hand.see()
    hand.page.evaluate(f"() => hm.set({{ variation: {variation} }})")
    expect(panel(hand).locator(".hm-problem")).to_have_text(
        "There is no such experiment for this input. Please choose another one."
    )
    assert hand.see() == before
    press(hand, "mirror")
    expect(change(hand)).to_contain_text("→")
    expect(panel(hand).locator(".hm-problem")).to_be_empty()


@pytest.mark.parametrize("variation", ["null", "'mirror'", "7", "[]"])
def test_no_experiments_at_all_from_outside(hand: Hand, variation: str) -> None:
    hand.page.evaluate(f"() => hm.set({{ variation: {variation} }})")
    press(hand, "mirror")
    expect(change(hand)).to_contain_text("→")


def test_nothing_left_is_a_sentence(hand: Hand) -> None:
    hand.open_tab("Digit")
    press(hand, "occlude")
    expect(change(hand)).to_have_count(1)
    strength(hand).press("End")
    expect(panel(hand).locator(".hm-problem")).to_have_text("Nothing is left of this digit. Please change it less.")
    strength(hand).press("Home")
    expect(change(hand)).to_have_text("All 1024 numbers are the same.")


def test_fits_a_phone(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740})
    for tab in ("Picture", "Sound", "Digit"):
        hand.open_tab(tab)
        press(hand, "add noise")
        sides(hand)
        assert hand.page.evaluate("document.documentElement.scrollWidth") == 375
        for text in panel(hand).locator(".hm-number, .hm-name, button").locator("visible=true").all():
            assert text.evaluate("(node) => node.scrollWidth <= node.clientWidth || node.clientWidth === 0")
            box = text.bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 375


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken_by_a_comparison(open_page: Callable[..., Hand], theme: str) -> None:
    hand = open_page(color_scheme=theme)
    for tab in ("Picture", "Sound", "Digit"):
        hand.open_tab(tab)
        press(hand, "add noise")
        sides(hand)
        result = Axe().run(hand.page, context=".hm-experiments").response
        assert len(result["passes"]) > 10  # it has looked
        assert [f"{v['id']}: {node['target']}" for v in result["violations"] for node in v["nodes"]] == [], tab


def test_an_experiment_whose_answer_does_not_come_is_not_put_under_another_ones_name(hand: Hand) -> None:
    press(hand, "mirror")
    before = sides(hand)
    sentence = panel(hand).locator('[data-part="sentence"]').inner_text()
    hand.page.route("**/gradio_api/run/**", lambda route: None)  # no answer comes
    press(hand, "negative")
    hand.page.wait_for_timeout(500)
    assert panel(hand).locator('[data-part="sentence"]').inner_text() == sentence
    assert sides(hand) == before
