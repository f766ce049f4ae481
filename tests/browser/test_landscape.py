"""Where an input lies, how far its answer is to be trusted, and what is foreign."""

import io
import json
import re
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from scipy.special import softmax

from hetmoe.demo.landscape import LANDSCAPE, read_landscape
from hetmoe.demo.sources import examples
from hetmoe.inference import Predictor, default_checkpoint
from tests.browser.hand import Hand

EXPERTS = ("Spatial", "Temporal", "Spectral", "Relational")
FOREIGN = "This does not look like anything it was trained on"


def panel(page: Page) -> Locator:
    """The panel, drawn."""
    found = page.locator(".hm-landscape")
    found.scroll_into_view_if_needed()
    expect(found.locator(".hm-landscape-star b").first).to_be_visible(timeout=30_000)
    return found


def places(found: Locator, what: str) -> list[tuple[float, float]]:
    """Where marks ("corner" or "star") are, in pixels of the drawing."""
    found.scroll_into_view_if_needed()
    found.page.wait_for_timeout(200)  # out of sight it does nothing
    seen = found.locator(f".hm-landscape-{what}:not([hidden])")
    return [(node["x"], node["y"]) for node in seen.evaluate_all(
        "(nodes) => nodes.map((node) => ({ x: node.offsetLeft, y: node.offsetTop }))"
    )]  # fmt: skip


def row(found: Locator, name: str) -> list[int]:
    """The percentages of a row of the table."""
    cells = found.get_by_role("row", name=re.compile(f"^{name} ")).get_by_role("cell").all_inner_texts()
    return [int(cell.split("\u202f")[0]) for cell in cells]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_the_means_and_the_inputs_own_weights_stand_in_a_table(hand: Hand) -> None:
    hand.choose_configuration("Hybrid")
    found = panel(hand.page)
    model = json.loads(LANDSCAPE.read_text(encoding="utf-8"))["families"]["frontier"]["models"]["hybrid"]
    rows = {"Pictures": "spatial", "Waveforms": "temporal", "Spectrograms": "spectral", "Digits": "relational"}
    for name, modality in rows.items():
        assert row(found, name) == pytest.approx(
            [100 * g for g in model["modalities"][modality]["mean_routing"]], abs=0.51
        )
    assert found.get_by_role("columnheader").all_inner_texts() == ["FFN", "Spatial", "Temporal", "Spectral"]
    assert row(found, "★ picture") == pytest.approx([bar.width for bar in hand.see()[0].routing], abs=0.51)
    means = {name: model["modalities"][modality]["mean_routing"] for name, modality in rows.items()}
    name = max(means, key=lambda name: max(means[name]))
    share, place = max((share, place) for place, share in enumerate(means[name]))
    expert = ["FFN", "Spatial", "Temporal", "Spectral"][place]
    expect(found).to_contain_text(
        f"{name} lie furthest towards a corner: {expert} has {100 * share:.0f}\u202f% of their weight."
    )
    assert hand.page.evaluate("document.querySelector('.hm-landscape-plot').data.length") == 5


def test_rows_and_legend_are_named_as_the_familys_inputs_are(hand: Hand) -> None:
    for family, name in (("Replica", "Spectra"), ("Frontier", "Spectrograms")):
        hand.choose_family(family)
        found = panel(hand.page)  # out of sight it does nothing
        expect(found.locator('[data-part="legend"]').get_by_label(name, exact=True)).to_be_checked()
        expect(found.get_by_role("rowheader", name=name, exact=True)).to_be_visible()


def test_the_star_goes_where_the_weight_goes_and_nothing_is_drawn_anew(hand: Hand) -> None:
    found = panel(hand.page)
    (before,) = places(found, "star")
    corners = places(found, "corner")
    hand.page.evaluate(
        "document.querySelector('.hm-landscape-plot').on('plotly_afterplot', () => (window.anew = true))"
    )

    def distance(i: int) -> float:
        ((x, y),) = places(found, "star")
        return float(np.hypot(x - corners[i][0], y - corners[i][1]))

    far = distance(0)
    hand.button("Mute Spatial").click()
    assert places(found, "star") != [before]
    assert distance(0) > far
    assert row(found, "★ picture")[0] == 0
    hand.button("Reset").click()
    assert places(found, "star") == [before]
    for i, expert in enumerate(EXPERTS):
        hand.button(f"Solo {expert}").click()
        assert distance(i) < 60  # its name stands beside its corner
        hand.button("Reset").click()
    assert not hand.page.evaluate("window.anew")
    for expert in EXPERTS:
        hand.button(f"Mute {expert}").click()
    assert places(found, "star") == []


def test_a_recording_has_two_stars_and_the_evidence_none(hand: Hand) -> None:
    hand.open_tab("Sound")
    found = panel(hand.page)
    assert len(places(found, "star")) == 2
    assert sum(row(found, "★ waveform")) == pytest.approx(100, abs=2)
    assert row(found, "★ spectrum") != row(found, "★ waveform")
    hand.page.get_by_role("tab", name="Evidence").click()
    expect(found).to_be_hidden()


def test_the_camera_stays_through_what_is_drawn_anew(hand: Hand) -> None:
    found = panel(hand.page)
    plot = found.locator(".hm-landscape-plot")
    at_first = places(found, "corner")
    box = plot.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 200)
    hand.page.mouse.move(x, y)
    hand.page.mouse.down()
    hand.page.mouse.move(x + 120, y + 30, steps=8)
    hand.page.mouse.up()
    hand.page.wait_for_timeout(1500)
    turned = places(found, "corner")
    assert turned != at_first

    def same() -> bool:
        return bool(np.abs(np.array(places(found, "corner")) - turned).max() <= 1)

    plot.evaluate("(plot) => plot.on('plotly_afterplot', () => (window.times = (window.times ?? 0) + 1))")
    hand.button("Mute Spatial").click()
    assert same()
    hand.choose_configuration("Homogeneous")
    found.scroll_into_view_if_needed()
    hand.wait_until(lambda: hand.page.evaluate("window.times >= 1"))
    assert same()
    found.get_by_role("checkbox", name="Digits").uncheck()
    hand.wait_until(lambda: hand.page.evaluate("window.times >= 2"))
    assert same()
    assert plot.evaluate("(plot) => plot.data.map((trace) => trace.visible !== false)") == [
        True,
        True,
        True,
        False,
        True,
    ]
    found.get_by_role("slider", name="Turn").press("ArrowRight")
    hand.wait_until(lambda: not same())


@pytest.mark.parametrize("touch", [True, False])
def test_a_finger_and_a_wheel_scroll_the_page_over_it(open_page: Callable[..., Hand], touch: bool) -> None:
    page = open_page(viewport={"width": 375, "height": 700}, has_touch=touch, is_mobile=touch).page
    panel(page)
    plot = page.locator(".hm-landscape-plot")
    plot.evaluate("(plot) => plot.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(500)
    box = plot.bounding_box()
    assert box is not None
    before = page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if touch:
        session = page.context.new_cdp_session(page)
        for down in range(0, 160, 10):
            finger = {"type": "touchMove" if down else "touchStart", "touchPoints": [{"x": x, "y": y + down}]}
            session.send("Input.dispatchTouchEvent", finger)
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(x, y)
        page.mouse.wheel(0, -150)
    page.wait_for_timeout(500)
    assert page.evaluate("scrollY") < before - 100
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_without_webgl_a_sentence_and_the_table_remain(open_page: Callable[..., Hand]) -> None:
    hand = open_page()
    hand.page.evaluate("""() => {
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function (kind) {
        return kind === "2d" ? getContext.call(this, kind) : null;
      };
    }""")
    found = hand.page.locator(".hm-landscape")
    found.scroll_into_view_if_needed()
    expect(found).to_contain_text("no WebGL. The table has the numbers.")
    assert len(row(found, "Digits")) == 4


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            json.dumps({"message": read_landscape(Path("nowhere")).message, "families": {}}),
            "python -m training landscape",
        ),
        ("", "reload the page"),
    ],
)
def test_without_the_file_there_is_a_sentence_and_the_page_works(hand: Hand, body: str, sentence: str) -> None:
    hand.page.route(
        re.compile("component_server"),
        lambda route: (
            route.fulfill(body=body) if "load_landscape" in (route.request.post_data or "") else route.continue_()
        ),
    )
    found = hand.page.locator(".hm-landscape")
    found.scroll_into_view_if_needed()
    expect(found).to_contain_text(sentence)
    expect(found.get_by_role("table")).to_be_hidden()
    with hand.expecting_change():
        hand.button("Mute Spatial").click()


def test_its_confidence_is_the_calibrated_one(hand: Hand) -> None:
    for configuration in ("heterogeneous", "homogeneous"):
        hand.choose_configuration(configuration.capitalize())
        prediction = Predictor.load(default_checkpoint(configuration)).picture(next(iter(examples("picture").values())))
        sure = softmax(prediction.logits / prediction.temperature).max()
        line = f"When it is this sure of a picture, it is right about {100 * sure:.0f}\u202f% of the time."
        expect(hand.results.locator(".hm-answer")).to_contain_text(line)
    hand.button("Mute FFN 1").click()
    expect(hand.results.locator(".hm-answer")).to_contain_text("only for the mixture as it was learned")
    expect(hand.results.locator(".hm-answer")).not_to_contain_text("When it is this sure")


def test_a_foreign_input_is_warned_of_with_a_sign_and_nothing_moves(hand: Hand) -> None:
    answer = hand.results.locator(".hm-answer")
    why = hand.results.locator(".hm-why")
    expect(answer).to_contain_text("When it is this sure")
    for name in list(examples("picture"))[1:]:
        with hand.expecting_change():
            hand.button(name).click()
        expect(answer).not_to_contain_text(FOREIGN)
    before = why.bounding_box(), answer.bounding_box()
    with hand.expecting_change():
        hand.give("noise.png", png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)))
    expect(answer).to_contain_text(FOREIGN)
    expect(answer.locator(".hm-trust svg")).to_be_visible()
    expect(answer).not_to_contain_text("When it is this sure")
    assert (why.bounding_box(), answer.bounding_box()) == before
    hand.button("Mute Spatial").click()
    expect(answer).to_contain_text(FOREIGN)  # whoever answers


def test_a_foreign_recording_is_told_by_its_spectrum_in_both_lanes(hand: Hand) -> None:
    hand.open_tab("Sound")
    expect(hand.results.get_by_text(FOREIGN)).to_have_count(0)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9000, 9000, 16000).astype("<i2").tobytes())
    hand.give("noise.wav", file.getvalue())
    expect(hand.results.get_by_text(FOREIGN)).to_have_count(2)
