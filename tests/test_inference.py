"""The Predictor: what a Prediction promises, on every device, from every kind of source, in many threads."""

import dataclasses
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hetmoe import inference
from hetmoe.analysis import attributions, inside
from hetmoe.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from hetmoe.config import ModelConfig
from hetmoe.encoding import (
    InputError,
    encode_digit,
    encode_picture,
    encode_recording,
    open_picture,
    open_recording,
    standardise,
)
from hetmoe.inference import Prediction, Predictor, choose_device, default_checkpoint
from hetmoe.model import MoEOutput
from tests.media import SAMPLES
from tests.tiny import STATISTICS, tiny_checkpoint
from training.data import LABELS

PICTURE, OTHER_PICTURE = sorted(SAMPLES.glob("cifar10-*.png"))[:2]
DIGIT = sorted(SAMPLES.glob("mnist-*.png"))[0]
RECORDING = sorted(SAMPLES.glob("speech-*.wav"))[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_checkpoint(path, tiny_checkpoint())
    return path


@pytest.fixture(scope="module")
def predictor(path) -> Predictor:
    return Predictor.load(path, "cpu")


@pytest.fixture(autouse=True)
def no_override(monkeypatch):
    monkeypatch.delenv("HETMOE_DEVICE", raising=False)


def predictions_of(predictor: Predictor) -> dict[str, Prediction]:
    """One of each modality."""
    sounds = predictor.recording_file(RECORDING)
    return {"spatial": predictor.picture(PICTURE), "relational": predictor.digit(DIGIT), **sounds}


def assert_same(a: Prediction, b: Prediction, tolerance: float = 0) -> None:
    assert (a.modality, a.experts, a.labels) == (b.modality, b.experts, b.labels)
    assert (a.encoding == b.encoding).all()
    assert np.abs(a.routing_weights - b.routing_weights).max() <= tolerance
    assert np.abs(a.expert_logits - b.expert_logits).max() <= tolerance


# A prediction


@pytest.mark.parametrize("modality", ["spatial", "temporal", "spectral", "relational"])
def test_what_every_prediction_promises(predictor, modality):
    p = predictions_of(predictor)[modality]
    assert p.modality == modality
    assert p.experts == ("spatial", "temporal", "spectral", "relational")
    assert p.labels == LABELS[modality]
    assert p.encoding.shape == (1024,)
    assert p.routing_weights.shape == (4,)
    assert p.routing_weights.sum() == pytest.approx(1, abs=1e-6)
    assert p.expert_logits.shape == (4, 10)
    by_hand = sum(g * f for g, f in zip(p.routing_weights, p.expert_logits, strict=True))
    np.testing.assert_allclose(p.logits, by_hand, rtol=1e-12)
    assert p.probabilities.shape == (10,)
    assert p.probabilities.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(p.probabilities, np.exp(p.logits) / np.exp(p.logits).sum(), rtol=1e-12)
    assert p.expert_probabilities.shape == (4, 10)
    for alone, logits in zip(p.expert_probabilities, p.expert_logits, strict=True):
        np.testing.assert_allclose(alone, np.exp(logits) / np.exp(logits).sum(), rtol=1e-12)


def test_it_is_the_models_answer_to_the_standardised_encoding(predictor):
    """Fault 1 of the original: the demo fed other inputs than training did."""
    for modality, p in predictions_of(predictor).items():
        x = torch.from_numpy(standardise(p.encoding, STATISTICS[modality]))
        with torch.no_grad():
            output = predictor.checkpoint.model(x[None])
        np.testing.assert_allclose(p.routing_weights, output.routing_weights[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(p.expert_logits, output.expert_logits[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(p.logits, output.logits[0].numpy(), atol=1e-5)


def test_the_encoding_is_that_of_the_encoding_module(predictor):
    p = predictions_of(predictor)
    assert (p["spatial"].encoding == encode_picture(open_picture(PICTURE))).all()
    assert (p["relational"].encoding == encode_digit(open_picture(DIGIT))).all()
    for modality, expected in encode_recording(*open_recording(RECORDING)).items():
        assert (p[modality].encoding == expected).all()


def by_hand() -> Prediction:
    return Prediction(
        "spatial",
        np.zeros(1024, np.float32),
        ("first", "second"),
        ("cat", "dog", "cow"),
        np.array([0.75, 0.25]),
        np.array([[4.0, 0.0, -4.0], [0.0, 8.0, 4.0]]),
    )


def test_mixture_by_hand():
    """0.75 * (4, 0, -4) + 0.25 * (0, 8, 4) = (3, 2, -2); softmax: e**0, e**-1, e**-5 over their sum 1.374617."""
    p = by_hand()
    assert p.logits.tolist() == [3, 2, -2]
    np.testing.assert_allclose(p.probabilities, [0.727475, 0.267623, 0.004902], atol=1e-6)
    assert p.expert_probabilities.argmax(1).tolist() == [0, 1]


def test_top_is_sorted_and_as_long_as_asked():
    p = by_hand()
    assert [label for label, _ in p.top()] == ["cat", "dog", "cow"]
    assert [label for label, _ in p.top(2)] == ["cat", "dog"]
    probabilities = [probability for _, probability in p.top()]
    assert probabilities == sorted(p.probabilities.tolist(), reverse=True)
    tie = dataclasses.replace(p, expert_logits=np.zeros((2, 3)))
    assert [label for label, _ in tie.top()] == ["cat", "dog", "cow"]


def test_huge_logits_do_not_overflow():
    p = dataclasses.replace(by_hand(), expert_logits=np.array([[1e4, 0, 0], [-1e4, 0, 0]]))
    assert p.probabilities.tolist() == [1, 0, 0]
    assert np.isfinite(p.expert_probabilities).all()


def test_to_json(predictor):
    for p in predictions_of(predictor).values():
        data = json.loads(json.dumps(p.to_json(), allow_nan=False))
        assert set(data) == {
            "modality", "label", "probabilities", "routing_weights", "experts", "expert_logits", "labels", "encoding",
        }  # fmt: skip
        assert data["modality"] == p.modality
        assert list(data["probabilities"].items()) == p.top(10)
        assert data["label"] == p.top(1)[0][0] == p.labels[int(p.logits.argmax())]
        assert tuple(data["labels"]) == p.labels
        assert data["routing_weights"] == dict(zip(p.experts, p.routing_weights, strict=True))
        for i, name in enumerate(p.experts):
            assert data["expert_logits"][name] == p.expert_logits[i].tolist()
            assert data["experts"][name] == dict(zip(p.labels, p.expert_probabilities[i], strict=True))
        assert (np.array(data["encoding"], np.float32) == p.encoding).all()


def test_homogeneous_experts_are_numbered(tmp_path):
    save_checkpoint(tmp_path / "model", tiny_checkpoint("homogeneous"))
    p = Predictor.load(tmp_path / "model", "cpu").picture(PICTURE)
    assert p.experts == ("ffn 1", "ffn 2", "ffn 3", "ffn 4")
    assert list(p.to_json()["routing_weights"]) == list(p.experts)


# Sources


def test_path_bytes_and_image_agree(predictor):
    for classify, file in ((predictor.picture, PICTURE), (predictor.digit, DIGIT)):
        expected = classify(file)
        for source in (str(file), file.read_bytes(), Image.open(file)):
            assert_same(classify(source), expected)
    assert not np.allclose(predictor.picture(PICTURE).logits, predictor.picture(OTHER_PICTURE).logits)


def test_a_recording_gives_both_modalities(predictor):
    expected = predictor.recording_file(RECORDING)
    assert list(expected) == ["temporal", "spectral"]
    for again in (predictor.recording(*open_recording(RECORDING)), predictor.recording_file(RECORDING.read_bytes())):
        assert list(again) == ["temporal", "spectral"]
        for modality, p in again.items():
            assert p.modality == modality
            assert_same(p, expected[modality])


def test_what_cannot_be_used_is_said_to_a_person(predictor, tmp_path):
    for call, message in (
        (lambda: predictor.picture(b"no picture"), "could not be read as a picture"),
        (lambda: predictor.digit(Image.new("L", (28, 28))), "No digit was found"),
        (lambda: predictor.recording(np.zeros(16000), 16000), "silent"),
        (lambda: predictor.recording(np.zeros(0), 16000), "empty"),
        (lambda: predictor.recording_file(tmp_path / "gone.wav"), "no file"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_a_file_that_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        Predictor.load(tmp_path / "gone.safetensors", "cpu")


# Devices


@pytest.mark.parametrize(
    ("has", "expected"),
    [((True, True), "cuda"), ((True, False), "cuda"), ((False, True), "mps"), ((False, False), "cpu")],
)
def test_the_device_is_chosen_by_itself(monkeypatch, has, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has[0])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has[1])
    assert choose_device() == choose_device("auto") == torch.device(expected)
    assert choose_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("HETMOE_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv("HETMOE_DEVICE", "")
    assert choose_device() == torch.device(expected)


def test_the_environment_variable_overrides_auto(monkeypatch, path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("HETMOE_DEVICE", "cpu")
    predictor = Predictor.load(path)
    assert predictor.device == torch.device("cpu")
    assert next(predictor.checkpoint.model.parameters()).device == torch.device("cpu")
    assert choose_device("cuda") == torch.device("cuda")  # what the code asks for by name stays


def test_absent_and_unknown_devices(monkeypatch, path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "mps"):
        with pytest.raises(ValueError, match=f"this machine has no {device}"):
            Predictor.load(path, device)
        monkeypatch.setenv("HETMOE_DEVICE", device)
        with pytest.raises(ValueError, match=f"this machine has no {device}"):
            Predictor.load(path)
    monkeypatch.setenv("HETMOE_DEVICE", "tpu")
    with pytest.raises(ValueError, match="unknown device 'tpu': choose one of auto, cuda, mps, cpu"):
        Predictor.load(path)


def if_there(device: str, there: bool) -> Any:
    return pytest.param(device, marks=pytest.mark.skipif(not there, reason=f"this machine has no {device}"))


@pytest.mark.parametrize(
    "device",
    [if_there("cuda", torch.cuda.is_available()), if_there("mps", torch.backends.mps.is_available())],
)
@pytest.mark.parametrize("weights", ["tiny", "homogeneous", "heterogeneous", "hybrid"])
def test_every_device_answers_as_the_cpu_does(path, device, weights):
    if weights != "tiny":
        path = default_checkpoint(weights)
    expected = predictions_of(Predictor.load(path, "cpu"))
    for modality, p in predictions_of(Predictor.load(path, device)).items():
        assert_same(p, expected[modality], tolerance=1e-4)


# Threads


def test_eight_threads_get_the_same_answers(predictor):
    expected = predictions_of(predictor)
    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(lambda _: predictions_of(predictor), range(24)):
            for modality, p in answers.items():
                assert_same(p, expected[modality], 1e-6)  # a row's last digit depends on the rows beside it


def test_questions_asked_meanwhile_share_a_forward_pass(path, monkeypatch):
    """The first thread is kept in its pass until the seven others have asked."""
    predictor = Predictor.load(path, "cpu")
    sizes: list[int] = []
    everyone_has_asked = threading.Event()
    encodings = {"spatial": encode_picture(Image.open(PICTURE))}
    expected = predictor.predict(encodings)["spatial"]
    forward = predictor.checkpoint.model.forward

    def slow(rows: torch.Tensor) -> MoEOutput:
        sizes.append(len(rows))
        assert everyone_has_asked.wait(60)
        return forward(rows)

    monkeypatch.setattr(predictor.checkpoint.model, "forward", slow)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(predictor.predict, encodings) for _ in range(8)]
        while len(predictor._asked) < 7:
            time.sleep(0.01)
        everyone_has_asked.set()
        for answer in answers:
            assert_same(answer.result()["spatial"], expected, 1e-6)
    assert sizes == [1, 7]


class Broken(torch.nn.Module):
    """Fails as a GPU does, which most machines with these tests have not."""

    def __init__(self, error: RuntimeError, device: str = "meta") -> None:
        super().__init__()
        self.error = error
        self.parameter = torch.nn.Parameter(torch.zeros(1, device=device))

    def forward(self, rows: torch.Tensor) -> MoEOutput:
        raise self.error

    @property
    def config(self) -> ModelConfig:
        raise self.error

    @property
    def experts(self) -> torch.nn.ModuleList:
        raise self.error


FAILURES = [
    torch.OutOfMemoryError("the GPU is gone"),
    torch.AcceleratorError("the GPU is gone"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`: the GPU is gone"),
]


def failing(path: Path, error: RuntimeError) -> Predictor:
    predictor = Predictor(load_checkpoint(path), torch.device("meta"))
    predictor.checkpoint = dataclasses.replace(predictor.checkpoint, model=Broken(error))  # type: ignore[arg-type]
    return predictor


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_the_cpu_goes_on_where_a_gpu_fails(path, error):
    expected = predictions_of(Predictor.load(path, "cpu"))
    predictor = failing(path, error)
    with pytest.warns(UserWarning, match="meta has failed, so the CPU goes on: .*the GPU is gone"):
        answers = predictions_of(predictor)
    for modality, p in answers.items():
        assert_same(p, expected[modality])
    assert predictor.device.type == "cpu"


@pytest.mark.parametrize("ask", [lambda p, x: attributions(p, x, "spatial", 3), lambda p, x: inside(p, x, "spatial")])
def test_a_closer_look_goes_on_there_too(path, ask):
    x = encode_picture(Image.open(PICTURE))
    predictor = failing(path, FAILURES[0])
    with pytest.warns(UserWarning, match="the CPU goes on"):
        assert len(ask(predictor, x)) == len(ask(Predictor.load(path, "cpu"), x))
    assert predictor.device.type == "cpu"


def test_eight_threads_that_meet_it_together_go_on(path):
    predictor = failing(path, FAILURES[0])
    x = encode_picture(Image.open(PICTURE))
    expected = attributions(Predictor.load(path, "cpu"), x, "spatial", 3)
    with ThreadPoolExecutor(8) as pool, pytest.warns(UserWarning, match="the CPU goes on"):
        answers = list(pool.map(lambda _: attributions(predictor, x, "spatial", 3), range(8)))
    for rows in answers:
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_gpu_that_is_full_at_the_start_leaves_it_to_the_cpu(path, monkeypatch):
    def load(path: Path, device: torch.device) -> Checkpoint:
        if device.type != "cpu":
            raise FAILURES[0]
        return load_checkpoint(path, device)

    monkeypatch.setattr(inference, "load_checkpoint", load)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.warns(UserWarning, match="cuda has failed, so the CPU goes on: the GPU is gone"):
        assert Predictor.load(path, "cuda").device.type == "cpu"


def test_what_fails_on_the_cpu_fails_for_all_who_asked_and_for_nobody_after(path):
    predictor = Predictor.load(path, "cpu")
    sound = predictor.checkpoint
    encodings = {"spatial": encode_picture(Image.open(PICTURE))}
    predictor.checkpoint = dataclasses.replace(sound, model=Broken(RuntimeError("the GPU is gone"), "cpu"))  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as pool:
        for answer in [pool.submit(predictor.predict, encodings) for _ in range(8)]:
            with pytest.raises(RuntimeError, match="the GPU is gone"):
                answer.result(60)
    predictor.checkpoint = sound
    assert predictor.predict(encodings)


def test_the_published_checkpoints_have_a_place():
    weights = Path(inference.__file__).parents[1] / "weights"
    assert default_checkpoint("hybrid") == weights / "frontier-hybrid.safetensors"
    assert default_checkpoint("hybrid", "replica") == weights / "replica-hybrid.safetensors"
