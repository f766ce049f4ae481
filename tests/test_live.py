"""Speaking live, as the server sees it: a second of sound inside the input's value."""

import base64

import numpy as np
import pytest

from hetmoe.demo.classify import answer, encode
from hetmoe.demo.sources import MAX_LIVE_LETTERS, WAV_URL, open_source
from hetmoe.encoding import FAMILIES, InputError
from tests.media import SAMPLES

SPOKEN = next(SAMPLES.glob("speech-*-up.wav"))


def url(content: bytes) -> str:
    return WAV_URL + base64.b64encode(content).decode()


def test_a_live_second_is_encoded_as_the_same_file_would_be() -> None:
    source = open_source("sound", {"live": url(SPOKEN.read_bytes())})
    assert source == SPOKEN.read_bytes()
    for family in FAMILIES:
        live, file = encode("sound", source, family), encode("sound", SPOKEN, family)
        for modality in ("temporal", "spectral"):
            np.testing.assert_array_equal(live[modality], file[modality])


@pytest.mark.parametrize(
    ("live", "sentence"),
    [
        (WAV_URL + "!", "did not arrive whole"),
        (WAV_URL + "AAAAA", "did not arrive whole"),
        (WAV_URL + "ÄÖÜß", "did not arrive whole"),
        (WAV_URL, "This file is empty"),
        (url(b"not a sound"), "could not be read as a recording"),
        (url(SPOKEN.read_bytes()[:20]), "could not be read as a recording"),
        (url(bytes(MAX_LIVE_LETTERS)), "Live sound comes by the second"),
        ("data:image/png;base64,AAAA", "Record a word"),
        ("/etc/passwd", "Record a word"),
        (["/etc/passwd"], "Record a word"),
    ],
)
def test_what_is_no_second_of_sound_gets_a_sentence(live: object, sentence: str) -> None:
    shown = answer({}, "sound", {"live": live})
    assert shown["inputs"] == []
    assert sentence in shown["message"]


def test_the_largest_second_that_a_browser_sends_is_accepted() -> None:
    content = bytes(44 + 2 * 96_000)  # 16 bits at 96 kHz, should the browser refuse 16 kHz
    assert open_source("sound", {"live": url(content)}) == content


def test_a_damaged_drawing_is_refused_whatever_its_letters() -> None:
    with pytest.raises(InputError, match="draw it again"):
        open_source("digit", {"drawing": "data:image/png;base64,ÄÖÜß"})
