"""Checkpoints: bit for bit back, whole or not at all, and refused by name when anything does not fit."""

import dataclasses
import json
import math
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hetmoe import checkpoint
from hetmoe.checkpoint import KEY, CheckpointError, load_checkpoint, read_tensors, save_checkpoint
from hetmoe.encoding import MODALITIES
from hetmoe.model import HetMoE
from tests.media import SAMPLES
from tests.tiny import tiny_checkpoint, tiny_config, tiny_frontier_config

WEIGHTS = Path(__file__).parents[1] / "weights"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "model.safetensors", tiny_checkpoint())
    return tmp_path / "model.safetensors"


def header_of(path: Path) -> dict[str, Any]:
    return json.loads(read_tensors(path)[0][KEY])


def rewrite(path: Path, tensors: dict[str, torch.Tensor] | None = None, *, sign: bool = True, **changes: Any) -> None:
    """Writes the file anew with other tensors or header entries (None removes one), its SHA-256 fitting if `sign`."""
    header = {name: value for name, value in (header_of(path) | changes).items() if value is not None}
    tensors = load_file(path) if tensors is None else tensors
    if sign:
        header.pop("sha256")
        header["sha256"] = checkpoint._digest(header, tensors)
    save_file(tensors, path, {KEY: json.dumps(header)})


def refusal(path: Path) -> str:
    """What the file is refused with; the message always names the file."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# Round trip


@pytest.mark.parametrize("configuration", ["homogeneous", "heterogeneous", "hybrid"])
def test_round_trip_bit_for_bit(tmp_path, configuration):
    saved = tiny_checkpoint(configuration)
    save_checkpoint(tmp_path / "new" / "folder" / "model.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "new" / "folder" / "model.safetensors")
    before, after = saved.model.state_dict(), loaded.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)
    assert loaded.model.config == saved.model.config
    for field in ("family", "statistics", "labels", "temperatures", "metrics", "provenance"):
        assert getattr(loaded, field) == getattr(saved, field)
    assert not loaded.model.training
    x = torch.randn(3, 1024)
    for one, other in zip(saved.model(x)[:3], loaded.model(x)[:3], strict=True):
        assert torch.equal(one, other)


def test_round_trip_of_the_frontier_family(tmp_path):
    """A router on a summary, with statistics of its own, thresholded routing, and a temperature for each modality."""
    torch.manual_seed(0)
    model = HetMoE(tiny_frontier_config())
    model(2 * torch.randn(8, 1024) + 1)
    temperatures = {modality: 0.1 + 0.2 * i for i, modality in enumerate(MODALITIES)}
    checkpoint = tiny_checkpoint(family="frontier")
    saved = dataclasses.replace(checkpoint, model=model.eval(), temperatures=temperatures)
    save_checkpoint(tmp_path / "model.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert (loaded.family, loaded.temperatures, loaded.model.config) == ("frontier", temperatures, model.config)
    x = torch.randn(3, 1024)
    for one, other in zip(model(x)[:3], loaded.model(x)[:3], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("routing", ["top-1", "uniform"])
def test_round_trip_of_a_control(tmp_path, routing):
    config = dataclasses.replace(tiny_config(), routing=routing)
    saved = dataclasses.replace(tiny_checkpoint(), model=HetMoE(config).eval())
    save_checkpoint(tmp_path / "model.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "model.safetensors").model
    assert loaded.config == config
    x = torch.randn(3, 1024)
    for one, other in zip(saved.model(x)[:3], loaded(x)[:3], strict=True):
        assert torch.equal(one, other)


def test_a_file_from_before_there_was_a_choice_of_routing(path):
    """As the published ones are."""
    config = header_of(path)["config"]
    assert (config.pop("routing"), config.pop("router")) == ("learned", "inputs")
    rewrite(path, config=config)
    loaded, x = load_checkpoint(path).model, torch.randn(3, 1024)
    assert loaded.config == tiny_config()
    assert torch.equal(loaded(x).logits, tiny_checkpoint().model(x).logits)


@pytest.mark.parametrize("configuration", ["homogeneous", "heterogeneous", "hybrid"])
def test_the_published_replica(configuration):
    loaded = load_checkpoint(WEIGHTS / f"replica-{configuration}.safetensors")
    assert loaded.family == loaded.provenance["family"] == "replica"
    assert loaded.provenance["configuration"] == configuration
    assert (loaded.model.config.routing, loaded.model.config.router) == ("learned", "inputs")
    assert set(loaded.temperatures) == set(MODALITIES)
    assert all(0.5 < t < 20 for t in loaded.temperatures.values())


def test_floats_in_the_header_keep_every_bit(tmp_path):
    saved = tiny_checkpoint()
    numbers = {"a": 0.1 + 0.2, "b": 1 / 3, "c": 5e-324, "d": math.pi}
    saved.metrics.update(numbers)
    save_checkpoint(tmp_path / "a", saved)
    assert load_checkpoint(tmp_path / "a").metrics == saved.metrics


def test_the_same_model_is_the_same_file(tmp_path):
    for name in ("a", "b"):
        save_checkpoint(tmp_path / name, tiny_checkpoint())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_in_channels_last_is_the_same_model(tmp_path):
    """The spatial expert keeps its weights so; files do not know of it."""
    saved = tiny_checkpoint()
    save_checkpoint(tmp_path / "a", saved)
    weight = load_checkpoint(tmp_path / "a").model.get_parameter("experts.0.residual.0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert load_file(tmp_path / "a")["experts.0.residual.0.weight"].is_contiguous()


# Whole or not at all


@pytest.mark.parametrize("failure", [OSError("no space left on device"), KeyboardInterrupt(), MemoryError()])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, failure):
    before = path.read_bytes()

    def half_a_file(_tensors: object, part: str, _metadata: object) -> None:
        Path(part).write_bytes(before[: len(before) // 2])
        raise failure

    monkeypatch.setattr(checkpoint, "save_file", half_a_file)
    with pytest.raises(type(failure)):
        save_checkpoint(path, tiny_checkpoint(seed=1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(type(failure)):
        save_checkpoint(path.parent / "other.safetensors", tiny_checkpoint(seed=1))
    assert list(path.parent.iterdir()) == [path]


def test_a_save_replaces_the_old_file(path):
    save_checkpoint(path, tiny_checkpoint(seed=1))
    assert load_checkpoint(path).provenance["seed"] == 1
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


# Damaged


def test_a_file_replaced_while_it_is_read_is_the_old_one_or_the_new_one(path):
    old = tiny_checkpoint()
    new = dataclasses.replace(old, metrics={"accuracy": 1.0})
    done = threading.Event()

    def replace_again_and_again() -> None:
        while not done.is_set():
            for known in (new, old):
                save_checkpoint(path, known)

    writer = threading.Thread(target=replace_again_and_again)
    writer.start()
    try:
        seen = [load_checkpoint(path).metrics for _ in range(20)]
        while old.metrics not in seen or new.metrics not in seen:
            seen.append(load_checkpoint(path).metrics)
    finally:
        done.set()
        writer.join()
    assert all(metrics in (old.metrics, new.metrics) for metrics in seen)


def test_truncated_files(path):
    whole = path.read_bytes()
    for n in (0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:n])
        assert "truncated or not a safetensors file" in refusal(path)


def test_a_byte_too_many(path):
    path.write_bytes(path.read_bytes() + b"\0")
    assert "truncated or not a safetensors file" in refusal(path)


def test_one_bit_of_any_tensor(path):
    whole = path.read_bytes()
    data = 8 + int.from_bytes(whole[:8], "little")
    for at in (data, data + 1, (data + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "changed since it was written" in refusal(path)


def test_one_bit_of_the_header(path):
    """Its length, a name, a shape, a label, a digit of a number: each is noticed."""
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    for at in (*range(8), *np.random.default_rng(0).integers(8, end, 150)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 2]) + whole[at + 1 :])
        refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"test/all/accuracy": 0.99}},
        {"provenance": {"seed": 7}},
        {"statistics": {m: {"mean": 0.0, "std": 1.0} for m in ("spatial", "temporal", "spectral", "relational")}},
        {"labels": {m: list("abcdefghij") for m in ("spatial", "temporal", "spectral", "relational")}},
        {"family": "frontier"},
        {"temperatures": dict.fromkeys(("spatial", "temporal", "spectral", "relational"), 1.0)},
        {"comment": "one entry more"},
        {"metrics": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_header(path, change):
    rewrite(path, sign=False, **change)
    assert "changed since it was written" in refusal(path)


def test_two_tensors_of_one_shape_exchanged(path):
    tensors = load_file(path)
    first, second = "experts.3.blocks.0.mlp.0.weight", "experts.3.blocks.1.mlp.0.weight"
    tensors[first], tensors[second] = tensors[second], tensors[first]
    rewrite(path, tensors, sign=False)
    assert "changed since it was written" in refusal(path)


# Of another architecture: these files are consistent in themselves


def test_a_missing_tensor_is_named(path):
    tensors = load_file(path)
    del tensors["router.mlp.0.weight"]
    rewrite(path, tensors)
    assert refusal(path).endswith("does not fit its configuration: router.mlp.0.weight is missing")


def test_an_extra_tensor_is_named(path):
    rewrite(path, load_file(path) | {"experts.4.weight": torch.zeros(2)})
    assert refusal(path).endswith("does not fit its configuration: experts.4.weight is not part of the model")


def test_a_reshaped_tensor_is_named_with_both_shapes(path):
    tensors = load_file(path)
    tensors["router.mlp.0.weight"] = tensors["router.mlp.0.weight"].T.contiguous()
    rewrite(path, tensors)
    assert "router.mlp.0.weight is torch.float32 (1024, 4) instead of torch.float32 (4, 1024)" in refusal(path)


def test_a_tensor_of_another_type_is_named_with_both_types(path):
    tensors = load_file(path)
    tensors["router.mlp.0.bias"] = tensors["router.mlp.0.bias"].half()
    rewrite(path, tensors)
    assert "router.mlp.0.bias is torch.float16 (4,) instead of torch.float32 (4,)" in refusal(path)


def test_many_differences_are_counted(path):
    rewrite(path, {"weight": torch.zeros(2)})
    n = len(tiny_checkpoint().model.state_dict())
    assert f"(and {n + 1 - 3} more)" in refusal(path)


def test_a_configuration_of_other_experts(path):
    config = header_of(path)["config"]
    rewrite(path, config=config | {"experts": [{"name": "ffn", "width": 2, "hidden": 3}] * 4})
    assert re.search(r"does not fit its configuration: experts\.\S+ is missing", refusal(path))
    rewrite(path, config=config | {"experts": [{"name": "recurrent", "width": 2, "hidden": 3}]})
    assert "unknown expert 'recurrent'" in refusal(path)


def test_an_absurdly_large_configuration_is_refused_before_it_is_built(path):
    rewrite(path, config=header_of(path)["config"] | {"experts": [{"name": "ffn", "width": 10**12, "hidden": 10**6}]})
    assert "does not fit its configuration" in refusal(path)


# Family, labels, statistics and temperatures


@pytest.mark.parametrize("family", ["frontiers", "", None, ["frontier"], 1])
def test_an_unknown_family(path, family):
    header: dict[str, Any] = header_of(path) | {"family": family}
    header.pop("sha256")
    header["sha256"] = checkpoint._digest(header, load_file(path))
    save_file(load_file(path), path, {KEY: json.dumps(header)})
    families = "this version of hetmoe encodes ('frontier', 'replica')"
    assert refusal(path).endswith(f"is of the family {family!r}; {families}")


@pytest.mark.parametrize("value", [0.0, -1.5, math.nan, math.inf, -math.inf])
def test_a_temperature_that_cannot_be_divided_by(path, value):
    rewrite(path, temperatures=header_of(path)["temperatures"] | {"spectral": value})
    assert refusal(path).endswith(f"has an unusable temperature for spectral: {value}")


@pytest.mark.parametrize("value", ["1.5", None, [1.5]])
def test_a_temperature_of_another_form(path, value):
    rewrite(path, temperatures=header_of(path)["temperatures"] | {"spatial": value})
    assert "damaged or foreign header" in refusal(path)


@pytest.mark.parametrize("what", ["labels", "statistics", "temperatures"])
def test_a_modality_without_labels_statistics_or_temperature(path, what):
    entries = header_of(path)[what]
    three: dict[str, Any] = {what: {m: entries[m] for m in ("spatial", "temporal", "spectral")}}
    rewrite(path, **three)
    assert f"has {what} for ['spatial', 'spectral', 'temporal'], but the modalities are" in refusal(path)
    five: dict[str, Any] = {what: entries | {"tactile": entries["spatial"]}}
    rewrite(path, **five)
    assert "'tactile'" in refusal(path)


def test_too_few_labels(path):
    rewrite(path, labels=header_of(path)["labels"] | {"relational": list("012345678")})
    assert "has 9 labels for relational, but the model has 10 outputs" in refusal(path)


@pytest.mark.parametrize("statistics", [{"mean": 0.5, "std": 0.0}, {"mean": 0.5, "std": -1.0}])
def test_a_standard_deviation_that_is_not_positive(path, statistics):
    rewrite(path, statistics=header_of(path)["statistics"] | {"temporal": statistics})
    assert f"unusable statistics for temporal: mean 0.5, std {statistics['std']}" in refusal(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_statistics_that_are_not_finite(path, value):
    original = header_of(path)["statistics"]
    for statistics in ({"mean": value, "std": 1.0}, {"mean": 0.0, "std": value}):
        rewrite(path, statistics=original | {"spectral": statistics})
        assert "unusable statistics for spectral" in refusal(path)


@pytest.mark.parametrize("statistics", [{"mean": 0.5}, {"mean": "0.5", "std": 1.0}, [0.5, 1.0], None, {"sd": 1}])
def test_statistics_of_another_form(path, statistics):
    rewrite(path, statistics=header_of(path)["statistics"] | {"spatial": statistics})
    assert "damaged or foreign header" in refusal(path)


# Not one of ours


@pytest.mark.parametrize(
    "name", ["family", "config", "statistics", "labels", "temperatures", "metrics", "provenance", "format"]
)
def test_a_header_without_an_entry(path, name):
    without: dict[str, Any] = {name: None}
    rewrite(path, **without)
    assert f"damaged or foreign header: KeyError('{name}')" in refusal(path)


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "null", "7", '"text"', "{}"])
def test_a_header_that_is_something_else(path, text):
    save_file(load_file(path), path, {KEY: text})
    assert "damaged or foreign header" in refusal(path)


@pytest.mark.parametrize("number", [1, 3])
def test_another_format(path, number):
    """The first had no family; that it has none is not what is said of it."""
    without: dict[str, Any] = {"format": number, "family": None, "temperatures": None}
    rewrite(path, **without)
    assert refusal(path).endswith(f"has format {number}; this version of hetmoe reads 2")


def test_a_safetensors_file_of_something_else(path):
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(3)}, path, metadata)
        assert "is a safetensors file, but not a HetMoE checkpoint" in refusal(path)


@pytest.mark.parametrize("content", [b"text", b"\xff" * 1000, next(SAMPLES.glob("*.png")).read_bytes()])
def test_files_of_another_kind(path, content):
    path.write_bytes(content)
    assert "truncated or not a safetensors file" in refusal(path)


def test_no_file(tmp_path):
    assert refusal(tmp_path / "gone.safetensors").startswith("there is no checkpoint at ")
    assert refusal(tmp_path).startswith("there is no checkpoint at ")


# No pickle


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


def test_a_pickle_is_refused_and_not_run(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    path.write_bytes(pickle.dumps(Bomb()))
    assert "not a safetensors file" in refusal(path)
    torch.save({"weight": torch.zeros(3), "bomb": Bomb()}, path)
    assert "not a safetensors file" in refusal(path)
    assert not Path("exploded").exists()


def test_the_module_cannot_unpickle():
    source = Path(checkpoint.__file__).read_text()
    assert not re.search(r"(import|from) (c?pickle|dill|joblib|shelve)|torch\.load|allow_pickle", source)
