"""What the page is given to look closer, and what it is told if it asks nonsense."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from hetmoe.analysis import attributions, inside
from hetmoe.demo import closer
from hetmoe.demo.classify import Models
from hetmoe.demo.closer import BUSY, _in_bands, look_closer
from hetmoe.encoding import FAMILIES
from hetmoe.inference import Predictor
from tests.tiny import tiny_checkpoint

ENCODING = np.random.default_rng(0).uniform(0, 1, 1024).astype(np.float32).round(4)
QUESTION = {
    "family": "replica",
    "configuration": "heterogeneous",
    "modality": "spatial",
    "label": "frog",
    "encoding": ENCODING.tolist(),
}
SHORT: list[Any] = [0.5] * 1023


@pytest.fixture(scope="module")
def models() -> Models:
    names = ("heterogeneous", "hybrid", "homogeneous")
    return {
        family: {name: Predictor(tiny_checkpoint(name, family=family), torch.device("cpu")) for name in names}
        for family in FAMILIES
    }


def test_gives_what_the_library_computes_for_that_class_rounded(models: Models) -> None:
    answer = look_closer(models, QUESTION)
    predictor = models["replica"]["heterogeneous"]
    labels = predictor.checkpoint.labels["spatial"]
    exact = attributions(predictor, ENCODING, "spatial", labels.index("frog"))
    assert list(answer["attributions"]) == ["spatial", "temporal", "spectral", "relational"]
    for row, sent in zip(exact, answer["attributions"].values(), strict=True):
        largest = float(np.abs(row).max())
        assert len(sent) == 1024
        assert np.abs(row - sent).max() <= largest / 200
        assert sum(sent) == pytest.approx(float(row.sum()), abs=0.2 * largest)
    views = inside(predictor, ENCODING, "spatial")
    assert answer["inside"]["temporal"]["receptive_field"] == 481
    for expert, part in (("spatial", "activation"), ("temporal", "activation"), ("relational", "attention")):
        assert answer["inside"][expert][part] == pytest.approx(np.array(views[expert][part]), abs=0.005)
    assert np.shape(answer["inside"]["spectral"]["magnitude_response"]) == (1, 64)  # the tiny model has one filter


def test_the_frontiers_filters_are_of_the_whole_grid(models: Models) -> None:
    answer = look_closer(models, QUESTION | {"family": "frontier"})
    predictor = models["frontier"]["heterogeneous"]
    views = inside(predictor, ENCODING, "spatial")
    response = np.array(answer["inside"]["spectral"]["magnitude_response"])
    assert response.shape == (1, 32, 17)  # the tiny model has one filter
    np.testing.assert_allclose(response, views["spectral"]["magnitude_response"], atol=0.005)


def test_another_class_and_another_modality_have_another_answer(models: Models) -> None:
    answers = [
        look_closer(models, QUESTION | change)["attributions"]
        for change in ({}, {"label": "ship"}, {"modality": "relational", "label": "3"})
    ]
    assert answers[0] != answers[1] != answers[2] != answers[0]


def test_only_experts_with_a_view_have_one_and_zeros_are_fine(models: Models) -> None:
    mean = models["replica"]["hybrid"].checkpoint.statistics["temporal"].mean  # standardised, the baseline itself
    change = {"configuration": "hybrid", "modality": "temporal", "label": "yes", "encoding": [mean] * 1024}
    answer = look_closer(models, QUESTION | change)
    assert list(answer["attributions"]) == ["ffn", "spatial", "temporal", "spectral"]
    assert list(answer["inside"]) == ["spatial", "temporal", "spectral"]
    assert not np.any(list(answer["attributions"].values()))
    assert look_closer(models, QUESTION | {"configuration": "homogeneous"})["inside"] == {}


def test_stays_small(models: Models) -> None:
    assert len(json.dumps(look_closer(models, QUESTION))) < 70_000


def test_several_visitors_are_looked_after_one_at_a_time(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    def slowly(*_: object) -> np.ndarray:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return np.zeros((4, 1024))

    monkeypatch.setattr("hetmoe.demo.closer.attributions", slowly)
    with ThreadPoolExecutor(4) as visitors:
        assert len(list(visitors.map(partial(look_closer, models), [QUESTION] * 4))) == 4
    assert most == 1


def test_bands_widen_from_a_single_bin_to_the_mean_of_many() -> None:
    bands = _in_bands(np.arange(513.0)[None])[0]
    assert bands[0] == 0 and len(bands) == 64
    assert (np.diff(bands) >= 0).all()
    assert bands[-1] == pytest.approx(np.mean(np.arange(464, 513)), abs=1)  # 513 ** (63 / 64) = 465.3
    assert _in_bands(np.ones((2, 513))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "enormous"}, "takes a family"),
        ({"family": ["replica"]}, "takes a family"),
        ({"configuration": "large"}, "choose one of heterogeneous, hybrid"),
        ({"configuration": ["hybrid"]}, "takes a family, a configuration"),
        ({"modality": "smell"}, "choose one of spatial"),
        ({"modality": None}, "takes a family, a configuration"),
        ({"label": "yes"}, "airplane"),  # a word is no label of a picture
        ({"label": 3}, "takes a family, a configuration"),
        ({"encoding": []}, "1024 numbers"),
        ({"encoding": [0.5] * 1025}, "1024 numbers"),
        ({"encoding": "0" * 1024}, "1024 numbers"),
        ({"encoding": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}, "1024 numbers"),
        *(({"encoding": [*SHORT, x]}, "1024 numbers") for x in (float("nan"), float("inf"), True, "0", None)),
        *(({"encoding": [*SHORT, x]}, "1024 numbers") for x in (1e9, -(10**400), [0.5])),
    ],
)
def test_nonsense_gets_a_sentence(models: Models, change: dict[str, Any], words: str) -> None:
    answer = look_closer(models, QUESTION | change)
    assert list(answer) == ["message"]
    assert words in answer["message"]


@pytest.mark.parametrize("question", [None, [], "closer", 7, {}, {"encoding": [0.5] * 1024}])
def test_no_question_at_all_gets_a_sentence(models: Models, question: Any) -> None:
    assert list(look_closer(models, question)) == ["message"]


def test_a_crowd_is_told_so_instead_of_waiting(models: Models) -> None:
    """Whoever waits holds a thread that predictions need."""
    closer._one_at_a_time.acquire()
    try:
        threads = ThreadPoolExecutor(8)
        looks = [threads.submit(look_closer, models, QUESTION) for _ in range(8)]
        deadline = time.monotonic() + 10
        while sum(look.done() for look in looks) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        told = [look.result() for look in looks if look.done()]
    finally:
        closer._one_at_a_time.release()
    threads.shutdown()
    assert told == [BUSY] * 4
    assert sum("attributions" in look.result() for look in looks) == 4
