"""Take it along: the state in the address, the Share button, embed and presenter modes, and the keys."""

import io
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.hand import Hand

# Many states at random, and what each is after it has been written into an address and read again: the same, but that
# the tour's step stands for all that the tour itself shows.
ROUND_TRIPS = """() => {
  let seed = 1;
  const pick = (values) => values[(seed = (seed * 16807) % 2147483647) % values.length];
  const maybe = () => pick([true, false]);
  const shares = {
    heterogeneous: [{}, { spatial: 0 }, { spectral: 0.29, temporal: 1, relational: 0 }],
    hybrid: [{}, { spatial: 0 }, { spectral: 0.29, ffn: 1 }],
    homogeneous: [{}, { "ffn 1": 0, "ffn 4": 0.3 }],
  };
  const variations = { picture: ["upside_down", "noise"], sound: ["hush", "noise"], digit: ["shuffle_rows"] };
  const why = (tab) => Object.fromEntries(seenAs[tab].map((lane) => [lane, pick(["frog", "7", "__proto__"])]));
  const sortKeys = (_, x) => (x?.constructor === Object ? Object.fromEntries(Object.entries(x).sort()) : x);
  const text = (value) => JSON.stringify(value, sortKeys);
  const seenAs = { picture: ["spatial"], sound: ["temporal", "spectral"], digit: ["relational"], evidence: [] };
  const opened = { family: hm.families[0], configuration: hm.configurations[0], temperature: 1 };
  const plain = { tab: "picture", ...opened };
  Object.assign(plain, { shares: {}, chosen: {}, variation: {}, source: {} });
  return [...Array(400)].map(() => {
    const tab = pick(Object.keys(seenAs));
    const kind = tab !== "evidence";
    const configuration = pick(hm.configurations);
    const state = {
      tab,
      family: pick(hm.families),
      configuration,
      temperature: pick([1, 0.5, 0.25, 1.07, 4, 2 ** -1.05]),
      shares: pick(shares[configuration]),
      chosen: maybe() ? why(tab) : {},
      variation: kind && maybe() ? { [tab]: { name: pick(variations[tab]), strength: pick([1, 0.4, 0]) } } : {},
      source: kind && maybe() ? { [tab]: { example: pick(["some", "a b&c=d", "é,:"]) } } : {},
      present: maybe(),
      embed: maybe(),
      hide: pick([[], ["tour"], ["tour", "compare"]]),
    };
    const routing = pick(["learned", "uniform", "top-1"]);
    if (routing !== "learned") state.routing = routing;
    if (maybe()) state.theme = pick(["light", "dark"]);
    const { present, embed, hide, theme } = state;
    const modes = theme ? { present, embed, hide, theme } : { present, embed, hide };
    const onTour = pick([true, false, false]);
    if (onTour) state.tour = 3;
    const expected = onTour ? { ...plain, ...modes, tour: 3 } : state;
    const written = hm.address.write({ ...hm.state, routing: "learned", theme: undefined, tour: null, ...state });
    const read = { ...opened, ...hm.address.read(written) };
    return [text(expected), text(read), written];
  });
}"""


def open_share(hand: Hand) -> None:
    hand.button("Share").click()
    expect(hand.button("Copy link")).to_be_focused()


def query(page: Page) -> str:
    return page.evaluate("location.search")


def scrolls(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollHeight > innerHeight")


def bottom(hand: Hand) -> float:
    """The lower end of the stage, in pixels from the top of the window."""
    box = hand.results.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def test_every_state_survives_the_address(hand: Hand) -> None:
    trips = hand.page.evaluate(ROUND_TRIPS)
    assert len({written for *_, written in trips}) > 200
    for before, after, written in trips:
        assert before == after, written
        assert len(written) < 250


def test_the_page_as_it_opens_has_a_plain_address(hand: Hand) -> None:
    hand.choose_configuration("Hybrid")
    hand.wait_until(lambda: query(hand.page) == "?configuration=hybrid")
    hand.choose_configuration("Heterogeneous")
    hand.wait_until(lambda: query(hand.page) == "")


def test_a_link_opens_what_its_sender_sees(open_page: Callable[..., Hand]) -> None:
    sender = open_page(permissions=["clipboard-read", "clipboard-write"])
    sender.open_tab("Digit")
    with sender.expecting_change():
        sender.page.locator('.hm-example[data-name="2"]').click()
    sender.choose_configuration("Hybrid")
    sender.button("Mute Temporal").click()
    sender.button("equal").click()
    sender.results.locator(".hm-answer button").nth(1).click()
    open_share(sender)
    sender.button("Copy link").click()
    expect(sender.page.get_by_text("Link copied.")).to_be_visible()
    link = sender.page.evaluate("navigator.clipboard.readText()")
    assert "tab=digit&example=2&configuration=hybrid&routing=uniform&mute=temporal&why=" in link
    receiver = open_page(link[link.index("?") :])
    receiver.wait_until(lambda: receiver.see() == sender.see())
    expect(receiver.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    expect(receiver.page.locator('.hm-example[data-name="2"]')).to_have_attribute("aria-pressed", "true")
    assert receiver.results.locator(".hm-why h2").inner_text() == sender.results.locator(".hm-why h2").inner_text()
    receiver.page.wait_for_timeout(500)
    assert link.endswith(query(receiver.page))


@pytest.mark.parametrize(
    "nonsense",
    [
        "?tab=__proto__&example=constructor&family=__proto__&configuration=toString&routing=__proto__&variation=%3Cb%3E:9",
        "?mute=__proto__,constructor,,:&share=spatial:NaN,temporal:7,spectral&temperature=-1&why=spectral:no",
        "?theme=pink&tour=-1&present=yes&embed=&hide=%7D%3C/style%3E,*&%E0%A4%A&=&&?",
        "?variation=foo:0.4&mute=ffn-1,ffn&share=ffn-4:0.5",
        "?variation=hush:1&mute=Spatial",
        "?tab=picture&variation=shuffle_rows",
    ],
)
def test_nonsense_in_the_address_is_ignored(open_page: Callable[..., Hand], nonsense: str) -> None:
    hand, plain = open_page(nonsense), open_page()
    assert hand.see() == plain.see()
    expect(hand.button("Share")).to_be_visible()
    expect(hand.page.get_by_role("tab", name="Picture")).to_have_attribute("aria-selected", "true")
    assert hand.page.evaluate("hm.isUntouched")
    expect(hand.page.get_by_text("There is no such experiment")).to_have_count(0)
    hand.button("Dark").click()  # so that the address is written anew; foreign parameters come last
    hand.wait_until(lambda: query(hand.page).startswith("?theme=dark"))


def test_a_foreign_parameter_stays_what_it_is_and_breaks_out_of_nothing(open_page: Callable[..., Hand]) -> None:
    foreign = [('a" onload=alert(1) x', "1"), ("b&mute", '<&">'), ("é,:+", "")]
    hand = open_page(f"?{urllib.parse.urlencode(foreign)}")
    hand.choose_configuration("Hybrid")
    hand.wait_until(lambda: "configuration=hybrid" in query(hand.page))
    assert hand.page.evaluate("[...new URLSearchParams(location.search)]") == [
        ["configuration", "hybrid"],
        *map(list, foreign),
    ]
    hand.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_share(hand)
    hand.button("Copy embed code").click()
    expect(hand.page.get_by_label("To copy")).to_be_visible()
    nodes = hand.page.evaluate(
        """(code) => [...new DOMParser().parseFromString(code, "text/html").body.childNodes].map((node) => [
          node.nodeName,
          Object.fromEntries([...node.attributes].map(({ name, value }) => [name, value])),
          [...new URL(node.src).searchParams],
        ])""",
        hand.page.get_by_label("To copy").input_value(),
    )
    [[tag, attributes, parameters]] = nodes
    assert tag == "IFRAME"
    assert attributes.pop("src").startswith(hand.page.url.split("?")[0])
    permissions = "microphone; camera; clipboard-read; clipboard-write"
    assert attributes == {"width": "960", "height": "540", "title": "HetMoE", "allow": permissions}
    assert parameters == [["configuration", "hybrid"], ["embed", "1"], *map(list, foreign)]


def test_the_embed_code_escapes_whatever_the_address_holds(hand: Hand) -> None:
    address = 'http://x/"><b>?a=1&lt;=2'
    hand.page.evaluate("(address) => Object.assign(hm.address, { link: () => address })", address)
    hand.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_share(hand)
    hand.button("Copy embed code").click()
    code = hand.page.get_by_label("To copy").input_value()
    parse = "(code) => new DOMParser().parseFromString(code, 'text/html').querySelector('iframe').getAttribute('src')"
    assert hand.page.evaluate(parse, code) == address


def test_the_theme_of_the_address_and_gradios_own(open_page: Callable[..., Hand]) -> None:
    for address, theme in (("?theme=dark", "dark"), ("?__theme=dark", "dark"), ("?theme=dark&__theme=light", "dark")):
        hand = open_page(address)
        expect(hand.page.locator("body.dark")).to_have_count(1 if theme == "dark" else 0)
        hand.choose_configuration("Hybrid")
        hand.wait_until(lambda hand=hand: "configuration=hybrid" in query(hand.page))  # type: ignore[misc]
        for parameter in address.strip("?").split("&"):
            assert parameter in query(hand.page)


def test_a_drawing_stays_behind_and_the_page_says_so(open_page: Callable[..., Hand]) -> None:
    hand = open_page("?tab=digit", permissions=["clipboard-read", "clipboard-write"])
    expect(hand.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    with hand.expecting_change():
        hand.pen((0.5, 0.2))
        hand.page.mouse.down()
        hand.pen((0.5, 0.8))
        hand.page.mouse.up()
    open_share(hand)
    hand.button("Copy link").click()
    expect(hand.page.get_by_text("cannot travel in a link")).to_be_visible()
    assert "example" not in hand.page.evaluate("navigator.clipboard.readText()")


def test_without_a_clipboard_the_text_is_there_to_copy(hand: Hand) -> None:
    hand.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    hand.button("Mute Spatial").click()
    open_share(hand)
    hand.button("Copy embed code").click()
    field = hand.page.get_by_label("To copy")
    expect(field).to_be_focused()
    code = field.input_value()
    assert re.fullmatch(r'<iframe src="http://127\.0\.0\.1:\d+/\?mute=spatial&amp;embed=1" .*></iframe>', code)
    assert hand.page.evaluate("document.getSelection().toString()") == code


def test_share_closes_on_escape_and_gives_the_focus_back(hand: Hand) -> None:
    open_share(hand)
    hand.page.keyboard.press("Escape")
    expect(hand.button("Copy link")).to_be_hidden()
    expect(hand.button("Share")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_saves_a_picture_of_the_view(open_page: Callable[..., Hand], theme: str, tmp_path: Path) -> None:
    hand = open_page(f"?tab=digit&theme={theme}")
    expect(hand.page.get_by_role("tab", name="Digit")).to_have_attribute("aria-selected", "true")
    open_share(hand)
    with hand.page.expect_download(timeout=60_000) as download:  # seconds on a busy machine
        hand.button("Save picture").click()
    assert download.value.suggested_filename == "hetmoe-digit.png"
    download.value.save_as(tmp_path / "view.png")
    pixels = np.asarray(Image.open(tmp_path / "view.png").convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    assert width > 2000 and height > 1000

    def share_of(colour: str) -> float:
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        return float((np.abs(pixels - rgb).max(axis=2) < 6).mean())

    # The paper, the relational expert's bars, and the brightest of the distances that the model sees: a canvas.
    paper, relational = {"light": ("#ffffff", "#a8508a"), "dark": ("#121416", "#e29ac6")}[theme]
    assert share_of(paper) > 0.3
    assert share_of(relational) > 0.005
    assert share_of("#120c28") > 0.002
    for line in (pixels[20:140], pixels[-90:]):  # the title and the foot are written
        assert (np.abs(line - line[0, 0]).max(axis=2) > 60).sum() > 500


@pytest.mark.parametrize("tab", ["picture", "sound"])
def test_saves_a_picture_of_the_other_tabs_on_a_phone_too(open_page: Callable[..., Hand], tab: str) -> None:
    hand = open_page(f"?tab={tab}", viewport={"width": 375, "height": 740})
    expect(hand.page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    open_share(hand)
    with hand.page.expect_download(timeout=60_000) as download:
        hand.button("Save picture").click()
    assert Image.open(download.value.path()).size[0] > 600


def test_saves_the_numbers_that_are_shown(open_page: Callable[..., Hand]) -> None:
    hand = open_page("?mute=spatial&configuration=hybrid")
    open_share(hand)
    with hand.page.expect_download() as download:
        hand.button("Save numbers").click()
    numbers = json.loads(Path(download.value.path()).read_bytes())
    assert numbers["state"]["shares"] == {"spatial": 0}
    (lane,) = numbers["inputs"]
    assert len(lane["encoding"]) == 1024
    assert set(lane["models"]) == {"heterogeneous", "hybrid", "homogeneous"}
    model = lane["models"]["hybrid"]
    weights, logits = np.array(model["mixture"]["weights"]), np.array(model["expert_logits"])
    np.testing.assert_allclose(weights @ logits, model["mixture"]["logits"], atol=1e-9)
    assert [bar.number for bar in hand.see()[0].routing] == [round(100 * weight) for weight in weights]
    assert sum(model["routing_weights"]) == pytest.approx(1, abs=1e-3) and model["routing_weights"][1] > 0


def test_embedded_the_stage_stands_alone_and_fits_a_slide(open_page: Callable[..., Hand]) -> None:
    hand = open_page("?embed=1&tab=digit", viewport={"width": 960, "height": 540})
    hand.page.locator('[data-part="pad"] >> visible=true').wait_for()
    expect(hand.button("Share")).to_be_hidden()
    expect(hand.page.get_by_role("heading", name="HetMoE")).to_be_hidden()
    expect(hand.page.locator('[role="tab"] >> visible=true')).to_have_count(0)
    expect(hand.page.locator(".hm-footer")).to_be_hidden()
    assert not scrolls(hand.page)
    assert bottom(hand) <= 540
    assert hand.page.evaluate("document.documentElement.scrollWidth") == 960
    for name in ("sees", "routing", "answer", "why"):
        expect(hand.results.locator(f'[data-hideable="{name}"]')).to_be_in_viewport(ratio=1)


HIDEABLE = ["input", "examples", "sees", "routing", "console", "answer", "why"]
HIDEABLE += ["header", "title", "configurations", "tour", "share", "theme", "footer"]


@pytest.mark.parametrize("tab", ["picture", "sound"])
def test_hides_what_the_address_names(open_page: Callable[..., Hand], tab: str) -> None:
    whole = open_page(f"?tab={tab}")
    hidden = open_page(f"?tab={tab}&hide={','.join(name for name in HIDEABLE if name != 'routing')},tabs")
    for hand, visible in ((whole, set(HIDEABLE)), (hidden, {"routing"})):
        hand.page.locator('[data-hideable="routing"] >> visible=true').first.wait_for()
        found = hand.page.locator("[data-hideable] >> visible=true").evaluate_all(
            "nodes => nodes.map((n) => n.dataset.hideable)"
        )
        assert set(found) & set(HIDEABLE) == visible
    expect(hidden.page.locator('[role="tab"] >> visible=true')).to_have_count(0)


@pytest.mark.parametrize("tab", ["picture", "sound", "digit"])
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_presenter_mode_is_larger_and_still_fits(
    open_page: Callable[..., Hand], tab: str, size: tuple[int, int]
) -> None:
    def height_of_numbers(hand: Hand) -> float:
        box = hand.results.locator(".hm-routing .hm-number").first.bounding_box()
        assert box is not None
        return box["height"]

    hand = open_page(f"?tab={tab}", viewport={"width": size[0], "height": size[1]})
    expect(hand.page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    grey = hand.results.locator("h2").first.evaluate("(node) => getComputedStyle(node).color")
    before = height_of_numbers(hand)
    open_share(hand)
    hand.button("Presenter mode").click()
    expect(hand.page.get_by_text("four different experts")).to_be_hidden()
    assert height_of_numbers(hand) > before
    assert bottom(hand) <= size[1]
    assert hand.page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert hand.results.locator("h2").first.evaluate("(node) => getComputedStyle(node).color") != grey
    for number in hand.results.locator(".hm-number >> visible=true").all():
        assert number.evaluate("(node) => node.clientWidth - node.scrollWidth") >= 0
    hand.wait_until(lambda: "present=1" in query(hand.page))


@pytest.mark.parametrize("tab", ["picture", "sound"])
@pytest.mark.parametrize("mode", ["", "&present=1", "&embed=1"])
def test_a_whole_share_fits(open_page: Callable[..., Hand], tab: str, mode: str) -> None:
    """100 % is the longest number there is, and one expert that answers alone has it."""
    hand = open_page(f"?tab={tab}{mode}")
    numbers = hand.page.locator(".hm-number >> visible=true")
    numbers.first.wait_for()
    hand.page.keyboard.press("Shift+1")
    expect(numbers.filter(has_text="100").first).to_be_visible()
    for width in (375, 1024, 1280, 1920):
        hand.page.set_viewport_size({"width": width, "height": 900})
        spare = "(nodes) => nodes.map((n) => [n.textContent, n.clientWidth - n.scrollWidth])"
        assert not [text for text, room in numbers.evaluate_all(spare) if room < 0], width


def test_keys_mute_solo_and_reset(hand: Hand) -> None:
    def shown() -> list[float]:
        return [bar.number for bar in hand.see()[0].routing]

    plain = shown()
    keys = hand.page.keyboard
    keys.press("Digit1")
    assert shown()[0] == 0
    keys.press("Shift+Digit3")
    assert shown() == [0, 0, 100, 0]
    expect(hand.button("Solo Spectral")).to_have_attribute("aria-pressed", "true")
    for chord in ("Control+Digit0", "Alt+Digit0", "Meta+Digit0"):
        hand.page.evaluate("(init) => document.body.dispatchEvent(new KeyboardEvent('keydown', init))", event(chord))
    assert shown() == [0, 0, 100, 0]
    keys.press("0")
    assert shown() == plain
    for word, keys_ in (("Mute", "1"), ("Solo", "Shift+1")):
        button = hand.button(f"{word} Spatial")
        expect(button).to_have_attribute("title", f"{word} Spatial ({keys_})")
        expect(button).to_have_attribute("aria-keyshortcuts", keys_)


def event(chord: str) -> dict[str, object]:
    """As the browser would tell it, had it no use of its own for the chord."""
    modifier, code = chord.split("+")
    return {"code": code, f"{modifier.replace('Control', 'ctrl').lower()}Key": True, "bubbles": True}


def test_keys_are_letters_where_one_types(hand: Hand) -> None:
    plain = hand.see()
    hand.page.evaluate("document.body.append(Object.assign(document.createElement('input'), { id: 'typed' }))")
    hand.page.locator("#typed").press_sequentially("1234")
    assert hand.see() == plain
    assert hand.page.locator("#typed").input_value() == "1234"


def test_a_pasted_link_gets_a_card(app_url: str) -> None:
    html = urllib.request.urlopen(f"{app_url}/?tab=digit", timeout=10).read().decode()
    tags = dict(re.findall(r'<meta property="(og:[a-z:]+)" content="([^"]*)"', html))
    assert tags["og:url"] == f"{app_url}/"
    assert "HetMoE" in tags["og:title"]
    card = Image.open(io.BytesIO(urllib.request.urlopen(tags["og:image"], timeout=10).read()))
    assert card.size == (1200, 630)
    assert html.count('"og:image"') == 1 and "githubusercontent" not in html.partition("<script")[0]


def test_the_saved_numbers_are_those_on_the_page(hand: Hand) -> None:
    """What a person changes holds for the configuration on the page alone, as in the compare panel."""
    hand.page.keyboard.press("1")
    hand.button("Share").click()
    with hand.page.expect_download() as download:
        hand.button("Save numbers").click()
    (lane,) = json.loads(download.value.path().read_text())["inputs"]
    assert lane["models"]["heterogeneous"]["mixture"]["weights"][0] == 0
    for name in ("hybrid", "homogeneous"):
        model = lane["models"][name]
        assert model["mixture"]["weights"] == pytest.approx(model["routing_weights"], abs=1e-4)
