"""Whatever the bytes, what is made of them is finite numbers or an InputError; whatever the body, the API has no 5xx.

`HYPOTHESIS_PROFILE=long python -m pytest tests/hostile/test_fuzz.py` tries 1,000 of each instead of 60, and others each
time.
"""

import json
import math
import os
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from hetmoe.demo.classify import answer, encode
from hetmoe.demo.page import load_predictors
from hetmoe.encoding import FAMILIES, InputError, encode_digit, encode_picture, encode_recording
from tests.hostile.conftest import Server
from tests.media import gradient, png, tone, wav

ANY_WHERE = list(HealthCheck)
settings.register_profile("short", max_examples=60, deadline=None, suppress_health_check=ANY_WHERE, derandomize=True)
settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=ANY_WHERE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

IMAGE = Image.fromarray(gradient(40))
PICTURES = [png(IMAGE, format=kind) for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "AVIF", "JPEG2000")]
SOUNDS = [wav(tone(200, seconds=0.2), format=kind) for kind in ("WAV", "FLAC", "OGG", "MP3")]
SOUNDS += [wav(tone(200, seconds=0.2), subtype=kind) for kind in ("PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW")]


@st.composite
def damaged(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """A file with some bytes changed, a piece taken out or put in, and perhaps its end cut off. Most of what matters is
    in the first hundred bytes."""
    file = bytearray(draw(st.sampled_from(files)))
    where = st.one_of(st.integers(0, 99), st.integers(0, len(file) - 1))
    for position, byte in draw(st.lists(st.tuples(where, st.integers(0, 255)), max_size=6)):
        file[min(position, len(file) - 1)] = byte
    start, length = draw(where), draw(st.integers(0, 20))
    file[start : start + length] = draw(st.binary(max_size=20))
    return bytes(file[: draw(st.integers(0, len(file)))] if draw(st.booleans()) else file)


def assert_finite(encodings: dict[str, np.ndarray]) -> None:
    for x in encodings.values():
        assert x.shape == (1024,) and x.dtype == np.float32 and np.isfinite(x).all()


def assert_encoded_or_refused(kind: str, file: bytes) -> None:
    for family in FAMILIES:
        with suppress(InputError):
            assert_finite(encode(kind, file, family))


@given(st.one_of(damaged(PICTURES), st.binary(max_size=200)))
def test_any_bytes_as_a_picture(file: bytes) -> None:
    assert_encoded_or_refused("picture", file)


@given(st.one_of(damaged(PICTURES), st.binary(max_size=200)))
def test_any_bytes_as_a_digit(file: bytes) -> None:
    assert_encoded_or_refused("digit", file)


@given(st.one_of(damaged(SOUNDS), st.binary(max_size=200)))
def test_any_bytes_as_a_recording(file: bytes) -> None:
    assert_encoded_or_refused("sound", file)


CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,), "I;16": (), "I": (), "F": ()}
DEEP = {"I;16": np.uint16, "I": np.int32, "F": np.float32}


@st.composite
def images(draw: st.DrawFn) -> Image.Image:
    mode = draw(st.sampled_from(sorted(CHANNELS)))
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    pixels = draw(arrays.arrays(DEEP.get(mode, np.uint8), size + CHANNELS[mode]))
    return Image.frombytes(mode, size[::-1], pixels.tobytes())


@given(images())
def test_any_pixels_as_a_picture_and_as_a_digit(image: Image.Image) -> None:
    assert_finite({"spatial": encode_picture(image)})
    for family in FAMILIES:
        with suppress(InputError):  # nothing is drawn
            assert_finite({"relational": encode_digit(image, family)})


SAMPLES = st.sampled_from([np.int8, np.int16, np.int32, np.uint8, np.uint16, np.float16, np.float32, np.float64, bool])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=2000).filter(lambda s: math.prod(s) < 5000)
RATES = st.one_of(st.integers(-10, 500_000), st.sampled_from([1000, 8000, 16_000, 44_100, 48_000, 400_000]))


@given(arrays.arrays(SAMPLES, SHAPES), RATES)
def test_any_samples_as_a_recording(samples: np.ndarray, rate: int) -> None:
    for family in FAMILIES:
        with suppress(InputError):
            assert_finite(encode_recording(samples, rate, family))


KEYS = ["path", "meta", "_type", "url", "example", "file", "drawing", "live", "problem", "variation", "name"]
KEYS += ["strength", "family", "number", "data", "fn_index", "session_hash", "event_data", "trigger_id", "event_id"]
WORDS = ["gradio.FileData", "cat", "frontier", "hybrid", "mirror", "noise", "../../app.py", "/etc/passwd", "http://a"]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(WORDS))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner)
    ),
    max_leaves=12,
)
VALUES = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS[4:14], JSON))
MODELS = load_predictors()


@given(st.sampled_from(["picture", "sound", "digit"]), st.one_of(VALUES, JSON))
def test_any_value_of_an_input(kind: str, value: Any) -> None:
    shown = answer(MODELS, kind, value)
    assert bool(shown["inputs"]) is (shown["message"] is None)


@given(st.sampled_from(["/call/classify_picture", "/call/classify_sound", "/call/classify_digit"]), JSON, JSON, JSON)
def test_any_arguments_over_http(server: Server, route: str, file: Any, configuration: Any, family: Any) -> None:
    response = server.post(route, json.dumps({"data": [file, configuration, family]}))
    assert response.status_code == 200 or 400 <= response.status_code < 500
    if response.status_code == 200:
        reply = server.web.get(f"{server.api}{route}/{response.json()['event_id']}").text
        assert reply.startswith("event: error") and '"error": "' in reply  # a sentence, and not null


@given(st.sampled_from(["picture", "sound", "digit"]), st.one_of(VALUES, JSON))
def test_any_value_over_http(server: Server, kind: str, value: Any) -> None:
    response = server.post("/run/predict", json.dumps({"data": [value], "fn_index": server.functions[kind]}))
    assert response.status_code == 200 or 400 <= response.status_code < 500


ROUTES = [
    "/run/predict",
    "/queue/join",
    "/component_server/",
    "/call/v2/classify_digit",
    "/call/x",
    "/cancel",
    "/reset",
]
FIELDS = ["data", "fn_index", "session_hash", "event_data", "trigger_id", "event_id", "component_id", "fn_name", "file"]
BODIES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON))


@given(st.sampled_from(ROUTES), st.one_of(BODIES, JSON), st.binary(max_size=9))
def test_any_body_over_http(server: Server, route: str, body: Any, after: bytes) -> None:
    for content in (json.dumps(body).encode(), json.dumps(body).encode() + after):
        response = server.post(route, content)
        assert response.status_code == 200 or 400 <= response.status_code < 500, response.text


@pytest.fixture(autouse=True, scope="module")
def still_answering(server: Server) -> Any:
    yield
    assert server.show("picture", {"example": "ship"}).json()["data"][0]["inputs"]
    assert server.process.is_running()
