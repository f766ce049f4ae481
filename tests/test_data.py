"""The data: official layouts, splits, the cache, mixed batches, and parity with what the demo encodes."""

import hashlib
import os
import pickle
import shutil
import socket
import urllib.error
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hetmoe.encoding import (
    FAMILIES,
    MODALITIES,
    Family,
    encode_digit,
    encode_picture,
    encode_recording,
    loudest_half,
    open_picture,
    open_recording,
    row_and_column_distances,
    standardise,
)
from tests.media import SAMPLES
from training import data
from training.data import (
    LABELS,
    WORDS,
    Composition,
    DataError,
    augmented_batches,
    load_splits,
    mixed_batches,
    statistics,
)

EXAMPLES = SAMPLES.parents[1] / "hetmoe" / "demo" / "examples"
pytestmark = pytest.mark.filterwarnings("ignore:In .* these are not the official files")


def copy_of_samples(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / "data", tmp_path / "data", ignore=shutil.ignore_patterns("hetmoe-encoded")))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return copy_of_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def loaded(root) -> data.Data:
    return load_splits(root, download=False)


@pytest.fixture(scope="module")
def frontier(root) -> data.Data:
    return load_splits(root, download=False, family="frontier")


@pytest.fixture
def of_family(loaded, frontier) -> dict[Family, data.Data]:
    return {"replica": loaded, "frontier": frontier}


@pytest.fixture(autouse=True)
def no_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


def test_sizes_and_labels(loaded):
    sizes = {"spatial": (90, 10, 40), "temporal": (20, 10, 10), "spectral": (20, 10, 10), "relational": (90, 10, 40)}
    for modality in MODALITIES:
        assert len(LABELS[modality]) == 10
        for split, n in zip(loaded[:3], sizes[modality], strict=True):
            assert split.inputs[modality].shape == (n, 1024)
            assert split.inputs[modality].dtype == np.float32
            assert isinstance(split.inputs[modality], np.memmap)
            assert split.labels[modality].dtype == np.int64
            assert (np.bincount(split.labels[modality], minlength=10) == n // 10).all()


def test_last_five_thousand_are_validation():
    images, labels = np.arange(50_000), np.arange(50_000) % 10
    cut = data._cut_validation(images, labels)
    assert (cut["train"][0] == np.arange(45_000)).all()
    assert (cut["validation"][0] == np.arange(45_000, 50_000)).all()


def test_no_recording_is_in_two_splits(root):
    items = data._read_speech_commands(root)
    paths = [path for split in items.values() for path in split[0]]
    assert len(set(paths)) == len(paths) == 40
    for split, (paths, labels) in items.items():
        assert [path.parent.name for path in paths] == [WORDS[label] for label in labels], split


# Parity: what the demo feeds for a file is what training used, bit for bit


@pytest.mark.parametrize("family", FAMILIES)
def test_parity_of_pictures_and_digits(root, of_family, tmp_path, family):
    for reader, modality, encode in (
        (data._read_cifar10, "spatial", encode_picture),
        (data._read_mnist, "relational", partial(encode_digit, family=family)),
    ):
        images, _ = reader(root)["test"]
        for i, pixels in enumerate(images):
            Image.fromarray(pixels).save(tmp_path / "file.png")
            fed = encode(open_picture(tmp_path / "file.png"))
            assert (fed == of_family[family].test.inputs[modality][i]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_parity_of_recordings(root, of_family, family):
    for split in ("train", "test"):
        paths, _ = data._read_speech_commands(root)[split]
        for i, path in enumerate(paths):
            for source in (path, path.read_bytes()):
                for modality, fed in encode_recording(*open_recording(source), family).items():
                    assert (fed == getattr(of_family[family], split).inputs[modality][i]).all()


def test_the_families_differ_in_their_encodings_alone(of_family):
    replica, frontier = of_family["replica"], of_family["frontier"]
    for first, second in zip(replica[:3], frontier[:3], strict=True):
        for modality in MODALITIES:
            assert np.array_equal(first.labels[modality], second.labels[modality])
            same = np.array_equal(first.inputs[modality], second.inputs[modality])
            assert same == (modality == "spatial")
    assert replica.fingerprint != frontier.fingerprint


def test_parity_of_the_examples_that_are_in_the_tiny_test_set(root, loaded):
    """CIFAR-10's and MNIST's first test items are both examples (or samples) and in the tiny data folder."""
    found = 0
    for path in [*SAMPLES.glob("*.png"), *EXAMPLES.glob("*.png")]:
        modality, encode = ("spatial", encode_picture) if "cifar" in path.name else ("relational", encode_digit)
        label = LABELS[modality].index(path.stem.split("-")[-1])
        fed = encode(open_picture(path))
        matches = (loaded.test.inputs[modality] == fed).all(axis=1)
        assert (loaded.test.labels[modality][matches] == label).all()
        found += int(matches.any())
    assert found >= 5


def test_there_are_five_examples_of_each_kind():
    for pattern in ("cifar10-*.png", "mnist-*.png", "speech-*.wav"):
        assert len({path.stem.split("-")[-1] for path in EXAMPLES.glob(pattern)}) == 5
    assert sum(path.stat().st_size for path in EXAMPLES.iterdir()) < 1e6


# The cache


def test_cache_is_used_and_renewed_when_the_encoding_changes(tmp_path, monkeypatch):
    root = copy_of_samples(tmp_path)
    first = load_splits(root, download=False)
    assert [folder.name.split("-")[0] for folder in (root / "hetmoe-encoded").iterdir()] == ["replica"]  # no leftovers
    with monkeypatch.context() as patch:
        patch.setattr(data, "_encode_all", lambda *_: pytest.fail("encoded again"))
        assert load_splits(root, download=False).fingerprint == first.fingerprint
    monkeypatch.setattr(data, "ENCODING_SOURCE", data.ENCODING_SOURCE + "# changed\n")
    assert load_splits(root, download=False).fingerprint == first.fingerprint  # made again, with the same result
    assert len(list((root / "hetmoe-encoded").iterdir())) == 2


def test_cache_is_renewed_when_a_file_changes(tmp_path):
    root = copy_of_samples(tmp_path)
    first = load_splits(root, download=False)
    listed = (root / "SpeechCommands/speech_commands_v0.02/testing_list.txt").read_text().split()
    next(
        p for p in (root / "SpeechCommands/speech_commands_v0.02/yes").iterdir() if f"yes/{p.name}" not in listed
    ).unlink()
    second = load_splits(root, download=False)
    assert len(second.train.labels["temporal"]) + len(second.validation.labels["temporal"]) == 29
    assert second.fingerprint != first.fingerprint


def test_fingerprint_covers_all_arrays(loaded, root):
    (folder,) = (root / "hetmoe-encoded").glob("replica-*")
    digest = hashlib.sha256()
    for modalities in (["spatial"], ["temporal", "spectral"], ["relational"]):
        for split in ("train", "validation", "test"):
            for modality in modalities:
                for kind in ("inputs", "labels"):
                    array = np.load(folder / f"{split}-{modality}-{kind}.npy")
                    digest.update(f"{split} {modality} {kind} {array.shape}".encode() + array.tobytes())
    assert loaded.fingerprint == digest.hexdigest()


def test_interrupted_encoding_leaves_nothing(tmp_path, monkeypatch):
    root = copy_of_samples(tmp_path)
    read = data.DATA_SETS[2]._replace(read=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(data, "DATA_SETS", (*data.DATA_SETS[:2], read))
    with pytest.raises(KeyboardInterrupt):
        load_splits(root, download=False)
    assert list((root / "hetmoe-encoded").iterdir()) == []


def test_read_only_data_folder(tmp_path, monkeypatch):
    root = copy_of_samples(tmp_path)
    (root / "hetmoe-encoded").touch()  # a file where the folder should be: cannot be written, even by root
    load_splits(root, download=False)
    assert len(list((tmp_path / "user-cache" / "hetmoe").iterdir())) == 1
    monkeypatch.setattr(data, "_encode_all", lambda *_: pytest.fail("encoded again"))
    load_splits(root, download=False)


def test_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match="could not be written.*No space left"):
        load_splits(copy_of_samples(tmp_path), download=False)


def test_silent_recordings_are_left_out_with_a_warning(tmp_path):
    root = copy_of_samples(tmp_path)
    path = root / "SpeechCommands/speech_commands_v0.02" / "yes" / "00000000_nohash_0.wav"
    data.encoding.soundfile.write(path, np.zeros(16000), 16000)
    with pytest.warns(UserWarning, match="1 of Speech Commands train were left out.*silent"):
        loaded = load_splits(root, download=False, family="frontier")
    assert loaded.train.inputs["temporal"].shape == (20, 1024)
    assert loaded.train.labels["temporal"].shape == (20,)
    assert loaded.raw["sound"].shape == (20, 16000)


def test_the_frontier_keeps_its_raw_training_inputs_in_the_order_of_the_labels(of_family):
    frontier = of_family["frontier"]
    assert of_family["replica"].raw == {}
    shapes = {kind: (raw.shape, raw.dtype) for kind, raw in frontier.raw.items()}
    assert shapes == {
        "digit": ((90, 32, 32), np.uint8),
        "picture": ((90, 32, 32), np.uint8),
        "sound": ((20, 16000), np.int16),
    }
    pictures = frontier.raw["picture"].reshape(90, 1024) / np.float32(255)
    assert np.array_equal(pictures, frontier.train.inputs["spatial"])
    assert np.array_equal(row_and_column_distances(frontier.raw["digit"]), frontier.train.inputs["relational"])
    halves = loudest_half(frontier.raw["sound"] / np.float32(32767))
    assert (
        np.abs(halves - frontier.train.inputs["temporal"]).max() < 1e-3
    )  # 16 bits, and a window that may move a sample
    assert np.abs(frontier.raw["sound"]).max(1).tolist() == [32767] * 20


def test_each_family_has_a_cache_of_its_own(tmp_path, monkeypatch):
    root = copy_of_samples(tmp_path)
    fingerprints = {family: load_splits(root, download=False, family=family).fingerprint for family in FAMILIES}
    names = [folder.name.split("-") for folder in (root / "hetmoe-encoded").iterdir()]
    assert sorted(family for family, _ in names) == sorted(FAMILIES)
    assert len({key for _, key in names}) == 1
    monkeypatch.setattr(data, "_encode_all", lambda *_: pytest.fail("encoded again"))
    for family in FAMILIES:
        assert load_splits(root, download=False, family=family).fingerprint == fingerprints[family]


# Missing, damaged and dangerous files


def test_data_folder_is_argument_then_environment_then_working_directory(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="into data"):
        load_splits(download=False)
    monkeypatch.setenv("HETMOE_DATA", str(root))
    load_splits(download=False)
    with pytest.raises(DataError, match="elsewhere"):
        load_splits(tmp_path / "elsewhere", download=False)


@pytest.mark.parametrize(("folder", "name"), [(d.folder, d.name) for d in data.DATA_SETS])
def test_no_network_and_no_data_is_one_plain_sentence(folder, name, tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    root = copy_of_samples(tmp_path)
    shutil.rmtree(root / folder)
    with pytest.raises(DataError, match=f"{name} was not found.*downloading failed.*Please put.*--data-dir") as caught:
        load_splits(root)
    assert "\n" not in str(caught.value) and caught.value.__cause__ is None


def test_damaged_speech_archive_is_not_unpacked(tmp_path):
    root = copy_of_samples(tmp_path)
    shutil.rmtree(root / "SpeechCommands")
    (root / data.SPEECH_ARCHIVE).write_bytes(b"half a download")
    with pytest.raises(DataError, match="not the official file"):
        load_splits(root)
    assert not (root / "SpeechCommands").exists()


def test_interrupted_unpacking_of_speech_leaves_nothing(tmp_path, monkeypatch):
    import torchaudio.datasets

    def interrupted(root, download):
        (root / "SpeechCommands" / "speech_commands_v0.02").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(torchaudio.datasets, "SPEECHCOMMANDS", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data._download_speech_commands(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("default:In .* these are not the official files")
def test_unofficial_checksums_are_a_warning(root):
    with pytest.warns(UserWarning, match="cifar-10-batches-py these are not the official files: data_batch_1"):
        data._read_cifar10(root)
    with pytest.warns(UserWarning, match="raw these are not the official files"):
        data._read_mnist(root)


def test_missing_recording_of_a_list(tmp_path):
    root = copy_of_samples(tmp_path)
    folder = root / "SpeechCommands/speech_commands_v0.02"
    (folder / (folder / "testing_list.txt").read_text().split()[0]).unlink()
    with pytest.raises(DataError, match="1 recordings of its lists"):
        load_splits(root, download=False)


class Dangerous:
    def __reduce__(self):
        return os.system, ("touch dangerous",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Dangerous()),
        pickle.dumps({b"data": Path("x")}, protocol=2),
        pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [11]}),
        pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [1]}),
        pickle.dumps([1]),
        (SAMPLES / "data/cifar-10-batches-py/test_batch").read_bytes()[:2000],
        b"",
    ],
)
def test_bad_cifar10_batches_are_refused_and_nothing_is_run(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1 is not a CIFAR-10 batch"):
        data._read_batch(path)
    assert not (tmp_path / "dangerous").exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_batches_written_by_python_3_are_read(protocol, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": images, b"labels": [3] * 7, b"batch_label": b"x"}, protocol=protocol))
    read, labels = data._read_batch(path)
    assert (read.transpose(0, 3, 1, 2).reshape(7, 3072) == images).all() and labels.tolist() == [3] * 7


def test_damaged_mnist(tmp_path):
    root = copy_of_samples(tmp_path)
    (root / "MNIST/raw/t10k-images-idx3-ubyte").write_bytes(b"damaged")
    with pytest.raises(DataError, match="MNIST is damaged"):
        load_splits(root, download=False)


# Statistics and batches


def test_statistics_are_of_the_inputs_before_standardising(loaded):
    """Fault 1 of the original: its statistics were taken after standardising, so they were about 0 and 1."""
    found = statistics(loaded.train)
    for modality, (mean, std) in found.items():
        inputs = np.array(loaded.train.inputs[modality], np.float64)
        assert mean == pytest.approx(inputs.mean(), rel=1e-9, abs=1e-12)
        assert std == pytest.approx(inputs.std(), rel=1e-9)
        standard = data.standardise(loaded.train.inputs[modality], found[modality])
        assert abs(standard.mean(dtype=np.float64)) < 1e-6 and abs(standard.std(dtype=np.float64) - 1) < 1e-6
    assert found["relational"].mean > 0.5 and found["spatial"].std < 0.5


def batches(loaded, **changes) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    settings = {"seed": 42, "epoch": 0, "steps": 5, "batch_size": 16, **changes}
    return list(mixed_batches(loaded.train, statistics(loaded.train), **settings))


def same(a, b) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(u, v) for one, other in zip(a, b, strict=True) for u, v in zip(one, other, strict=True)
    )


def test_batches_are_a_pure_function_of_seed_and_epoch(loaded):
    first = batches(loaded)
    assert same(batches(loaded), first)
    assert same(batches(loaded, start=3), first[3:])
    assert not same(batches(loaded, seed=43), first)
    assert not same(batches(loaded, epoch=1), first)


def test_batches_hold_each_modality_equally_often_and_nothing_twice(loaded):
    standard = statistics(loaded.train)
    rows = {}
    for modality in MODALITIES:
        for x, y in zip(loaded.train.inputs[modality], loaded.train.labels[modality], strict=True):
            rows[data.standardise(x, standard[modality]).tobytes()] = (modality, y)
    seen = []
    for x, y, indices in batches(loaded):
        assert x.shape == (16, 1024) and x.dtype == np.float32 and y.dtype == indices.dtype == np.int64
        found = [rows[row.tobytes()] for row in x]
        assert [label for _, label in found] == y.tolist()
        modalities = [modality for modality, _ in found]
        assert [MODALITIES[i] for i in indices] == modalities
        assert all(modalities.count(modality) == 4 for modality in MODALITIES)
        assert modalities != sorted(modalities, key=MODALITIES.index)
        seen += [row.tobytes() for row in x]
    assert len(set(seen)) == 5 * 16


def test_small_data_sets_are_drawn_in_rounds(loaded):
    speech = {
        data.standardise(x, statistics(loaded.train)["temporal"]).tobytes() for x in loaded.train.inputs["temporal"]
    }
    drawn = [row.tobytes() for x, *_ in batches(loaded, steps=12) for row in x]
    counts = [drawn.count(row) for row in speech]
    assert sum(counts) == 12 * 4 and set(counts) == {2, 3}


def test_batch_size_must_be_a_multiple_of_four(loaded):
    with pytest.raises(ValueError, match="multiple of 4"):
        batches(loaded, batch_size=30)


# Augmented batches


OF_EACH = Composition(picture=9, sound=2, digit=3)


def augmented(loaded, **changes) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    settings = {"seed": 42, "epoch": 0, "steps": 5, "of_each": OF_EACH, **changes}
    return list(augmented_batches(loaded, statistics(loaded.train), **settings))


@pytest.fixture
def not_augmented(monkeypatch):
    """Raw inputs as they are; sounds, which are kept as integers, with peak 1 again."""
    monkeypatch.setattr(data, "augment_pictures", lambda raw, rng: raw)
    monkeypatch.setattr(data, "augment_seconds", lambda raw, rng: raw / np.float32(32767))
    monkeypatch.setattr(data, "augment_digits", lambda raw, rng: raw)


def test_augmented_batches_are_a_pure_function_of_seed_and_epoch(frontier):
    first = augmented(frontier)
    assert same(augmented(frontier), first)
    assert same(augmented(frontier, start=3), first[3:])
    assert not same(augmented(frontier, seed=43), first)
    assert not same(augmented(frontier, epoch=1), first)


def test_the_composition_of_augmented_batches(frontier):
    """A recording is two inputs, of the same label."""
    for x, y, indices in augmented(frontier):
        assert x.shape == (9 + 2 * 2 + 3, 1024) and x.dtype == np.float32 and y.dtype == indices.dtype == np.int64
        assert np.isfinite(x).all()
        assert [MODALITIES[i] for i in indices] == [
            *["spatial"] * 9, *["temporal"] * 2, *["spectral"] * 2, *["relational"] * 3
        ]  # fmt: skip
        assert (y[9:11] == y[11:13]).all()


@pytest.mark.usefixtures("not_augmented")
def test_augmented_batches_are_encoded_and_standardised_as_what_is_tested(frontier):
    """Without changes they are the training inputs, with their labels; sounds but for 16 bits."""
    standard = statistics(frontier.train)
    for x, y, indices in augmented(frontier, steps=3):
        for row, label, modality in zip(x, y, (MODALITIES[i] for i in indices), strict=True):
            known = standardise(frontier.train.inputs[modality], standard[modality])
            distances = np.abs(known - row).mean(1)
            nearest = distances.argmin()
            assert frontier.train.labels[modality][nearest] == label
            assert distances[nearest] <= (0.01 if modality in ("temporal", "spectral") else 0)


@pytest.mark.usefixtures("not_augmented")
def test_an_epoch_of_augmented_batches_holds_every_picture_once(frontier):
    """90 pictures, nine in each of ten batches; of 20 recordings, two in each, too; of 90 digits 30."""
    drawn = augmented(frontier, steps=10)
    for modality, n in (("spatial", 90), ("temporal", 20), ("spectral", 20), ("relational", 30)):
        rows = {row.tobytes() for x, _, i in drawn for row in x[i == MODALITIES.index(modality)]}
        assert len(rows) == n


def test_inputs_are_changed_anew_each_time_they_are_drawn(frontier):
    rows = {e: {row.tobytes() for x, *_ in augmented(frontier, steps=10, epoch=e) for row in x} for e in (0, 1)}
    again = rows[0] & rows[1]  # a picture may fall into the same one of its 50 places
    assert len(again) < 0.1 * len(rows[0])


def test_augmenting_leaves_the_raw_inputs_as_they_are(frontier):
    before = {kind: raw.copy() for kind, raw in frontier.raw.items()}
    augmented(frontier)
    assert all(np.array_equal(frontier.raw[kind], raw) for kind, raw in before.items())
