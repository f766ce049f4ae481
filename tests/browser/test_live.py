"""Speaking live. The browser's microphone says "yes" again and again."""

import base64
import io
from collections.abc import Callable

import pytest
import soundfile
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, expect

from hetmoe.demo.theme import script
from tests.browser.hand import Hand

KEEP_STREAMS = """() => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  window.streams = [];
  mediaDevices.getUserMedia = async (wish) => {
    const stream = await open(wish);
    window.streams.push(stream);
    return stream;
  };
}"""
IS_OPEN = "streams.flatMap((stream) => stream.getTracks()).some((track) => track.readyState === 'live')"
REFUSE = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); };
}"""
HUSH = """() => {
  navigator.mediaDevices.getUserMedia = async () => new AudioContext().createMediaStreamDestination().stream;
}"""
ONLY_ITS_OWN_RATE = """() => {
  const connect = AudioContext.prototype.createMediaStreamSource;
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    if (this.sampleRate === 16000) throw new DOMException("as in Firefox", "NotSupportedError");
    return connect.call(this, stream);
  };
}"""
COPY_RIBBON = "(canvas) => canvas.toDataURL()"


@pytest.fixture
def hand(open_page: Callable[..., Hand]) -> Hand:
    return listener(open_page())


def listener(hand: Hand) -> Hand:
    hand.page.evaluate(KEEP_STREAMS)
    hand.open_tab("Sound")
    expect(ribbon(hand)).to_be_hidden()
    return hand


def ribbon(hand: Hand) -> Locator:
    return hand.page.locator(".hm-ribbon")


def words(hand: Hand) -> list[str]:
    return hand.page.get_by_role("list", name="Words heard").get_by_role("button").all_inner_texts()


def is_open(hand: Hand) -> bool:
    return bool(hand.page.evaluate(IS_OPEN))


def start(hand: Hand) -> None:
    hand.button("Live").click()
    expect(hand.part("live")).to_have_text("Stop")
    expect(ribbon(hand)).to_be_in_viewport()


def recording(hand: Hand) -> soundfile.SoundFile:
    """What the player holds."""
    url = hand.part("player").get_attribute("src") or ""
    return soundfile.SoundFile(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_bars_and_ribbon_move_and_words_appear_until_stop_releases_the_microphone(hand: Hand) -> None:
    start(hand)
    canvas = ribbon(hand).locator("canvas")
    hand.page.evaluate("window.nodes = [...document.querySelectorAll('.hm-results *, .hm-ribbon canvas')]")
    bars, drawings = set(), set()
    for _ in range(30):
        bars.add(tuple(bar.width for bar in hand.see()[0].routing))
        drawings.add(canvas.evaluate(COPY_RIBBON))
        hand.page.wait_for_timeout(100)
    assert len(bars) >= 5
    assert len(drawings) >= 5
    hand.wait_until(lambda: "yes" in words(hand))
    expect(ribbon(hand)).to_contain_text("ms behind")
    assert is_open(hand)
    expect(hand.part("record")).to_be_disabled()

    hand.button("Stop").click()
    assert not is_open(hand)
    expect(hand.part("live")).to_have_text("Live")
    expect(hand.part("record")).to_be_enabled()
    assert hand.page.evaluate("window.nodes.every((node) => node.isConnected)")
    file = recording(hand)
    assert (file.samplerate, file.frames, file.subtype) == (16_000, 16_000, "PCM_16")


def test_a_word_that_was_heard_can_be_looked_at(hand: Hand) -> None:
    start(hand)
    hand.wait_until(lambda: "yes" in words(hand))
    ribbon(hand).get_by_role("button", name="yes").first.click()
    assert not is_open(hand)
    hand.wait_until(lambda: "yes" in {lane.answer[0].name for lane in hand.see()})
    expect(ribbon(hand)).to_be_visible()
    assert recording(hand).frames == 16_000
    hand.page.locator(".hm-example >> visible=true").first.click()  # another input takes its place
    expect(ribbon(hand)).to_be_hidden()


def test_a_what_if_acts_on_the_ribbon_that_is_already_there(hand: Hand) -> None:
    start(hand)
    hand.page.wait_for_timeout(1500)
    hand.button("Stop").click()
    hand.page.wait_for_timeout(300)  # for the answer under way
    drawn = ribbon(hand).locator("canvas").evaluate(COPY_RIBBON)
    hand.button("Mute Spatial").first.click()
    hand.wait_until(lambda: ribbon(hand).locator("canvas").evaluate(COPY_RIBBON) != drawn)


@pytest.mark.parametrize("way", ["tab", "example", "hidden", "unplugged"])
def test_it_also_stops_by_itself(hand: Hand, way: str) -> None:
    start(hand)
    hand.page.wait_for_timeout(500)
    if way == "tab":
        hand.open_tab("Digit")
    elif way == "example":
        hand.page.locator(".hm-example >> visible=true").nth(1).click()
    elif way == "hidden":
        hand.page.evaluate("""() => {
          Object.defineProperty(document, "hidden", { value: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""")
    else:
        hand.page.evaluate("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
    hand.wait_until(lambda: not is_open(hand))
    if way == "tab":
        hand.open_tab("Sound")
    expect(hand.part("live")).to_have_text("Live")
    expect(hand.part("record")).to_be_enabled()


def test_a_refused_microphone_gets_the_sentence(hand: Hand) -> None:
    hand.page.evaluate(REFUSE)
    hand.button("Live").click()
    hand.expect_sentence("The microphone is not available")
    expect(hand.part("live")).to_have_text("Live")
    expect(hand.part("live")).to_be_enabled()
    expect(ribbon(hand)).to_be_hidden()


def test_silence_is_a_pause_and_no_guess(hand: Hand) -> None:
    hand.page.evaluate(HUSH)
    before = hand.see()
    start(hand)
    expect(ribbon(hand)).to_contain_text("listening")
    hand.page.wait_for_timeout(1000)
    assert hand.see() == before
    assert words(hand) == []
    expect(ribbon(hand).get_by_role("img")).to_have_accessible_name("A pause: nothing is being said.")


def test_a_browser_that_cannot_convert_sends_its_own_rate(hand: Hand) -> None:
    hand.page.evaluate(ONLY_ITS_OWN_RATE)
    start(hand)
    hand.wait_until(lambda: "yes" in words(hand))
    hand.button("Stop").click()
    file = recording(hand)
    assert file.samplerate == file.frames >= 44_100


def test_two_visitors_do_not_disturb_one_another(open_page: Callable[..., Hand]) -> None:
    speaker, other = listener(open_page()), listener(open_page())
    start(speaker)
    before = other.see()
    with other.expecting_change():
        other.page.locator(".hm-example >> visible=true").nth(1).click()
    shown = other.see()
    speaker.wait_until(lambda: "yes" in words(speaker))
    assert other.see() == shown != before
    assert words(other) == []


def test_it_fits_a_phone(open_page: Callable[..., Hand]) -> None:
    hand = listener(open_page(viewport={"width": 375, "height": 740}))
    start(hand)
    hand.wait_until(lambda: len(words(hand)) >= 2)
    assert hand.page.evaluate("document.documentElement.scrollWidth") == 375


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(open_page: Callable[..., Hand], theme: str) -> None:
    hand = listener(open_page(color_scheme=theme))
    start(hand)
    hand.wait_until(lambda: "yes" in words(hand))
    hand.button("Stop").click()
    hand.page.wait_for_timeout(300)
    found = Axe().run(hand.page, context=".hm-ribbon").response
    assert found["passes"]
    assert found["violations"] == []


# Each point: milliseconds, and the probabilities of three classes; or None in a pause.
@pytest.mark.parametrize(
    ("points", "peaks"),
    [
        ([(0, [0.4, 0.3, 0.3]), (200, [0.9, 0.1, 0]), (400, [0.7, 0.2, 0.1])], [-1, -1, 0]),
        ([(0, [0.1, 0.9, 0]), (200, [0.5, 0.5, 0]), (400, None)], [-1, -1, -1]),  # past its peak, and unsure
        ([(0, [0.3, 0.4, 0.3]), (200, [0.9, 0.1, 0]), (400, [0.2, 0.7, 0.1])], [-1, -1, -1]),  # leads only once
        ([(0, None), (200, [0, 0, 1]), (400, [0, 0, 1]), (600, None)], [-1, -1, 2, -1]),  # level: once
        ([(0, None), (200, None), (400, [0, 1, 0])], [-1, -1, -1]),  # not over yet
        ([(0, [0, 0.8, 0.2]), (500, [0, 0.9, 0.1]), (750, [0, 0.6, 0.4]), (999, [0, 0.9, 0.1]), (1200, None)],
         [-1, -1, 1, -1, -1]),
        ([(0, [0, 0.8, 0.2]), (500, [0, 0.9, 0.1]), (1200, [0, 0.6, 0.4]), (1500, [0, 0.9, 0.1]), (1700, None)],
         [-1, -1, 1, -1, 1]),
    ],
)  # fmt: skip
def test_a_word_is_recognised_at_its_peak(
    browser: Browser, points: list[tuple[int, list[float] | None]], peaks: list[int]
) -> None:
    page = browser.new_page()
    found = page.evaluate(
        f"""(given) => {{ {script("recognise")}
          const points = [];
          return given.map(([heard, probabilities]) => {{
            points.push({{ heard, probabilities }});
            const c = peakOf(points);
            if (c >= 0) points.at(-2).word = c;
            return c;
          }});
        }}""",
        points,
    )
    page.close()
    assert found == peaks
