"""Every hostile file, sent to the running app as anyone can send it, and every drawing, as the pad sends it."""

import base64
import json
import re
from typing import Any

import pytest

from tests.hostile.conftest import Server
from tests.hostile.corpus import CASES, DIGITS, claims, example

WRONG_NAMES = ("picture.png", "sound.wav", "a.exe", "…ß\u202e.png", "x" * 200)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_classified_or_refused_with_a_sentence(server: Server, name: str) -> None:
    kind, make, refusal = CASES[name]
    content = make()
    file = server.upload(content, "file")
    with server.unharmed():
        answered, reply = server.call(kind, file)
    assert answered is (refusal is None), reply[:300]
    if refusal is not None:
        assert re.search(rf'"error": "(?=[A-Z])[^"]*({refusal})[^"]*\."', reply), reply


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_the_name_of_a_file_does_not_matter(server: Server, name: str) -> None:
    for kind in ("picture", "sound", "digit"):
        answered, _ = server.call(kind, server.upload(example(kind), name))
        assert answered


def url_of(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def shown(server: Server, kind: str, value: Any) -> dict[str, Any]:
    response = server.show(kind, value)
    assert response.status_code == 200
    (answer,) = response.json()["data"]
    assert bool(answer["inputs"]) is (answer["message"] is None)
    return answer


@pytest.mark.parametrize("name", DIGITS)
def test_a_hostile_drawing(server: Server, name: str) -> None:
    _, make, refusal = DIGITS[name]
    with server.unharmed():
        answer = shown(server, "digit", {"drawing": url_of(make())})
    assert (answer["message"] is None) if refusal is None else re.search(refusal, answer["message"])


@pytest.mark.parametrize(
    ("drawing", "sentence"),
    [
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,%%%", "did not arrive whole"),
        ("data:image/png;base64,iVBORw0", "did not arrive whole"),
        ("data:image/png;base64,ÄÖÜ=", "did not arrive whole"),
        ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", "Draw a digit"),
        ("data:text/html,<script>alert(1)</script>", "Draw a digit"),
        ("file:///etc/passwd", "Draw a digit"),
        (url_of(claims(50_000, 50_000)), "pixels"),
        (url_of(example("sound")), "could not be read"),
        ([[0.5, float("inf")], [1e308, -1e308]], "Draw a digit"),
        ({"x": None}, "Draw a digit"),
        (7, "Draw a digit"),
    ],
)
def test_a_malformed_drawing(server: Server, drawing: Any, sentence: str) -> None:
    with server.unharmed():
        body = {"data": [{"drawing": drawing}], "fn_index": server.functions["digit"]}
        response = server.post("/run/predict", json.dumps(body))
    assert sentence in response.text
