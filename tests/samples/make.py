"""Makes the small real samples that the project carries, from the official data sets.

    PYTHONPATH=. python tests/samples/make.py --data-dir data

tests/samples/*.png, *.wav   test-set items for the tests, named DATASET-INDEX-LABEL
tests/samples/data/          a tiny data folder in the official layout, so that training runs without a download
hetmoe/demo/examples/        the examples that the page offers

All are copies of the original values, except that the recordings of the tiny data folder are stored as 8-bit µ-law
(half the size). Licences: see hetmoe/demo/examples/README.md.
"""

import argparse
import io
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from training.data import DATA_SETS, LABELS, PICTURES, WORDS, Items

SAMPLES = Path(__file__).parent
EXAMPLES = SAMPLES.parents[1] / "hetmoe" / "demo" / "examples"

# Indices into the official test sets; recordings by their name in testing_list.txt
SAMPLE_PICTURES, SAMPLE_DIGITS = (0, 13, 44), (2, 4, 18)
SAMPLE_WORDS = ("on/189cbabe_nohash_3", "right/94de6a6a_nohash_4", "up/8769c34c_nohash_0")
EXAMPLE_PICTURES, EXAMPLE_DIGITS = (60, 67, 90, 91, 132), (3, 1, 30, 15, 0)
EXAMPLE_WORDS = (
    "stop/189cbabe_nohash_3",
    "yes/87070229_nohash_4",
    "go/b97c9f77_nohash_2",
    "right/c7124b73_nohash_0",
    "no/f2e59fea_nohash_2",
)
# Of each class in the tiny data folder
N_TRAIN, N_TEST = 10, 4
N_WORDS = {"train": 2, "validation": 1, "test": 1}


class Python2Pickler(pickle._Pickler):
    """Writes strings and bytes alike as Python 2 wrote its strings, as in the official CIFAR-10 files."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, str | bytes):
            data = obj.encode("latin1") if isinstance(obj, str) else obj
            short = len(data) < 256
            head = (b"U" if short else b"T") + len(data).to_bytes(1 if short else 4, "little")
            self.write(head + data)  # type: ignore[attr-defined]
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]


def balanced(labels: np.ndarray, n: int) -> list[int]:
    """The first n indices of each label, taken in turn, so that every run of ten has each label once."""
    return [int(np.flatnonzero(labels == label)[turn]) for turn in range(n) for label in range(10)]


def write_batch(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    batch = {
        b"batch_label": path.name.encode(),
        b"labels": labels.tolist(),
        b"data": np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), 3072),
        b"filenames": [b"%05d.png" % i for i in range(len(images))],
    }
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(batch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.getvalue().replace(b"cnumpy._core.", b"cnumpy.core."))  # as numpy called it then


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_data_folder(root: Path, cifar10: Items, mnist: Items, speech: Items) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for data_set in (cifar10, mnist):
        for split, n in (("train", N_TRAIN), ("test", N_TEST)):
            images, labels = data_set[split]
            index = balanced(labels, n)
            images, labels = images[index], labels[index]
            if data_set is mnist:
                prefix = {"train": "train", "test": "t10k"}[split]
                write_idx(root / "MNIST" / "raw" / f"{prefix}-images-idx3-ubyte", images)
                write_idx(root / "MNIST" / "raw" / f"{prefix}-labels-idx1-ubyte", labels)
            else:
                names = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
                for name, part in zip(names, np.split(np.arange(len(labels)), len(names)), strict=True):
                    write_batch(root / "cifar-10-batches-py" / name, images[part], labels[part])
    folder = root / "SpeechCommands" / "speech_commands_v0.02"
    for split, (paths, labels) in speech.items():
        chosen = [paths[i] for i in balanced(labels, N_WORDS[split])]
        for path in chosen:
            samples, rate = soundfile.read(path)
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / path.parent.name / path.name, samples, rate, subtype="ULAW")
        if split != "train":
            name = {"validation": "validation_list.txt", "test": "testing_list.txt"}[split]
            (folder / name).write_text("".join(sorted(f"{p.parent.name}/{p.name}\n" for p in chosen)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    root = parser.parse_args().data_dir
    warnings.simplefilter("ignore")
    cifar10, speech, mnist = (data_set.read(root) for data_set in DATA_SETS)
    write_data_folder(SAMPLES / "data", cifar10, mnist, speech)

    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for folder, pictures, digits, words in (
        (SAMPLES, SAMPLE_PICTURES, SAMPLE_DIGITS, SAMPLE_WORDS),
        (EXAMPLES, EXAMPLE_PICTURES, EXAMPLE_DIGITS, EXAMPLE_WORDS),
    ):
        for old in [*folder.glob("*.png"), *folder.glob("*.wav")]:
            old.unlink()
        for name, (images, labels), indices, names in (
            ("cifar10", cifar10["test"], pictures, PICTURES),
            ("mnist", mnist["test"], digits, LABELS["relational"]),
        ):
            for i in indices:
                Image.fromarray(images[i]).save(folder / f"{name}-{i:05}-{names[labels[i]]}.png", optimize=True)
        for word in words:
            label, recording = word.split("/")
            assert label in WORDS
            path = root / "SpeechCommands" / "speech_commands_v0.02" / f"{word}.wav"
            shutil.copyfile(path, folder / f"speech-{recording}-{label}.wav")


if __name__ == "__main__":
    main()
