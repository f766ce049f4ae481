"""Where inputs lie: the quantised routing, and what is flagged as foreign."""

import json
from base64 import b64decode
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hetmoe.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hetmoe.config import ModelConfig
from hetmoe.encoding import FAMILIES, MODALITIES, N_INPUTS, Family
from hetmoe.familiarity import Usual, distance, unfamiliarity
from hetmoe.inference import Predictor, choose_device
from hetmoe.model import HetMoE
from tests.evaluations import repeated
from tests.media import SAMPLES
from tests.tiny import copy_of_data, tiny_checkpoint
from training import foreign
from training.calibration import cooled, temperature
from training.data import Data, load_splits
from training.foreign import foreign_inputs, scribble, tone
from training.landscape import energy, landscape_command
from training.loop import evaluate
from training.results import RESULTS

pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_data(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def data(data_dir: Path) -> Data:
    return load_splits(data_dir, download=False)


@pytest.fixture(autouse=True)
def few_foreign_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "N", 10)


def save(folder: Path, configuration: str, seed: int = 0, family: Family = "replica") -> Path:
    checkpoint = tiny_checkpoint(configuration, seed, family)
    provenance = {"configuration": configuration, "commit": "abc", "seed": seed}
    path = folder / f"{family}-{configuration}-{seed}.safetensors"
    save_checkpoint(path, replace(checkpoint, provenance=provenance))
    return path


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(b64decode(text), np.uint8)


def test_energy_by_hand() -> None:
    assert energy(np.log([[1.0, 3.0], [0.25, 0.25]])) == pytest.approx([-log(4), log(2)])


def test_temperature_makes_confidence_what_it_is_worth() -> None:
    # always 0.99 sure and right three times of four: logit ln 99 becomes ln 3
    e = repeated([0.99, 0.01], 300, 100)
    t = temperature(e)
    assert t == pytest.approx(log(99) / log(3), rel=1e-3)
    assert cooled(e, t).loss == pytest.approx(-(0.75 * log(0.75) + 0.25 * log(0.25)), rel=1e-4)
    assert temperature(repeated([0.6, 0.4], 300, 100)) == pytest.approx(log(1.5) / log(3), rel=1e-3)  # too modest


def test_the_file_says_what_the_models_say(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.landscape.DRAWN", 7)
    weights = tmp_path / "weights"
    paths = {f: {c: save(weights, c, family=f) for c in ("heterogeneous", "homogeneous")} for f in FAMILIES}
    one_expert = tiny_checkpoint("homogeneous", family="frontier")
    config = ModelConfig(one_expert.model.config.experts[:1], routing="uniform")
    provenance = {"configuration": "convolutional", "commit": "abc", "seed": 0}
    save_checkpoint(weights / "one.safetensors", replace(one_expert, model=HetMoE(config), provenance=provenance))
    file = landscape_command(weights, data_dir, "cpu", tmp_path / "results")
    assert file == tmp_path / "results" / "landscape.json"
    families = json.loads(file.read_text(encoding="utf-8"))["families"]
    assert set(families) == set(FAMILIES)
    for family in FAMILIES:
        check(families[family], paths[family], load_splits(data_dir, download=False, family=family))
    foreign = [families[family]["modalities"]["spectral"]["familiarity"]["mean"] for family in FAMILIES]
    assert foreign[0] != foreign[1]


def check(content: dict[str, Any], paths: dict[str, Path], data: Data) -> None:
    """One family's part of the file."""
    assert set(content["models"]) == set(paths)
    assert content["models"]["homogeneous"]["experts"] == ["ffn 1", "ffn 2", "ffn 3", "ffn 4"]
    assert content["models"]["homogeneous"]["provenance"] == {"commit": "abc", "seed": 0}
    for name, path in paths.items():
        checkpoint = load_checkpoint(path)
        test = evaluate(checkpoint.model, data.test, checkpoint.statistics)
        validation = evaluate(checkpoint.model, data.validation, checkpoint.statistics)
        for modality, of in content["models"][name]["modalities"].items():
            shared, e = content["modalities"][modality], test[modality]
            assert shared["n"] == {"test": len(e.labels), "validation": len(validation[modality].labels)}
            usual = Usual(*(np.array(shared["familiarity"][key]) for key in ("mean", "precision")))
            flagged = distance(data.test.inputs[modality], usual) > shared["familiarity"]["threshold"]
            assert shared["familiarity"]["flagged"]["test"] == pytest.approx(flagged.mean(), abs=1e-4)
            n = len(e.labels)
            drawn = [k * n // 7 for k in range(7)] if n > 7 else list(range(n))
            routing = numbers(of["routing"]).reshape(len(drawn), 4) / 255
            assert np.abs(routing - e.routing_weights[drawn]).max() <= 0.5 / 255 + 1e-6
            assert of["mean_routing"] == pytest.approx(e.routing_weights.mean(0), rel=1e-4)
            median = np.median(energy(validation[modality].logits))
            assert of["energy"]["quantiles"]["50"] == pytest.approx(median, rel=1e-4)
            threshold = of["energy"]["threshold"]
            assert threshold == of["energy"]["quantiles"]["95"]
            assert of["energy"]["flagged"]["test"] == pytest.approx((energy(e.logits) > threshold).mean(), rel=1e-4)


def test_foreign_inputs_are_encoded_and_the_halves_differ(data_dir: Path, data: Data) -> None:
    halves = {split: foreign_inputs(data_dir, data, split, "replica") for split in ("validation", "test")}
    again = foreign_inputs(data_dir, data, "test", "replica")
    frontier = foreign_inputs(data_dir, data, "test", "frontier")
    assert set(halves["test"]) == set(MODALITIES)
    assert set(halves["test"]["temporal"]) == {
        "white noise",
        "pure tones",
        "chords",
    }  # the tiny data have no other words
    for modality, kinds in halves["test"].items():
        for kind, x in kinds.items():
            assert x.shape == (len(x), N_INPUTS) and x.dtype == np.float32 and len(x)
            assert np.isfinite(x).all()
            assert (x == again[modality][kind]).all()
            assert frontier[modality][kind].shape == x.shape
            assert (frontier[modality][kind] == x).all() == (modality == "spatial")
            if kind not in ("one grey", "letters", "chords"):
                assert not np.array_equal(x, halves["validation"][modality][kind])
    shuffled, pictures = halves["test"]["spatial"]["shuffled pixels"], data.test.inputs["spatial"]
    assert (np.sort(shuffled, 1) == np.sort(pictures[: len(shuffled)], 1)).all()
    assert not (shuffled == pictures[: len(shuffled)]).all(1).any()


def test_other_words_are_none_of_the_ten(tmp_path: Path) -> None:
    folder = copy_of_data(tmp_path)
    words = folder / "SpeechCommands" / "speech_commands_v0.02"
    for word in ("cat", "bed", "_background_noise_"):
        (words / word).mkdir()
        for i, path in enumerate(sorted((words / "go").glob("*.wav"))):
            (words / word / f"{word}{i}.wav").write_bytes(path.read_bytes())
    data = load_splits(folder, download=False)
    found = {
        split: foreign_inputs(folder, data, split, "replica")["spectral"]["other words"]
        for split in ("validation", "test")
    }
    n = len(list((words / "go").glob("*.wav")))
    assert len(found["validation"]) == len(found["test"]) == n  # two words, two halves


def test_a_tone_is_one_frequency_and_a_scribble_is_ink() -> None:
    generator = np.random.default_rng(0)
    magnitudes = np.abs(np.fft.rfft(tone(generator) * np.hanning(16000)))
    peak = int(magnitudes.argmax())
    assert 80 <= peak <= 4000
    assert magnitudes[peak - 3 : peak + 4].sum() > 0.95 * magnitudes.sum()
    ink = np.asarray(scribble(generator)) < 128
    assert 0.02 < ink.mean() < 0.6


def test_what_does_not_fit_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoints in .*training realdata"):
        landscape_command(tmp_path, None, "cpu", tmp_path)
    save(tmp_path, "heterogeneous", seed=0)
    save(tmp_path, "heterogeneous", seed=1)
    with pytest.raises(CheckpointError, match="is heterogeneous, as another one"):
        landscape_command(tmp_path, None, "cpu", tmp_path)
    other = tiny_checkpoint()
    labels = other.labels | {"relational": tuple("abcdefghij")}
    save_checkpoint(tmp_path / "another.safetensors", replace(other, labels=labels))
    with pytest.raises(CheckpointError, match="another.safetensors has other labels"):
        landscape_command(tmp_path, None, "cpu", tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_published_landscape_is_of_the_published_checkpoints() -> None:
    families = json.loads((RESULTS / "landscape.json").read_text(encoding="utf-8"))["families"]
    assert len(json.dumps(families)) < 400_000  # the page sends most of it
    for family, content in families.items():
        for modality, of in content["modalities"].items():
            assert of["familiarity"]["threshold"] == of["familiarity"]["quantiles"]["95"] > 3
            if of["foreign_by"] == "familiarity":
                assert 0.02 < of["familiarity"]["flagged"]["test"] < 0.1, modality
        for name, model in content["models"].items():
            checkpoint = load_checkpoint(ROOT / "weights" / f"{family}-{name}.safetensors")
            assert model["provenance"] == {key: checkpoint.provenance[key] for key in ("commit", "seed")}
            assert tuple(model["experts"]) == checkpoint.model.config.expert_labels()
            for modality, of in model["modalities"].items():
                mean = [checkpoint.metrics[f"test/{modality}/routing_{expert}"] for expert in model["experts"]]
                assert of["mean_routing"] == pytest.approx(mean, abs=1e-4)
                assert numbers(of["routing"]).reshape(-1, 4).mean(0) / 255 == pytest.approx(mean, abs=0.02)
                assert of["energy"]["flagged"]["test"] < 0.1


def test_the_page_can_tell_noise_and_digits_from_pictures() -> None:
    families = json.loads((RESULTS / "landscape.json").read_text(encoding="utf-8"))["families"]
    content = families["replica"]["modalities"]["spatial"]
    familiarity = content["familiarity"]
    usual = Usual(np.array(familiarity["mean"]), np.array(familiarity["precision"]))
    predictor = Predictor(tiny_checkpoint(), choose_device("cpu"))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    foreign_images: list[Image.Image | Path] = [
        SAMPLES / "mnist-00002-1.png",
        Image.fromarray(noise),
        Image.new("L", (32, 32), 128),
    ]
    known_images = sorted(SAMPLES.glob("cifar10-*.png"))
    assert content["foreign_by"] == "familiarity" and known_images
    for image in foreign_images:
        assert unfamiliarity(predictor.picture(image), usual) > familiarity["threshold"]
    for path in known_images:
        assert unfamiliarity(predictor.picture(path), usual) < familiarity["threshold"]
