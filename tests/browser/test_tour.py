"""The tour, as a person takes it, and the sentence beside each part of the page."""

from collections.abc import Callable

from playwright.sync_api import Locator, expect

from hetmoe.checkpoint import load_checkpoint
from hetmoe.inference import default_checkpoint
from tests.browser.hand import Hand

TITLES = (
    "What a mixture of experts is",
    "Four ways to look at the same 1024 numbers",
    "Who takes what",
    "Mute one",
    "Four different, four equal, and one",
    "Where it fails",
)
EXPERTS = ("spatial", "temporal", "spectral", "relational")
WATCHED = "['tab', 'family', 'configuration', 'routing', 'temperature', 'shares', 'chosen', 'tour', 'source']"


def card(hand: Hand) -> Locator:
    return hand.page.get_by_role("dialog")


def text(hand: Hand) -> str:
    return card(hand).locator("#hm-tour-text").inner_text().replace("\u202f", " ")


def target(hand: Hand) -> str:
    return hand.page.locator(".hm-tour-target").evaluate("(node) => node.getAttribute('data-hideable')")


def state(hand: Hand) -> str:
    return hand.page.evaluate(f"JSON.stringify(hm.state, {WATCHED}.concat(['picture', 'sound', 'digit', 'example']))")


def begin(hand: Hand, step: int = 1) -> None:
    """Opens the tour and goes on to a step with Next."""
    hand.button("Tour").click()
    for number in range(1, step + 1):
        expect(card(hand)).to_contain_text(f"{number} of 6")
        if number < step:
            hand.button("Next").click()


def test_never_starts_by_itself(hand: Hand) -> None:
    hand.page.wait_for_timeout(500)
    expect(card(hand)).to_be_hidden()


def test_keyboard_alone_takes_the_whole_tour_and_back(hand: Hand) -> None:
    press = hand.page.keyboard.press
    hand.button("Tour").focus()
    press("Enter")
    for number, title in enumerate(TITLES, 1):
        expect(hand.page.get_by_role("dialog", name=title)).to_contain_text(f"{number} of 6")
        assert len(text(hand).split()) <= 45
        expect(hand.page.locator(".hm-tour-target")).to_be_in_viewport()
        if number == 1:
            expect(card(hand)).to_be_focused()
        if number < 6:
            press("ArrowRight")
    press("ArrowRight")  # there is nothing beyond
    for number in range(5, 0, -1):
        press("ArrowLeft")
        expect(card(hand)).to_contain_text(f"{number} of 6")
    press("Tab")  # to End, for nothing is before the first step
    expect(hand.button("End")).to_be_focused()
    press("Tab")
    expect(hand.button("Next")).to_be_focused()
    press("Enter")
    expect(card(hand)).to_contain_text("2 of 6")
    expect(hand.button("Next")).to_be_focused()
    press("Escape")
    expect(card(hand)).to_be_hidden()
    expect(hand.button("Tour")).to_be_focused()
    expect(hand.page.locator(".hm-tour-target")).to_have_count(0)


def test_each_step_points_at_what_it_tells_of(hand: Hand) -> None:
    begin(hand)
    for number, name in enumerate(("routing", "sees", "routing", "routing", "compare", "answer"), 1):
        expect(card(hand)).to_contain_text(f"{number} of 6")
        assert target(hand) == name
        hand.page.wait_for_timeout(700)  # of scrolling
        card_box, target_box = card(hand).bounding_box(), hand.page.locator(".hm-tour-target").bounding_box()
        assert card_box
        assert target_box
        assert 0 <= card_box["x"] <= 1280 - card_box["width"]
        assert 0 <= card_box["y"] <= 800 - card_box["height"]
        beside = (
            card_box["y"] >= target_box["y"] + target_box["height"]
            or target_box["y"] >= card_box["y"] + card_box["height"]
            or card_box["x"] >= target_box["x"] + target_box["width"]
            or target_box["x"] >= card_box["x"] + card_box["width"]
        )
        assert beside, number
        if number < 6:
            hand.button("Next").click()


def test_who_takes_what(hand: Hand) -> None:
    picture = max(hand.see()[0].routing, key=lambda bar: bar.width)
    begin(hand, 3)
    expect(hand.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    digit = max(hand.see()[0].routing, key=lambda bar: bar.width)
    assert f"On the picture, {picture.name} counted most ({picture.number} %)" in text(hand)
    assert f"on this digit, {digit.name} does ({digit.number} %)" in text(hand)
    metrics = load_checkpoint(default_checkpoint("heterogeneous")).metrics

    def leader(modality: str) -> str:
        weights = {expert: metrics[f"test/{modality}/routing_{expert}"] for expert in EXPERTS}
        expert = max(weights, key=lambda name: weights[name])
        return f"{expert.capitalize()} {weights[expert]:.0%}"

    means = f"{leader('spatial')} on pictures, {leader('relational')} on digits"
    assert means in text(hand).replace(" %", "%")


def test_muting_changes_the_answer_and_is_undone(hand: Hand) -> None:
    begin(hand, 3)
    before = hand.see()[0]
    hand.button("Next").click()
    expect(card(hand)).to_contain_text("4 of 6")
    muted = hand.see()[0]
    leader = max(before.routing, key=lambda bar: bar.width).name
    assert next(bar for bar in muted.routing if bar.name == leader).width == 0
    expect(hand.page.get_by_role("button", name=f"Mute {leader}")).to_have_attribute("aria-pressed", "true")
    (old, new) = (before.answer[0], muted.answer[0])
    verb = "stays" if old.name == new.name else "becomes"
    assert f"“{old.name}” ({old.number} %) {verb} “{new.name}” ({new.number} %)" in text(hand)
    hand.button("Back").click()
    expect(card(hand)).to_contain_text("3 of 6")
    assert hand.see()[0] == before


def test_tells_what_its_checkpoints_and_its_report_say(hand: Hand) -> None:
    begin(hand, 5)
    accuracies = [
        load_checkpoint(default_checkpoint(name)).metrics["test/all/accuracy"]
        for name in ("heterogeneous", "homogeneous", "convolutional")
    ]
    different, equal, one = (f"{100 * accuracy:.1f} %" for accuracy in accuracies)
    assert f"reach {different} test accuracy, four equal plain ones {equal}, and one conv" in text(hand)
    assert f"of the whole size {one}." in text(hand)
    margin = accuracies[0] - accuracies[2]
    verdict = (
        "as well as the mixture"
        if abs(margin) < 0.005
        else "better than convolution"
        if margin > 0
        else "not the mixture"
    )
    assert verdict in text(hand)
    hand.button("Next").click()
    expect(card(hand)).to_contain_text("6 of 6")
    wrong = hand.see()[0].answer[0]
    here = f"This is labelled bird; the model says {wrong.name} ({wrong.number} %)"
    assert (here in text(hand)) == (wrong.name != "bird")
    hand.button("Finish").click()
    expect(card(hand)).to_be_hidden()


def test_puts_everything_back(hand: Hand) -> None:
    hand.choose_family("Replica")  # the tour is about frontier
    hand.choose_configuration("Hybrid")
    hand.open_tab("Digit")
    hand.page.get_by_role("button", name="Mute Spectral").click()
    hand.button("one only").click()
    with hand.expecting_change():
        hand.page.locator('.hm-example[data-name="2"]').click()
    before, seen = state(hand), hand.see()
    begin(hand, 6)
    assert state(hand) != before
    hand.button("End").click()
    expect(hand.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    hand.wait_until(lambda: (state(hand), hand.see()) == (before, seen))
    for name in ("Replica", "Hybrid"):
        expect(hand.page.get_by_role("radio", name=name)).to_be_checked()
    expect(hand.button("Tour")).to_be_focused()


def test_leaves_a_persons_own_drawing_alone(hand: Hand) -> None:
    hand.draw_a_one()
    drawing = hand.pad()
    begin(hand, 4)
    assert "is muted" in text(hand)
    hand.page.keyboard.press("Escape")
    expect(card(hand)).to_be_hidden()
    assert hand.pad() == drawing


def test_leaves_an_input_empty_that_was_empty(hand: Hand) -> None:
    for tab in ("Picture", "Digit"):
        hand.open_tab(tab)
        hand.part("clear").click()
        expect(hand.results.locator(".hm-message")).to_be_visible()
    blank = hand.pad()
    begin(hand, 6)
    hand.button("Finish").click()
    expect(card(hand)).to_be_hidden()
    for tab in ("Digit", "Picture"):
        hand.page.get_by_role("tab", name=tab).click()
        expect(hand.results.locator(".hm-message")).to_be_visible()
        expect(hand.page.locator('.hm-example[aria-pressed="true"] >> visible=true')).to_have_count(0)
        if tab == "Digit":
            assert hand.pad() == blank


def test_leaves_alone_what_is_drawn_meanwhile(hand: Hand) -> None:
    hand.open_tab("Digit")
    with hand.expecting_change():
        hand.page.locator('.hm-example[data-name="2"]').click()
    begin(hand, 3)
    hand.draw_a_one()
    drawing = hand.pad()
    hand.page.keyboard.press("Escape")
    expect(card(hand)).to_be_hidden()
    assert hand.pad() == drawing


def test_a_link_from_its_middle_opens_that_step_on_the_plain_page(open_page: Callable[..., Hand]) -> None:
    sender = open_page("?theme=dark", permissions=["clipboard-read", "clipboard-write"])
    sender.choose_configuration("Hybrid")
    begin(sender, 4)
    sender.button("Share").click()
    sender.button("Copy link").click()
    expect(sender.page.get_by_text("Link copied.")).to_be_visible()
    link = sender.page.evaluate("navigator.clipboard.readText()")
    assert link.endswith("/?theme=dark&tour=4")
    receiver = open_page(link[link.index("?") :])
    expect(card(receiver)).to_contain_text("4 of 6")
    assert (text(receiver), receiver.see()) == (text(sender), sender.see())
    for hand, left in ((sender, "?configuration=hybrid&theme=dark"), (receiver, "?theme=dark")):
        hand.button("End").click()
        hand.wait_until(lambda hand=hand, left=left: hand.page.evaluate("location.search") == left)  # type: ignore[misc]


def test_hurrying_on_skips_no_undoing(hand: Hand) -> None:
    before = state(hand)
    hand.page.evaluate("for (const step of [4, 2, 5, 4]) hm.set({ tour: step })")
    expect(card(hand)).to_contain_text("4 of 6")
    hand.page.evaluate("for (const step of [1, 4, null]) hm.set({ tour: step })")
    expect(card(hand)).to_be_hidden()
    hand.wait_until(lambda: hand.page.evaluate("hm.isUntouched && hm.state.tab === 'picture'"))
    assert state(hand).split('"source"')[0] == before.split('"source"')[0]


def test_a_link_opens_it_at_a_step(hand: Hand) -> None:
    hand.page.goto(hand.page.url.split("?")[0] + "?tab=sound&tour=3")
    expect(hand.page.get_by_role("dialog", name="Who takes what")).to_be_focused()
    expect(hand.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    hand.page.keyboard.press("Escape")
    expect(hand.page.get_by_role("tab", name="Sound")).to_have_attribute("aria-selected", "true")
    expect(hand.button("Tour")).to_be_focused()


def test_a_step_that_does_not_exist_is_no_tour(hand: Hand) -> None:
    hand.page.goto(hand.page.url.split("?")[0] + "?tour=99")
    Hand(hand.page)  # the page is there again
    hand.wait_until(lambda: hand.page.evaluate("hm.state.tour") is None)
    expect(card(hand)).to_be_hidden()


def test_without_its_part_the_card_stands_in_the_middle(hand: Hand) -> None:
    hand.page.add_style_tag(content=".hm-compare { display: none }")
    begin(hand, 5)
    box = card(hand).bounding_box()
    assert box
    assert abs(box["x"] + box["width"] / 2 - 640) < 20
    assert abs(box["y"] + box["height"] / 2 - 400) < 5


def test_on_a_phone_the_card_is_at_the_bottom(open_page: Callable[..., Hand]) -> None:
    hand = open_page(viewport={"width": 375, "height": 740}, reduced_motion="reduce")
    begin(hand)
    for number in range(1, 7):
        expect(card(hand)).to_contain_text(f"{number} of 6")
        box, part = card(hand).bounding_box(), hand.page.locator(".hm-tour-target").bounding_box()
        assert box
        assert part
        assert box["y"] + box["height"] <= 740
        assert box["y"] > 370
        assert -1 <= part["y"] < 200
        assert hand.page.evaluate("document.documentElement.scrollWidth") == 375
        hand.page.locator('.hm-tour [data-part="next"]').click()
    expect(card(hand)).to_be_hidden()


def test_a_sentence_beside_each_part(hand: Hand) -> None:
    for tab in ("Picture", "Sound", "Digit"):
        hand.open_tab(tab)
        for section in hand.results.locator(".hm-section").all():
            mark, sentence = section.locator(".hm-about"), section.locator(".hm-quiet")
            expect(sentence).to_be_hidden()
            mark.press("Enter")
            expect(mark).to_have_attribute("aria-expanded", "true")
            expect(sentence).to_be_visible()
            assert sentence.inner_text().endswith(".")
            mark.press("Enter")
            expect(sentence).to_be_hidden()
