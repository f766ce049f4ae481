"""Muting, soloing and weighing experts, and overruling the router."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.hand import Hand, Lane


def weights(lane: Lane) -> dict[str, float]:
    return {bar.name: bar.width for bar in lane.routing}


@pytest.fixture
def hand(open_page: Callable[..., Hand]) -> Hand:
    """On the replica, whose router leaves nobody without a weight."""
    return open_page("?family=replica")


@pytest.fixture(autouse=True)
def _keeps_its_nodes(hand: Hand) -> None:
    hand.page.evaluate("window.nodes = [...document.querySelectorAll('.hm-results *')]")


def assert_nodes_kept(hand: Hand) -> None:
    assert hand.page.evaluate("nodes.every((node) => node.isConnected)")
    assert hand.page.evaluate("document.querySelectorAll('.hm-results *').length === nodes.length")


def test_a_muted_expert_falls_silent_and_the_others_keep_their_proportions(hand: Hand) -> None:
    before = weights(hand.see()[0])
    hand.button("Mute Spatial").click()
    (lane,) = hand.see()
    after = weights(lane)
    assert after["Spatial"] == 0
    assert sum(after.values()) == pytest.approx(100)
    for one, other in (("Temporal", "Spectral"), ("Spectral", "Relational")):
        assert after[one] / after[other] == pytest.approx(before[one] / before[other], rel=1e-3)
    assert lane.why[0].number == 0
    expect(hand.button("Mute Spatial")).to_have_attribute("aria-pressed", "true")
    hand.button("Mute Spatial").click()
    assert weights(hand.see()[0]) == before
    assert_nodes_kept(hand)


def test_a_soloed_expert_answers_alone_and_as_it_said_it_would(hand: Hand) -> None:
    for i, name in enumerate(["Spatial", "Temporal", "Spectral", "Relational"]):
        alone = hand.see()[0].why[i].note
        hand.button(f"Solo {name}").click()
        (lane,) = hand.see()
        assert weights(lane)[name] == 100
        assert alone.startswith(f"{lane.answer[0].name} {lane.answer[0].number:.0f}")
        hand.button(f"Solo {name}").click()
    assert hand.page.evaluate("hm.isUntouched")


def test_a_bar_is_dragged_and_moved_by_keys_and_a_mark_shows_where_it_was(hand: Hand) -> None:
    before = weights(hand.see()[0])
    track = hand.results.locator(".hm-routing .hm-track").nth(2)
    box = track.bounding_box()
    assert box is not None
    hand.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2)
    hand.page.mouse.down()
    seen = set()
    for part in (0.4, 0.6, 0.8):
        hand.page.mouse.move(box["x"] + part * box["width"], box["y"] + box["height"] / 2)
        seen.add(weights(hand.see()[0])["Spectral"])
    hand.page.mouse.up()
    assert len(seen) == 3  # while it is dragged
    dragged = weights(hand.see()[0])
    assert 70 <= dragged["Spectral"] <= 90
    assert dragged["Spatial"] / dragged["Temporal"] == pytest.approx(before["Spatial"] / before["Temporal"], rel=1e-3)
    mark = float(track.locator(".hm-mark").evaluate("(node) => parseFloat(node.style.left)"))
    assert mark == pytest.approx(before["Spectral"], abs=0.01)
    expect(track.locator(".hm-mark")).to_be_visible()
    hand.page.get_by_role("slider", name="Weight of Spectral").press("ArrowLeft")
    assert weights(hand.see()[0])["Spectral"] == pytest.approx(round(dragged["Spectral"]) - 1)


def test_the_router_is_overruled_and_reset(hand: Hand) -> None:
    before = weights(hand.see()[0])
    assert hand.button("Reset").is_disabled()
    hand.button("equal").click()
    assert list(weights(hand.see()[0]).values()) == [25] * 4
    hand.button("one only").click()
    assert weights(hand.see()[0])[max(before, key=lambda name: before[name])] == 100
    hand.button("learned").click()
    temperature = hand.page.get_by_role("slider", name="Temperature of the router")
    temperature.press("Home")
    sharp = max(weights(hand.see()[0]).values())
    temperature.press("End")
    flat = max(weights(hand.see()[0]).values())
    assert sharp > max(before.values()) > flat > 25
    hand.button("Reset").click()
    assert weights(hand.see()[0]) == before
    assert_nodes_kept(hand)


def test_with_everyone_muted_nobody_answers(hand: Hand) -> None:
    for name in ("Spatial", "Temporal", "Spectral", "Relational"):
        hand.button(f"Mute {name}").click()
    assert set(weights(hand.see()[0]).values()) == {0}
    sentence = hand.results.locator(".hm-answer").get_by_text("Everyone is muted")
    expect(sentence).to_be_visible()
    hand.button("Reset").click()
    expect(sentence).to_be_hidden()


def test_both_lanes_of_a_recording_obey(hand: Hand) -> None:
    hand.open_tab("Sound")
    hand.button("Mute Temporal").first.click()
    assert [weights(lane)["Temporal"] for lane in hand.see()] == [0, 0]


def test_the_parts_of_the_why_add_up_to_the_logit_and_stand_end_to_end(hand: Hand) -> None:
    def assert_adds_up(lane: Lane) -> None:
        *parts, total = lane.why
        assert sum(part.number for part in parts) == pytest.approx(total.number, abs=0.3)
        end = total.left if total.number >= 0 else total.left + total.width  # where 0 is
        for part in parts:
            begin = part.left if part.number >= 0 else part.left + part.width
            assert begin == pytest.approx(end, abs=0.1)
            end = part.left + part.width if part.number >= 0 else part.left
        assert end == pytest.approx(total.left + total.width if total.number >= 0 else total.left, abs=0.1)

    assert_adds_up(hand.see()[0])
    second = hand.see()[0].answer[1].name
    hand.results.locator(".hm-answer button.hm-bar").nth(1).click()
    expect(hand.page.get_by_role("heading", name=f"Why “{second}”?")).to_be_visible()
    assert_adds_up(hand.see()[0])
    hand.button("Mute Temporal").click()
    assert_adds_up(hand.see()[0])
    says = hand.results.locator(".hm-why .hm-agreement").inner_text()
    assert second in says
    assert says.startswith(("None", "1 of 4", "2 of 4", "3 of 4", "All 4"))
