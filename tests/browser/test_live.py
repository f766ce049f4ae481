"""The microphone: speaking live, and how recording ends. The browser's microphone says "yes" again and again."""

import base64
import io
from collections.abc import Callable

import numpy as np
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
NO_WORKLET = """() => {
  AudioWorklet.prototype.addModule = async () => { throw new DOMException("", "AbortError"); };
}"""
NO_SOURCE = """() => {
  AudioContext.prototype.createMediaStreamSource = () => { throw new DOMException("", "NotSupportedError"); };
}"""
ASK = """() => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  const allowed = new Promise((allow) => { window.allow = allow; });
  mediaDevices.getUserMedia = async (wish) => {
    await allowed;
    return open(wish);
  };
}"""
HIDE = """() => {
  Object.defineProperty(document, "hidden", { value: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
UNPLUG = "streams[0].getTracks()[0].dispatchEvent(new Event('ended'))"
# Answers that arrive some milliseconds later, and what the ribbon then gets, each with what the server had heard.
KEEP_ANSWERS = """(delay) => {
  const { receive } = hm;
  const { add } = hm.ribbon;
  const payloads = [];
  window.credited = [];
  hm.receive = (kind, payload) => {
    payloads.push(payload);
    setTimeout(() => receive(kind, payload), delay);
  };
  hm.ribbon.add = (point) => {
    const answer = point.lanes && payloads.find(({ inputs }) => inputs === point.lanes);
    if (answer) credited.push({ number: payloads.indexOf(answer), submitted: point.value.live, answered: answer.file });
    add(point);
  };
}"""
KEEP_CHANGING_THE_EXPERIMENT = """() => {
  let strength = 0;
  setInterval(() => {
    strength = (strength + 0.01) % 1;
    hm.set({ variation: { sound: { name: "noise", strength } } });
  }, 70);
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
    expect(hand.part("live-level")).to_have_css("border-radius", "3px")  # the sign of stopping
    expect(ribbon(hand)).to_be_in_viewport()


def recording(hand: Hand) -> soundfile.SoundFile:
    """What the player holds."""
    return opened(hand.part("player").get_attribute("src") or "")


def opened(url: str) -> soundfile.SoundFile:
    """A WAV file from its data URL."""
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
        hand.page.evaluate(HIDE)
    else:
        hand.page.evaluate(UNPLUG)
    hand.wait_until(lambda: not is_open(hand))
    if way == "tab":
        hand.open_tab("Sound")
    expect(hand.part("live")).to_have_text("Live")
    expect(hand.part("record")).to_be_enabled()


@pytest.mark.parametrize(("delay", "is_experimenting"), [(0, True), (200, True), (2300, False)])
def test_each_answer_belongs_to_the_second_it_was_given_to(hand: Hand, delay: int, is_experimenting: bool) -> None:
    hand.page.evaluate(KEEP_ANSWERS, delay)  # the longest: when the next second has been submitted already
    start(hand)
    if is_experimenting:
        hand.page.evaluate(KEEP_CHANGING_THE_EXPERIMENT)
    hand.wait_until(lambda: hand.page.evaluate("credited.length") >= 2)
    hand.page.wait_for_timeout(2000)
    credited = hand.page.evaluate("credited")
    assert len({point["number"] for point in credited}) == len(credited)
    for point in credited:
        submitted, answered = opened(point["submitted"]).read(), opened(point["answered"]).read()
        assert np.corrcoef(submitted, answered)[0, 1] > 0.999


@pytest.mark.parametrize("way", ["tab", "example", "hidden"])
def test_a_recording_is_dropped_when_a_person_turns_to_something_else(hand: Hand, way: str) -> None:
    hand.button("Record").click()
    expect(hand.part("record")).to_have_text("Stop")
    example = hand.page.locator(".hm-example >> visible=true").nth(1)
    if way == "tab":
        hand.open_tab("Digit")
    elif way == "example":
        example.click()
    else:
        hand.page.evaluate(HIDE)
    hand.wait_until(lambda: not is_open(hand), seconds=1)
    hand.page.wait_for_timeout(3300)  # longer than any recording
    if way == "tab":
        hand.open_tab("Sound")
    expect(hand.part("record")).to_have_text("Record")
    expect(hand.part("live")).to_be_enabled()
    chosen = example if way == "example" else hand.page.locator(".hm-example >> visible=true").first
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(hand.part("player")).to_have_attribute("src", chosen.get_attribute("data-url") or "")


def test_a_recording_whose_microphone_is_unplugged_is_used(hand: Hand) -> None:
    hand.button("Record").click()
    expect(hand.part("record")).to_have_text("Stop")
    with hand.expecting_change():
        hand.page.wait_for_timeout(1000)
        hand.page.evaluate(UNPLUG)
        assert not is_open(hand)
        expect(hand.part("record")).to_have_text("Record", timeout=500)


@pytest.mark.parametrize("name", ["Record", "Live"])
def test_a_microphone_that_is_allowed_too_late_stays_closed(hand: Hand, name: str) -> None:
    hand.page.evaluate(ASK)
    hand.button(name).click()
    hand.open_tab("Digit")
    hand.page.evaluate("allow()")
    hand.wait_until(lambda: hand.page.evaluate("streams.length") == 1)
    hand.page.wait_for_timeout(500)
    assert not is_open(hand)
    hand.open_tab("Sound")
    for part in ("record", "live"):
        expect(hand.part(part)).to_have_text(part.capitalize())
        expect(hand.part(part)).to_be_enabled()


@pytest.mark.parametrize("failure", [NO_WORKLET, NO_SOURCE], ids=["worklet", "source"])
@pytest.mark.parametrize("name", ["Record", "Live"])
def test_a_microphone_that_fails_after_it_was_allowed_is_released(hand: Hand, name: str, failure: str) -> None:
    hand.page.evaluate(failure)
    hand.button(name).click()
    hand.expect_sentence("The microphone is not available")
    assert hand.page.evaluate("streams.length") == 1
    assert not is_open(hand)
    for part in ("record", "live"):
        expect(hand.part(part)).to_have_text(part.capitalize())
        expect(hand.part(part)).to_be_enabled()


@pytest.mark.parametrize("name", ["Record", "Live"])
def test_an_open_microphone_has_a_button_to_stop_and_not_a_pressed_one(hand: Hand, name: str) -> None:
    hand.button(name).click()
    expect(hand.button("Stop")).to_be_visible()
    expect(hand.page.get_by_role("button", name="Stop", pressed=True)).to_have_count(0)


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


def test_the_microphone_is_asked_for_sound_as_it_is(hand: Hand) -> None:
    """Not filtered and levelled as for a telephone: the models would take it for something foreign."""
    hand.page.evaluate("""() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = (asked) => ((window.asked = asked), open(asked));
    }""")
    hand.open_tab("Sound")
    hand.button("Record").click()
    hand.button("Stop").click()
    asked = hand.page.evaluate("window.asked")
    assert asked == {"audio": {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}}
