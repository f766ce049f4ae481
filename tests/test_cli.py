"""`python -m hetmoe predict`: tables for people, JSON for programs, a sentence where it cannot."""

import json
from pathlib import Path

import pytest

from hetmoe.__main__ import main
from hetmoe.encoding import encode_digit, open_picture
from tests.media import SAMPLES

PICTURE = SAMPLES / "cifar10-00013-horse.png"
WORD = SAMPLES / "speech-189cbabe_nohash_3-on.wav"
DIGIT = SAMPLES / "mnist-00004-4.png"


@pytest.mark.parametrize(
    ("arguments", "modalities"),
    [
        ([PICTURE], ["spatial"]),
        ([WORD], ["temporal", "spectral"]),
        ([DIGIT, "--as", "digit"], ["relational"]),
        ([DIGIT, "--as", "picture", "--configuration", "homogeneous"], ["spatial"]),
        ([WORD, "--family", "replica"], ["temporal", "spectral"]),
    ],
)
def test_predict(arguments: list[object], modalities: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", *map(str, arguments)]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    predictions = json.loads(capsys.readouterr().out)
    assert [p["modality"] for p in predictions] == modalities
    for p in predictions:
        assert sum(p["routing_weights"].values()) == pytest.approx(1)
        assert f"{p['modality']}: {p['label']}" in table
        for expert, weight in p["routing_weights"].items():
            assert any(line.split()[: len(expert.split())] == expert.split() and f"{weight:.1%}" in line
                       for line in table.splitlines())  # fmt: skip


def test_the_family_is_frontier_unless_another_one_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    def encoding(*family: str) -> list[float]:
        assert main(["predict", str(DIGIT), "--as", "digit", "--json", *family]) == 0
        (prediction,) = json.loads(capsys.readouterr().out)
        found: list[float] = prediction["encoding"]
        return found

    image = open_picture(DIGIT)
    assert encoding() == encoding("--family", "frontier") == encode_digit(image, "frontier").tolist()
    assert encoding("--family", "replica") == encode_digit(image, "replica").tolist()
    with pytest.raises(SystemExit):
        main(["predict", str(DIGIT), "--family", "enormous"])
    assert "'enormous' (choose from" in capsys.readouterr().err


def test_bad_files_give_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.png").write_bytes(PICTURE.read_bytes()[:50])
    (tmp_path / "foreign.safetensors").write_bytes(b"not a checkpoint")
    for arguments, said in (
        ([tmp_path / "missing.png"], "missing.png"),
        ([tmp_path / "broken.png"], "could not be read"),
        ([PICTURE, "--as", "recording"], "could not be read"),
        ([PICTURE, "--checkpoint", tmp_path / "foreign.safetensors"], "foreign.safetensors"),
    ):
        assert main(["predict", *map(str, arguments)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert said in captured.err
