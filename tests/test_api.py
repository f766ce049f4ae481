"""The named end points, called by gradio_client on the running app."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from hetmoe.demo.page import load_predictors
from hetmoe.demo.sources import examples

ENDPOINTS = {"/classify_picture": "picture", "/classify_sound": "sound", "/classify_digit": "digit"}


@pytest.fixture(scope="module")
def client(app_url: str) -> Client:
    return Client(app_url, verbose=False)


def first_example(kind: str) -> Path:
    return next(iter(examples(kind).values()))


def assert_is_prediction(answer: dict[str, Any], modality: str) -> None:
    assert answer["modality"] == modality
    assert len(answer["encoding"]) == 1024
    assert list(answer["experts"]) == list(answer["routing_weights"]) == list(answer["expert_logits"])
    assert len(answer["experts"]) == 4
    assert set(answer["labels"]) == set(answer["probabilities"])
    assert len(answer["labels"]) == 10
    for shares in (answer["routing_weights"], answer["probabilities"], *answer["experts"].values()):
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_a_picture_and_a_digit_give_one_prediction(client: Client) -> None:
    for endpoint, modality in (("/classify_picture", "spatial"), ("/classify_digit", "relational")):
        file = handle_file(first_example(ENDPOINTS[endpoint]))
        assert_is_prediction(client.predict(file, api_name=endpoint), modality)


def test_a_sound_gives_two_predictions(client: Client) -> None:
    answer = client.predict(handle_file(first_example("sound")), api_name="/classify_sound")
    assert list(answer) == ["temporal", "spectral"]
    for modality, prediction in answer.items():
        assert_is_prediction(prediction, modality)


def test_the_configuration_is_the_second_parameter_and_the_family_the_third(client: Client) -> None:
    file = first_example("digit")
    for family, predictors in load_predictors().items():
        for name, predictor in predictors.items():
            answer = client.predict(handle_file(file), name, family, api_name="/classify_digit")
            expected = predictor.digit(file)
            assert list(answer["experts"]) == list(expected.experts)
            assert answer["encoding"] == expected.encoding.tolist()
            assert answer["probabilities"] == pytest.approx(dict(expected.top(10)), abs=1e-4)
    with pytest.raises(AppError, match="heterogeneous, hybrid, homogeneous"):
        client.predict(handle_file(file), "enormous", api_name="/classify_digit")
    with pytest.raises(AppError, match="There is no family 'enormous'; choose one of frontier, replica"):
        client.predict(handle_file(file), family="enormous", api_name="/classify_digit")


def test_frontier_answers_if_nobody_says_who(client: Client) -> None:
    file = first_example("sound")
    answers = [
        client.predict(handle_file(file), api_name="/classify_sound", **family)
        for family in ({}, {"family": "frontier"}, {"family": "replica"})
    ]
    assert answers[0] == answers[1]
    assert all(answers[0][modality]["encoding"] != answers[2][modality]["encoding"] for modality in answers[0])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_bad_file_is_refused_with_a_sentence(client: Client, endpoint: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.png"
    for content in (b"", b"neither a picture nor a sound"):
        file.write_bytes(content)
        with pytest.raises(AppError, match=r"This file .* [Pp]lease"):
            client.predict(handle_file(file), api_name=endpoint)
    with pytest.raises(AppError, match="Please send a file"):
        client.predict("hello", api_name=endpoint)


def test_there_are_three_end_points(client: Client) -> None:
    api = client.view_api(print_info=False, return_format="dict")
    assert set(api["named_endpoints"]) == set(ENDPOINTS)
    assert not api["unnamed_endpoints"]


def test_only_uploads_and_examples_can_be_read(app_url: str) -> None:
    private = first_example("picture").parents[3] / "app.py"
    for path, status in ((private, 404), (first_example("picture"), 200)):
        assert httpx.get(f"{app_url}/gradio_api/file={quote(path.as_posix())}").status_code == status

    call = f"{app_url}/gradio_api/call/classify_picture"
    marked = {"path": str(private), "meta": {"_type": "gradio.FileData"}}
    refused = httpx.post(call, json={"data": [marked, "heterogeneous", "frontier"]})
    assert refused.status_code == 422 and "Please send the file" in refused.json()["detail"]
    started = httpx.post(call, json={"data": [{"path": str(private)}, "heterogeneous", "frontier"]})
    reply = httpx.get(f"{call}/{started.json()['event_id']}").text
    assert reply.startswith("event: error") and "Please send a file" in reply
