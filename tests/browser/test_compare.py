"""The compare panel: three configurations on the same input, in one glance."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import expect

from hetmoe.checkpoint import load_checkpoint
from hetmoe.encoding import Family
from hetmoe.inference import default_checkpoint
from tests.browser.hand import Hand

CONFIGURATIONS = ("Heterogeneous", "Hybrid", "Homogeneous")
READ_COLUMNS = """() => [...document.querySelectorAll(".hm-column")].map((column) => {
  const said = (node, selector) => node.querySelector(selector).textContent;
  return {
    name: said(column, "button"),
    note: said(column, ".hm-column-note"),
    chosen: column.querySelector("button").getAttribute("aria-pressed") === "true",
    facts: Object.fromEntries(
      [...column.querySelectorAll("dl > :not([hidden])")].map((row) => [said(row, "dt"), said(row, "dd")]),
    ),
    lanes: [...column.querySelectorAll(".hm-column-lane")].filter((lane) => lane.checkVisibility()).map((lane) => ({
      label: said(lane, ".hm-column-label"),
      number: said(lane, ".hm-column-answer .hm-number"),
      truth: said(lane, ".hm-truth"),
      others: said(lane, ".hm-column-others"),
      routing: [...lane.querySelectorAll(".hm-bar")].map((bar) => [
        said(bar, ".hm-name"), parseFloat(bar.querySelector(".hm-fill").style.width),
      ]),
    })),
  };
})"""


@dataclass
class Lane:
    label: str
    number: str
    truth: str
    others: str
    routing: list[list[Any]]  # of [expert, width in per cent]


@dataclass
class Column:
    name: str
    note: str
    chosen: bool
    facts: dict[str, str]
    lanes: list[Lane]


def columns(hand: Hand) -> dict[str, Column]:
    read = hand.page.evaluate(READ_COLUMNS)
    return {c["name"]: Column(**c | {"lanes": [Lane(**lane) for lane in c["lanes"]]}) for c in read}


def choose_example(hand: Hand, name: str) -> None:
    with hand.expecting_change():
        hand.page.locator(f'.hm-example[data-name="{name}"]').click()


def test_three_answer_the_same_input_and_one_of_them_is_wrong(open_page: Callable[..., Hand]) -> None:
    hand = open_page("?family=replica")
    expect(hand.page.get_by_role("heading", name="Compare")).to_be_visible()
    seen = columns(hand)
    assert tuple(seen) == CONFIGURATIONS
    assert {name: (c.lanes[0].label, c.lanes[0].truth) for name, c in seen.items()} == {
        "Heterogeneous": ("horse", "✓ right"),
        "Hybrid": ("horse", "✓ right"),
        "Homogeneous": ("deer", "✗ wrong"),
    }
    assert [c.chosen for c in seen.values()] == [True, False, False]
    for column in seen.values():
        assert abs(sum(width for _, width in column.lanes[0].routing) - 100) < 0.1
        assert re.fullmatch(r"then \w+ \(\d+\s%\), \w+ \(\d+\s%\)", column.lanes[0].others)
    choose_example(hand, "bird")
    assert {c.lanes[0].truth for c in columns(hand).values()} == {"✗ wrong"}


def test_the_page_shows_what_the_chosen_column_says(hand: Hand) -> None:
    for name in CONFIGURATIONS:
        hand.choose_configuration(name)
        column, page = columns(hand)[name], hand.see()[0]
        assert column.chosen
        assert (column.lanes[0].label, column.note) == (page.answer[0].name, "on the page")
        assert column.lanes[0].routing == [[bar.name, bar.width] for bar in page.routing]


@pytest.mark.parametrize(("family", "spectral"), [("frontier", "… on spectrograms"), ("replica", "… on spectra")])
def test_its_numbers_are_the_checkpoints(hand: Hand, family: Family, spectral: str) -> None:
    hand.open_tab("Sound")
    hand.choose_family(family.capitalize())
    hand.wait_until(lambda: len(columns(hand)["Hybrid"].lanes) == 2)
    for name, column in columns(hand).items():
        metrics = load_checkpoint(default_checkpoint(name.lower(), family)).metrics
        assert column.facts.pop("parameters") == f"{int(metrics['test/all/parameters']):,}"
        assert column.facts.pop("multiply-adds an input") == f"{metrics['test/all/multiply_adds'] / 1e6:.2f} M"
        accuracies = {name: float(text.removesuffix("\u202f%")) for name, text in column.facts.items()}
        names = {"test accuracy, all kinds": "all", "… on waveforms": "temporal", spectral: "spectral"}
        expected = {name: 100 * metrics[f"test/{key}/accuracy"] for name, key in names.items()}
        assert accuracies == pytest.approx(expected, abs=0.0501)


def test_the_control_is_told_of_where_it_is_one(hand: Hand) -> None:
    sentence = hand.page.locator(".hm-control")
    accuracy = 100 * load_checkpoint(default_checkpoint("convolutional")).metrics["test/all/accuracy"]
    expect(sentence).to_contain_text(f"one convolutional net of the same size, {accuracy:.1f}\u202f%")
    hand.choose_family("Replica")
    expect(sentence).to_be_hidden()  # it was given the frontier's encodings


def test_a_what_if_is_the_chosen_ones_alone(hand: Hand) -> None:
    learned = columns(hand)
    hand.page.get_by_role("button", name="Mute Spatial").click()
    changed = columns(hand)
    assert ["Spatial", 0] in changed["Heterogeneous"].lanes[0].routing
    assert [c.note for c in changed.values()] == ["your changes", "as learned", "as learned"]
    for name in ("Hybrid", "Homogeneous"):
        assert changed[name].lanes == learned[name].lanes
    for expert in ("Temporal", "Spectral", "Relational"):
        hand.page.get_by_role("button", name=f"Mute {expert}").click()
    nobody = columns(hand)["Heterogeneous"].lanes[0]
    assert (nobody.label, nobody.others, nobody.truth) == ("no answer", "everyone is muted", "")


def test_a_click_or_a_key_chooses_a_configuration(hand: Hand) -> None:
    hand.page.locator(".hm-column", has_text="Homogeneous").locator("dl").click(force=True)  # anywhere on it
    assert [bar.name for bar in hand.see()[0].routing] == ["FFN 1", "FFN 2", "FFN 3", "FFN 4"]
    hand.page.get_by_role("button", name="Hybrid").focus()
    hand.page.keyboard.press("Enter")
    assert [bar.name for bar in hand.see()[0].routing] == ["FFN", "Spatial", "Temporal", "Spectral"]
    assert [c.chosen for c in columns(hand).values()] == [False, True, False]


def test_says_nothing_of_right_and_wrong_where_nobody_knows(hand: Hand) -> None:
    hand.draw_a_one()
    assert {c.lanes[0].truth for c in columns(hand).values()} == {""}


def test_is_there_only_with_an_answer(hand: Hand) -> None:
    panel = hand.page.locator(".hm-compare")
    hand.button("Clear").click()
    hand.expect_sentence("choose an example")
    expect(panel).to_be_hidden()
    hand.page.get_by_role("tab", name="Digit").click()
    expect(panel).to_be_visible()
    hand.page.get_by_role("tab", name="Evidence").click()
    expect(panel).to_be_hidden()


def test_side_by_side_on_a_phone_too(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740})
    boxes = [node.bounding_box() for node in hand.page.locator(".hm-column").all()]
    assert len({box["y"] for box in boxes if box}) == 1
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 375 for box in boxes)
    assert hand.page.evaluate("document.documentElement.scrollWidth") == 375


def test_an_old_answer_is_not_judged_by_a_new_truth(hand: Hand) -> None:
    truths = [c.lanes[0].truth for c in columns(hand).values()]
    assert truths[0] == "✓ right"
    hand.page.route("**/gradio_api/run/**", lambda route: None)  # no answer comes
    hand.page.locator(".hm-example >> visible=true").nth(2).click()
    hand.button("equal").click()
    hand.button("Reset").click()
    assert [c.lanes[0].truth for c in columns(hand).values()] == truths
