"""What the page knows of its answers: the file or a sentence, and foreign inputs in an answer."""

import json
from base64 import b64encode
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hetmoe.demo.classify import answer
from hetmoe.demo.landscape import LANDSCAPE, Landscape, read_landscape
from hetmoe.demo.sources import examples
from hetmoe.encoding import MODALITIES
from hetmoe.familiarity import FLOOR
from hetmoe.inference import Prediction, Predictor, choose_device
from tests.media import SAMPLES
from tests.test_demo import Parrot
from tests.tiny import tiny_checkpoint

Content = dict[str, Any]
BY = {"spatial": "familiarity", "temporal": None, "spectral": "familiarity", "relational": "energy"}


def content() -> Content:
    """As training.landscape writes it, three of four test inputs drawn, and two experts. Usual is a grey of 0.5, off by
    1 at most, or 2 in the replica; digits are foreign from an energy of -3 on."""
    return {"families": {"frontier": of_family(1.0), "replica": of_family(2.0)}}


def of_family(threshold: float) -> Content:
    familiarity = {"mean": [0.5, log(FLOOR), log(FLOOR)], "precision": np.eye(3).tolist(), "threshold": threshold}
    return {
        "modalities": {
            m: {
                "n": {"test": 4},
                "familiarity": familiarity | {"flagged": {"test": 0.05, "noise": 1.0}},
                "foreign_by": BY[m],
            }
            for m in MODALITIES
        },
        "models": {
            "hybrid": {
                "experts": ["spatial", "temporal"],
                "modalities": {
                    m: {
                        "routing": b64encode(bytes([255, 0, 51, 204, 0, 255])).decode(),
                        "mean_routing": [0.4, 0.6],
                        "energy": {"threshold": -3.0, "flagged": {"test": 0.06}},
                    }
                    for m in MODALITIES
                },
            }
        },
    }


def read(tmp_path: Path, what: object) -> Landscape:
    file = tmp_path / "landscape.json"
    file.write_text(json.dumps(what), encoding="utf-8")
    return read_landscape(file)


def prediction(modality: str, encoding: np.ndarray, logits: list[float]) -> Prediction:
    return Prediction(modality, encoding, ("a", "b"), ("x", "y"), np.array([0.5, 0.5]), np.array([logits, logits]))


def test_the_panel_gets_what_it_draws(tmp_path: Path) -> None:
    landscape = read(tmp_path, content())
    assert landscape.message is None
    assert {family: list(of) for family, of in landscape.shown.items()} == {
        "frontier": ["hybrid"],
        "replica": ["hybrid"],
    }
    assert landscape.shown["frontier"]["hybrid"]["experts"] == ["spatial", "temporal"]
    shown = landscape.shown["frontier"]["hybrid"]["modalities"]
    assert shown["spatial"]["mean"] == [0.4, 0.6]
    assert shown["spatial"]["n"] == 4
    assert shown["spatial"]["flagged"] == {"test": 0.05, "noise": 1.0}
    assert shown["relational"]["flagged"] == {"test": 0.06}
    assert shown["temporal"]["flagged"] is None


def test_each_modality_is_judged_by_its_own_score(tmp_path: Path) -> None:
    landscape = read(tmp_path, content())
    grey, white = np.full(1024, 0.5, np.float32), np.full(1024, 2, np.float32)  # at a distance of 0 and 1.5² of mean
    weak, strong = [0.0, 0.0], [5.0, 0.0]  # energies of -ln 2 and about -5

    def foreign(modality: str, encoding: np.ndarray, logits: list[float], family: str = "frontier") -> bool | None:
        return landscape.judge(family, "hybrid", prediction(modality, encoding, logits))["foreign"]

    for modality in ("spatial", "spectral"):
        assert foreign(modality, grey, weak) is False
        assert foreign(modality, white, strong) is True
        assert foreign(modality, white, strong, "replica") is True
        assert foreign(modality, np.full(1024, 1.75, np.float32), strong, "replica") is False
    assert foreign("relational", grey, weak) is True
    assert foreign("relational", white, strong) is False
    assert foreign("temporal", white, weak) is None
    assert landscape.judge("frontier", "another", prediction("spatial", white, weak)) == {"foreign": None}
    assert Landscape().judge("frontier", "hybrid", prediction("spatial", white, weak)) == {"foreign": None}


def test_without_the_file_says_which_command_makes_it(tmp_path: Path) -> None:
    landscape = read_landscape(tmp_path / "landscape.json")
    assert landscape.message is not None and "python -m training landscape" in landscape.message
    assert not landscape.shown and not landscape.scales


def without(key: str) -> Callable[[Content], object]:
    def damage(what: Content) -> Content:
        del what["families"]["replica"]["models"]["hybrid"]["modalities"]["relational"][key]
        return what

    return damage


def with_(**keys: object) -> Callable[[Content], object]:
    def damage(what: Content) -> Content:
        what["families"]["replica"]["models"]["hybrid"]["modalities"]["spatial"] |= keys
        return what

    return damage


def family_with(**keys: object) -> Callable[[Content], object]:
    def damage(what: Content) -> Content:
        what["families"]["frontier"] |= keys
        return what

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda what: [what],
        lambda what: what["families"]["replica"],
        family_with(models={"hybrid": 3}),
        family_with(modalities={m: of for m, of in of_family(1.0)["modalities"].items() if m != "spectral"}),
        family_with(modalities={m: of | {"foreign_by": "taste"} for m, of in of_family(1.0)["modalities"].items()}),
        without("energy"),
        with_(routing="not base64!"),
        with_(routing=b64encode(bytes(5)).decode()),
        with_(mean_routing=None),
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path: Path, damage: Callable[[Content], object]) -> None:
    landscape = read(tmp_path, damage(content()))
    assert landscape.message is not None and "landscape.json is damaged" in landscape.message
    assert "python -m training landscape" in landscape.message
    assert not landscape.shown and not landscape.scales


@pytest.mark.parametrize("cut", [b"", b'{"models": {', b"\xff\xfe\x00"])
def test_a_file_cut_short_is_a_sentence(tmp_path: Path, cut: bytes) -> None:
    file = tmp_path / "landscape.json"
    file.write_bytes(cut)
    assert "damaged" in (read_landscape(file).message or "")


def test_an_answer_says_what_is_known_of_it_and_of_its_variation(tmp_path: Path) -> None:
    name = next(iter(examples("digit")))
    given = {"example": name, "variation": {"name": "mirror", "strength": 1}}
    landscape = read(tmp_path, content())
    parrots = {"frontier": {"hybrid": Parrot(), "other": Parrot()}}
    shown = answer(parrots, "digit", given, landscape)  # type: ignore[arg-type]
    for lane in (*shown["inputs"], *shown["variation"]["inputs"]):
        known, unknown = lane["models"]["hybrid"], lane["models"]["other"]
        assert (known["foreign"], unknown["foreign"]) == (False, None)  # the parrot's energy is about -7


def test_the_published_file_tells_noise_from_a_picture(tmp_path: Path) -> None:
    landscape = read_landscape(LANDSCAPE)
    predictor = Predictor(tiny_checkpoint(), choose_device("cpu"))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "noise.png")
    for path, foreign in ((tmp_path / "noise.png", True), (next(SAMPLES.glob("cifar10-*.png")), False)):
        for family, of in landscape.shown.items():
            for configuration in of:
                assert landscape.judge(family, configuration, predictor.picture(path))["foreign"] is foreign
