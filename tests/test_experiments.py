"""An answer with a variation: the same input, changed, beside the input as it is. No browser, no model."""

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from hetmoe.demo.classify import MODALITIES, answer, encode
from hetmoe.demo.sources import examples
from hetmoe.encoding import (
    FAMILIES,
    Family,
    encode_digit,
    encode_picture,
    encode_recording,
    open_picture,
    open_recording,
)
from hetmoe.variations import VARIATIONS, open_raw, vary
from tests.test_demo import Parrot

every_family = pytest.mark.parametrize("family", FAMILIES)
every_variation = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for name, variation in VARIATIONS.items() for kind in variation.kinds]
)
NO_SUCH = "There is no such experiment for this input. Please choose another one."


def ask(kind: str, variation: Any, parrot: Parrot | None = None, family: Family = "frontier") -> dict[str, Any]:
    value = {"example": next(iter(examples(kind))), "variation": variation, "family": family}
    models: Any = {family: {"hybrid": parrot or Parrot()}}
    return answer(models, kind, value)


def decoded(kind: str, url: str) -> np.ndarray:
    """A file as the page gets it → its raw form, to the accuracy of the file."""
    header, _, data = url.partition(",")
    file = io.BytesIO(base64.b64decode(data))
    assert header == f"data:{'audio/wav' if kind == 'sound' else 'image/png'};base64"
    return soundfile.read(file, dtype="float32")[0] if kind == "sound" else np.asarray(Image.open(file))


@every_family
@pytest.mark.parametrize("kind", MODALITIES)
def test_an_input_is_encoded_as_in_training_bit_for_bit(kind: str, family: Family) -> None:
    for path in examples(kind).values():
        if kind == "sound":
            expected = encode_recording(*open_recording(path), family)
        elif kind == "digit":
            expected = {"relational": encode_digit(open_picture(path), family)}
        else:
            expected = {"spatial": encode_picture(open_picture(path))}
        encodings = encode(kind, path, family)
        assert list(encodings) == list(MODALITIES[kind]) == list(expected)
        for modality in expected:
            assert (encodings[modality] == expected[modality]).all()


@every_family
@every_variation
def test_a_varied_answer_is_of_the_changed_input(kind: str, name: str, family: Family) -> None:
    parrot = Parrot()
    shown = ask(kind, {"name": name, "strength": 0.4}, parrot, family)
    path = next(iter(examples(kind).values()))
    changed = vary(kind, path, name, 0.4, family)
    as_it_is, varied = parrot.given  # each encoded once
    for modality in MODALITIES[kind]:
        assert (as_it_is[modality] == encode(kind, path, family)[modality]).all()
        assert (varied[modality] == changed.encodings[modality]).all()
    lanes = shown["variation"]["inputs"]
    assert [lane["modality"] for lane in lanes] == list(MODALITIES[kind])
    for lane in lanes:
        assert np.abs(lane["encoding"] - changed.encodings[lane["modality"]]).max() <= 0.00006
    loudest = max(1, np.abs(changed.raw.astype(float)).max()) if kind == "sound" else 1
    assert np.abs(decoded(kind, shown["variation"]["file"]) - changed.raw / loudest).max() < 1e-4
    assert np.abs(decoded(kind, shown["file"]) - open_raw(kind, path).astype(float)).max() < 1e-4


@pytest.mark.parametrize("kind", MODALITIES)
def test_without_a_variation_there_is_none(kind: str) -> None:
    parrot = Parrot()
    assert ask(kind, None, parrot)["variation"] is None
    assert len(parrot.given) == 1


@every_family
@pytest.mark.parametrize("name", ["mirror", "negative", "shuffle_columns"])
def test_a_negative_digit_has_the_same_numbers_and_to_the_replica_a_mirrored_one(name: str, family: Family) -> None:
    shown = ask("digit", {"name": name, "strength": 0}, family=family)
    is_same = shown["variation"]["inputs"][0]["encoding"] == shown["inputs"][0]["encoding"]
    assert is_same == (family == "replica" or name == "negative")
    assert shown["variation"]["file"] != shown["file"]


def test_a_reversed_recording_has_the_same_spectrum_to_the_replica() -> None:
    shown = ask("sound", {"name": "reverse", "strength": 0}, family="replica")
    (waveform, spectrum), (backwards, same) = shown["inputs"], shown["variation"]["inputs"]
    assert same["encoding"] == spectrum["encoding"]
    assert backwards["encoding"] != waveform["encoding"]


@pytest.mark.parametrize("strength", [-0.01, 1.01, math.nan, math.inf, 10**400, "much", None, [], {}])
def test_a_strength_that_is_none_is_a_sentence(strength: Any) -> None:
    shown = ask("picture", {"name": "noise", "strength": strength})
    assert shown["variation"] == {"inputs": [], "message": NO_SUCH}
    assert [lane["modality"] for lane in shown["inputs"]] == ["spatial"] and shown["message"] is None


@pytest.mark.parametrize(
    "variation",
    ["mirror", 7, [], {}, {"name": "mirror"}, {"strength": 0.5}]
    + [{"name": name, "strength": 0.5} for name in ("melt", "hush", "__class__", None, ["mirror"], {"mirror": 1})],
)
def test_an_experiment_that_does_not_exist_is_a_sentence(variation: Any) -> None:
    shown = ask("picture", variation)
    assert shown["variation"] == {"inputs": [], "message": NO_SUCH}
    assert len(shown["inputs"]) == 1 and shown["message"] is None


def test_nothing_left_is_a_sentence_and_the_input_stays() -> None:
    shown = ask("digit", {"name": "occlude", "strength": 1})
    assert shown["variation"] == {
        "inputs": [],
        "message": "Nothing is left of this digit. Please change it less.",
    }
    assert len(shown["inputs"]) == 1 and shown["message"] is None


def test_no_input_has_no_variation() -> None:
    value = {"variation": {"name": "mirror", "strength": 0}}
    models: Any = {"frontier": {"hybrid": Parrot()}}
    shown = answer(models, "digit", value)
    assert shown["inputs"] == [] and shown["variation"] is None and "Draw a digit" in shown["message"]
