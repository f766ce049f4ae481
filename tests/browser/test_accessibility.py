"""What axe-core, which knows the rules of WCAG, finds on the page: nothing, of any kind."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.hand import Hand

TABS = ("Picture", "Sound", "Digit", "Evidence")


def violations(hand: Hand) -> list[str]:
    result = Axe().run(hand.page).response
    assert len(result["passes"]) > 20  # it has looked
    return [f"{v['id']}: {node['target']}" for v in result["violations"] for node in v["nodes"]]


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_is_broken_in_any_tab(open_page: Callable[..., Hand], theme: str, width: int) -> None:
    hand = open_page(color_scheme=theme, viewport={"width": width, "height": 800})
    for tab in TABS:
        hand.page.get_by_role("tab", name=tab).click()
        for panel in hand.page.locator(".hm-panel >> visible=true").all():
            panel.scroll_into_view_if_needed()  # what is only made when it comes near
            hand.page.wait_for_timeout(800)
        hand.page.wait_for_timeout(1000)  # what is drawn late
        assert violations(hand) == [], tab


def test_no_rule_is_broken_by_the_tour_and_the_popover(hand: Hand) -> None:
    hand.button("Tour").click()
    expect(hand.page.get_by_role("dialog")).to_be_visible()
    assert violations(hand) == []
    hand.page.keyboard.press("Escape")
    hand.button("Share").click()
    expect(hand.button("Copy link")).to_be_visible()
    assert violations(hand) == []
