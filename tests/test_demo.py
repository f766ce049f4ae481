"""The page's handlers, without a browser and without a model."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hetmoe.demo.classify import MODALITIES, answer, encode
from hetmoe.demo.colours import EXPERT_COLOURS
from hetmoe.demo.sources import NOTHING_YET, examples, open_source
from hetmoe.encoding import FAMILIES, Family, InputError
from hetmoe.inference import Prediction

PNG = b"\x89PNG drawn by hand"


class Parrot:
    """Stands in for a Predictor: remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def predict(self, encodings: dict[str, np.ndarray]) -> dict[str, Prediction]:
        self.given.append(encodings)
        return {
            modality: Prediction(
                modality=modality,
                encoding=encoding,
                experts=("spatial", "temporal"),
                labels=("a", "b", "c", "d", "e", "f"),
                routing_weights=np.array([0.25, 0.75]),
                expert_logits=np.array([[9.00004, 0, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0]]),
                temperature=1.25,
            )
            for modality, encoding in encodings.items()
        }


BOTH: Any = {family: {"hybrid": Parrot()} for family in FAMILIES}


def marked(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("kind", MODALITIES)
def test_each_kind_has_examples_named_by_label(kind: str) -> None:
    files = examples(kind)
    assert len(files) >= 4
    for name, path in files.items():
        assert name
        assert path.is_file()
        assert open_source(kind, {"example": name}) == path


def test_opens_what_an_input_holds() -> None:
    assert open_source("picture", {"file": marked("/tmp/a.png")}) == Path("/tmp/a.png")
    drawing = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert open_source("digit", {"drawing": drawing}) == PNG


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, NOTHING_YET["digit"]),
        ({"example": "../../app"}, NOTHING_YET["digit"]),
        ({"problem": "The microphone is off."}, "The microphone is off."),
        ({"file": {"path": "/etc/passwd"}}, "Please send a file."),
        ({"file": "/etc/passwd"}, "Please send a file."),
        ({"drawing": "data:image/png;base64,!"}, "draw it again"),
        ({"drawing": "/etc/passwd"}, NOTHING_YET["digit"]),
    ],
)
def test_nothing_to_classify_is_a_sentence(value: dict[str, Any] | None, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        open_source("digit", value)
    assert sentence in str(error.value)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", MODALITIES)
def test_answer_has_every_models_outputs_for_one_encoding(kind: str, family: Family) -> None:
    parrots = {"hybrid": Parrot(), "homogeneous": Parrot()}
    silent = Parrot()
    models: Any = {each: parrots if each == family else {"hybrid": silent} for each in FAMILIES}
    name, path = next(iter(examples(kind).items()))
    shown = answer(models, kind, {"example": name, "family": family})
    assert silent.given == []  # nothing is computed for the other family
    assert shown["message"] is None
    assert [lane["modality"] for lane in shown["inputs"]] == list(MODALITIES[kind])
    for lane in shown["inputs"]:
        assert lane["labels"] == ["a", "b", "c", "d", "e", "f"]
        outputs: dict[str, Any] = {"experts": ["spatial", "temporal"], "routing_weights": [0.25, 0.75]}
        outputs["expert_logits"] = [[9.0, 0, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0]]
        outputs |= {"calibration": 1.25, "foreign": None}
        assert lane["models"] == {"hybrid": outputs, "homogeneous": outputs}
        for parrot in parrots.values():
            (given,) = parrot.given
            assert (given[lane["modality"]] == encode(kind, path, family)[lane["modality"]]).all()
            assert np.abs(given[lane["modality"]] - lane["encoding"]).max() <= 0.00005
            assert max(len(str(number)) for number in lane["encoding"]) <= 8  # digits that nobody would see


@pytest.mark.parametrize("kind", MODALITIES)
def test_answer_to_a_bad_file_is_a_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"neither a picture nor a sound")
    shown = answer(BOTH, kind, {"file": marked(str(tmp_path / "bad"))})
    assert shown["inputs"] == []
    assert "could not be read" in shown["message"]


@pytest.mark.parametrize("value", ["x", [1], 5, {"example": []}, {"example": {}}, {"file": 1}, {"drawing": 2}])
def test_whatever_the_browser_sends_gets_a_sentence(value: Any) -> None:
    shown = answer(BOTH, "digit", value)
    assert shown["inputs"] == []
    assert shown["message"] in (NOTHING_YET["digit"], "Please send a file.")


def test_an_answer_says_what_it_answers() -> None:
    value = {"example": "7", "number": 12, "family": "replica", "variation": {"name": "mirror", "strength": 1}}
    assert answer(BOTH, "digit", value)["asked"] == value
    drawing = {"drawing": "data:image/png;base64,", "number": 13}
    assert answer(BOTH, "digit", drawing)["asked"] == {"number": 13, "family": "frontier"}


@pytest.mark.parametrize("family", [None, "", "enormous", "__class__", 7, [], {}, ["replica"]])
def test_without_a_family_or_with_an_unknown_one_frontier_answers(family: Any) -> None:
    shown = answer(BOTH, "digit", {"example": "7", "family": family})
    assert shown["message"] is None
    assert shown["asked"]["family"] == "frontier"


def test_colours_stand_out_from_the_page() -> None:
    def luminance(colour: str) -> float:  # WCAG 2.2, relative luminance
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    for shades in EXPERT_COLOURS.values():
        for shade, page in zip(shades, ("#edf0f2", "#23282d"), strict=True):  # the bars' tracks, light and dark
            bright, dim = sorted((luminance(shade), luminance(page)), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 3, (shade, page)
