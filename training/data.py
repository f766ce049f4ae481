"""Data: the official data sets, encoded once, and mixed batches of them.

    modality              data set                    train    validation               test
    spatial               CIFAR-10                    45,000   last 5,000 of training   10,000
    temporal, spectral    Speech Commands, ten words  by the data set's own two lists
    relational            MNIST                       55,000   last 5,000 of training   10,000

The data folder is laid out as torchvision and torchaudio lay out their downloads. Encoded arrays are kept in its folder
`hetmoe-encoded` (or in the user's cache folder if it cannot be written), under a name that changes with the encoding.
They differ by family of models; for the frontier, which is trained on changed inputs, the raw ones are kept, too.
"""

import hashlib
import os
import pickle
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import scipy
from PIL import Image
from tqdm import tqdm

from hetmoe import encoding, variations
from hetmoe.encoding import MODALITIES, N_INPUTS, Family, InputError, Statistics, standardise
from training.augmentation import augment_digits, augment_pictures, augment_seconds

WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
PICTURES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
LABELS: dict[str, tuple[str, ...]] = {
    "spatial": PICTURES,
    "temporal": WORDS,
    "spectral": WORDS,
    "relational": tuple("0123456789"),
}
SPLITS = ("train", "validation", "test")
N_VALIDATION = 5_000
ENCODING_SOURCE = Path(encoding.__file__).read_text()  # as imported: the file may change while a long run goes on
READING_VERSION = 2  # raise it when this file reads or splits the data sets differently, so that caches are renewed

# md5 of the unpacked files; torchvision knows those of the packed ones
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SPEECH_ARCHIVE = "speech_commands_v0.02.tar.gz"
SPEECH_SHA256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"


class DataError(Exception):
    """A data set that is missing or unusable. The message says what to put where."""


class Split(NamedTuple):
    """One of train, validation and test; all dictionaries have the four modalities as keys."""

    inputs: dict[str, np.ndarray]  # (n, 1024) float32 each, memory-mapped, as encoded: not yet standardised
    labels: dict[str, np.ndarray]  # (n,) int64 each, indices into LABELS


class Data(NamedTuple):
    train: Split
    validation: Split
    test: Split
    fingerprint: str  # sha256 over all encoded arrays and labels, in hex
    raw: dict[
        str, np.ndarray
    ]  # frontier: kind (picture, sound, digit) → raw training inputs, see `_keepable`; or empty


class Composition(NamedTuple):
    """How many of each kind a batch of the frontier holds. A recording becomes two inputs."""

    picture: int
    sound: int
    digit: int


# What goes into the cache: for one data set and split, the items (arrays or paths) and their labels
Items = dict[str, tuple[Any, np.ndarray]]


class DataSet(NamedTuple):
    name: str
    folder: str  # inside the data folder
    files: tuple[str, ...]  # inside that folder: what must be there
    url: str  # where a person can get it
    download: Callable[[Path], None]
    read: Callable[[Path], Items]
    kind: str  # picture, sound or digit
    raw: Callable[[Any], np.ndarray]  # item → its raw form (hetmoe.variations)


def data_folder(data_dir: Path | None = None) -> Path:
    """`data_dir`, or else the environment variable HETMOE_DATA, or else `data` in the working directory."""
    return data_dir or Path(os.environ.get("HETMOE_DATA") or "data")


def load_splits(data_dir: Path | None = None, download: bool = True, family: Family = "replica") -> Data:
    """The data sets, encoded for a family of models; the first call downloads and encodes them (a minute), later calls
    take no time.

    data_dir: as for `data_folder`
    Raises DataError if a data set is neither there nor can be downloaded, or is damaged.
    """
    root = data_folder(data_dir)
    for data_set in DATA_SETS:
        _provide(data_set, root, download)
    key = _cache_key(root)
    folders = [parent / f"{family}-{key}" for parent in (root / "hetmoe-encoded", _user_cache())]
    folder = next((folder for folder in folders if folder.is_dir()), None) or _write_cache(root, folders, family)
    train, validation, test = (
        Split(
            {m: np.load(folder / f"{split}-{m}-inputs.npy", mmap_mode="r") for m in MODALITIES},
            {m: np.load(folder / f"{split}-{m}-labels.npy") for m in MODALITIES},
        )
        for split in SPLITS
    )
    raw = {path.stem.split("-")[1]: np.load(path, mmap_mode="r") for path in sorted(folder.glob("train-*-raw.npy"))}
    return Data(train, validation, test, (folder / "fingerprint.txt").read_text().strip(), raw)


def statistics(train: Split) -> dict[str, Statistics]:
    """Mean and standard deviation of every modality over all numbers of its training inputs, summed in float64."""
    result = {}
    for modality, inputs in train.inputs.items():
        chunks = np.array_split(inputs, len(inputs) // 4096 + 1)
        mean = sum(float(chunk.sum(dtype=np.float64)) for chunk in chunks) / inputs.size
        variance = sum(float(np.square(chunk.astype(np.float64) - mean).sum()) for chunk in chunks) / inputs.size
        result[modality] = Statistics(mean, variance**0.5)
    return result


def mixed_batches(
    train: Split,
    statistics: dict[str, Statistics],
    *,
    seed: int,
    epoch: int,
    steps: int,
    batch_size: int = 64,
    start: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields x (B, 1024) float32, standardised, labels (B,) int64 and modalities (B,) int64, indices into MODALITIES,
    for the steps `start` to `steps` of an epoch.

    A batch holds as many inputs of each modality as of any other, shuffled. Within an epoch an input is drawn again
    only when all of its modality have been. A pure function of its arguments: step k is the same whatever `start` is.
    Raises ValueError if batch_size is not a multiple of four.
    """
    each, rest = divmod(batch_size, len(MODALITIES))
    if rest:
        raise ValueError(f"batch_size must be a multiple of {len(MODALITIES)}, not {batch_size}.")
    drawn = {}  # modality → (steps, each) indices
    for i, modality in enumerate(MODALITIES):
        drawn[modality] = _rounds(np.random.default_rng([seed, epoch, i]), len(train.labels[modality]), steps, each)
    rng = np.random.default_rng([seed, epoch, len(MODALITIES)])
    places = rng.permuted(np.tile(np.arange(batch_size), (steps, 1)), axis=1)
    for step in range(start, steps):
        x = np.empty((batch_size, N_INPUTS), np.float32)
        labels, modalities = np.empty(batch_size, np.int64), np.empty(batch_size, np.int64)
        for i, modality in enumerate(MODALITIES):
            place, index = (
                places[step, i * each : (i + 1) * each],
                drawn[modality][step],
            )
            x[place] = standardise(train.inputs[modality][index], statistics[modality])
            labels[place], modalities[place] = train.labels[modality][index], i
        yield x, labels, modalities


def augmented_batches(
    data: Data,
    statistics: dict[str, Statistics],
    *,
    seed: int,
    epoch: int,
    steps: int,
    of_each: Composition,
    start: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """As `mixed_batches`, for the frontier: raw training inputs are augmented, then encoded; a recording twice.

    A batch holds as many of each kind as `of_each` says; it is not shuffled, for nothing depends on the order within.
    """
    counts = of_each._asdict()
    drawn, labels = {}, {}
    for i, (kind, n) in enumerate(counts.items()):
        labels[kind] = data.train.labels[variations.MODALITIES[kind][0]]
        drawn[kind] = _rounds(np.random.default_rng([seed, epoch, i]), len(labels[kind]), steps, n)
    for step in range(start, steps):
        rng = np.random.default_rng([seed, epoch, len(counts), step])
        xs, targets, modalities = [], [], []
        for kind, indices in drawn.items():
            chosen = np.sort(indices[step])  # memory-mapped arrays are read from front to back
            for modality, x in AUGMENTED[kind](data.raw[kind][chosen], rng).items():
                xs.append(standardise(x, statistics[modality]))
                targets.append(labels[kind][chosen])
                modalities.append(np.full(len(chosen), MODALITIES.index(modality)))
        yield np.concatenate(xs), np.concatenate(targets), np.concatenate(modalities)


def _augmented_pictures(raw: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    pictures = augment_pictures(raw, rng)
    return {"spatial": pictures.reshape(len(raw), N_INPUTS).astype(np.float32) / np.float32(255)}


def _augmented_seconds(raw: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return encoding.ENCODE_SECOND["frontier"](augment_seconds(raw, rng))


def _augmented_digits(raw: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"relational": encoding.ENCODE_GRID["frontier"](augment_digits(raw, rng))}


AUGMENTED = {"picture": _augmented_pictures, "sound": _augmented_seconds, "digit": _augmented_digits}


def _rounds(rng: np.random.Generator, n: int, steps: int, each: int) -> np.ndarray:
    """(steps, each) indices below n; one comes again only when all have come."""
    rounds = [rng.permutation(n) for _ in range(-(-steps * each // n))]
    return np.concatenate(rounds)[: steps * each].reshape(steps, each)


# The data sets


def _cut_validation(images: np.ndarray, labels: np.ndarray) -> Items:
    """The last 5,000 training images (the last tenth of a set smaller than the official ones) are for validation."""
    n = len(images) - min(N_VALIDATION, len(images) // 10)
    return {"train": (images[:n], labels[:n]), "validation": (images[n:], labels[n:])}


def _download_cifar10(root: Path) -> None:
    from torchvision.datasets import CIFAR10

    CIFAR10(root, download=True)


def _read_cifar10(root: Path) -> Items:
    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    _warn_if_unofficial(folder, dict(CIFAR10.train_list + CIFAR10.test_list))
    batches = [_read_batch(folder / name) for name, _ in CIFAR10.train_list]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return {
        **_cut_validation(images, labels),
        "test": _read_batch(folder / CIFAR10.test_list[0][0]),
    }


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A CIFAR-10 pickle → images (n, 32, 32, 3) uint8, labels (n,) int64."""
    try:
        with path.open("rb") as file:
            batch = _PlainUnpickler(file, encoding="bytes").load()
        images = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.array(batch[b"labels"], dtype=np.int64)
        if images.dtype != np.uint8 or labels.shape != images.shape[:1] or not np.isin(labels, range(10)).all():
            raise ValueError("wrong contents")
    except Exception as error:  # noqa: BLE001 - a damaged pickle can raise nearly anything
        raise DataError(f"{path} is not a CIFAR-10 batch ({error}). Please delete it and download it again.") from None
    return images, labels


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles arrays, bytes, strings, numbers, lists and dictionaries, and refuses everything else: a pickle can
    otherwise run any program."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == (
            "_codecs",
            "encode",
        ):  # how Python 3 writes bytes in Python 2's pickle format
            return lambda text, _: text.encode("latin1")
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _download_mnist(root: Path) -> None:
    from torchvision.datasets import MNIST

    MNIST(root, download=True)


def _read_mnist(root: Path) -> Items:
    from torchvision.datasets import MNIST

    _warn_if_unofficial(root / "MNIST" / "raw", MNIST_MD5)
    try:
        train, test = (MNIST(root, train=is_train) for is_train in (True, False))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise DataError(f"{root / 'MNIST'} is damaged ({error}). Please delete it and download it again.") from None
    return {
        **_cut_validation(train.data.numpy(), train.targets.numpy()),
        "test": (test.data.numpy(), test.targets.numpy()),
    }


def _download_speech_commands(root: Path) -> None:
    from torchaudio.datasets import SPEECHCOMMANDS

    archive = root / SPEECH_ARCHIVE
    if archive.is_file():  # torchaudio itself verifies only what it has just downloaded
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != SPEECH_SHA256:
                raise DataError(f"{archive} is not the official file. Please delete it and download it again.")
    try:
        SPEECHCOMMANDS(root, download=True)
    except BaseException:  # Ctrl-C too: half an archive must not pass for the whole
        shutil.rmtree(root / "SpeechCommands", ignore_errors=True)
        raise


def _read_speech_commands(root: Path) -> Items:
    from torchaudio.datasets import SPEECHCOMMANDS

    result = {}
    for split, subset in zip(SPLITS, ("training", "validation", "testing"), strict=True):
        recordings = SPEECHCOMMANDS(root, subset=subset)
        metadata = [recordings.get_metadata(i) for i in range(len(recordings))]
        known = [(root / "SpeechCommands" / path, WORDS.index(word)) for path, _, word, *_ in metadata if word in WORDS]
        paths = [path for path, _ in known]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(
                f"Speech Commands is incomplete: {len(missing)} recordings of its lists, such as {missing[0]}, "
                f"are missing. Please delete {root / 'SpeechCommands'} and download it again."
            )
        result[split] = (paths, np.array([label for _, label in known], dtype=np.int64))
    return result


DATA_SETS = (
    DataSet(
        "CIFAR-10",
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        _download_cifar10,
        _read_cifar10,
        "picture",
        lambda image: encoding.grey_picture(Image.fromarray(image)),
    ),
    DataSet(
        "Speech Commands",
        "SpeechCommands/speech_commands_v0.02",
        ("validation_list.txt", "testing_list.txt", *WORDS),
        f"http://download.tensorflow.org/data/{SPEECH_ARCHIVE}",
        _download_speech_commands,
        _read_speech_commands,
        "sound",
        lambda path: encoding.loudest_second(*encoding.open_recording(path)),
    ),
    DataSet(
        "MNIST",
        "MNIST/raw",
        tuple(MNIST_MD5),
        "https://ossci-datasets.s3.amazonaws.com/mnist/ (unpacked)",
        _download_mnist,
        _read_mnist,
        "digit",
        lambda image: encoding.digit_grid(Image.fromarray(image)),
    ),
)


def _warn_if_unofficial(folder: Path, md5: dict[str, str]) -> None:
    different = []
    for name, expected in md5.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != expected:
                different.append(name)
    if different:
        warnings.warn(
            f"In {folder} these are not the official files: {', '.join(different)}.",
            stacklevel=2,
        )


def _provide(data_set: DataSet, root: Path, download: bool) -> None:
    """Download a data set unless it is there. Raises DataError if that does not work."""
    folder = root / data_set.folder
    reason = "downloading is switched off"
    if not all((folder / name).exists() for name in data_set.files) and download:
        timeout = socket.getdefaulttimeout()
        socket.setdefaulttimeout(30)  # seconds without an answer: torchvision and torchaudio would wait for ever
        try:
            root.mkdir(parents=True, exist_ok=True)
            data_set.download(root)
        except (DataError, ModuleNotFoundError):  # neither is about the network
            raise
        except Exception as error:  # noqa: BLE001 - network, disk, archive: all have the same remedy
            reason = f"downloading failed: {type(error).__name__}"
        else:
            reason = "the download was incomplete"
        finally:
            socket.setdefaulttimeout(timeout)
    missing = [name for name in data_set.files if not (folder / name).exists()]
    if missing:
        raise DataError(
            f"{data_set.name} was not found ({reason}). Please put {', '.join(missing)} from {data_set.url} "
            f"into {folder}, or name another data folder with --data-dir or HETMOE_DATA."
        )


# The cache


def _cache_key(root: Path) -> str:
    """A hash of everything the encoded arrays depend on: the encoding, its libraries, names and sizes of the files."""
    parts = [
        ENCODING_SOURCE,
        np.__version__,
        scipy.__version__,
        PIL.__version__,
    ]
    parts += [f"reading {READING_VERSION}"]
    for data_set in DATA_SETS:
        for name in data_set.files:
            path = root / data_set.folder / name
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            parts += [f"{name}/{file.name} {file.stat().st_size}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hetmoe"


def _write_cache(root: Path, folders: list[Path], family: Family) -> Path:
    """Encode everything into the first of these folders that can be written; the folder appears whole or not at all."""
    for folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            parts = tempfile.TemporaryDirectory(dir=folder.parent, prefix="part-", ignore_cleanup_errors=True)
        except OSError:
            continue
        with parts:
            whole = Path(parts.name) / folder.name
            whole.mkdir()
            try:
                _encode_all(root, whole, family)
            except OSError as error:
                raise DataError(
                    f"The encoded data (about 1.5 GB) could not be written to {folder.parent}: {error}."
                ) from None
            try:
                os.rename(whole, folder)
            except OSError:  # another process was faster and wrote the same
                if not folder.is_dir():
                    raise
        return folder
    raise DataError(f"Neither {folders[0].parent} nor {folders[1].parent} can be written. Please make one writable.")


def _encode_all(root: Path, folder: Path, family: Family) -> None:
    digest = hashlib.sha256()
    for data_set in DATA_SETS:
        for split, (items, labels) in data_set.read(root).items():
            raw, kept = _raw(data_set, split, items)
            for modality, x in _encode(data_set, split, raw, family).items():
                for kind, array in (("inputs", x), ("labels", labels[kept])):
                    np.save(folder / f"{split}-{modality}-{kind}.npy", array)
                    digest.update(f"{split} {modality} {kind} {array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
            if family == "frontier" and split == "train":
                np.save(folder / f"train-{data_set.kind}-raw.npy", np.stack([_keepable(one) for one in raw]))
    (folder / "fingerprint.txt").write_text(digest.hexdigest() + "\n")


def _raw(data_set: DataSet, split: str, items: Any) -> tuple[list[np.ndarray], list[int]]:
    """n items → the raw forms of k ≤ n of them, and which were kept: silent recordings have no encoding."""
    raw, kept, refused = [], [], []
    for i, item in enumerate(tqdm(items, desc=f"reading {data_set.name} {split}", unit="")):
        try:
            raw.append(data_set.raw(item))
        except InputError as error:
            refused.append(f"{item}: {error}")
        else:
            kept.append(i)
    if refused:
        warnings.warn(
            f"{len(refused)} of {data_set.name} {split} were left out, such as {refused[0]}",
            stacklevel=2,
        )
    return raw, kept


def _encode(data_set: DataSet, split: str, raw: list[np.ndarray], family: Family) -> dict[str, np.ndarray]:
    """Raw forms → modality → (k, 1024) float32."""
    encoded: dict[str, list[np.ndarray]] = {}
    for one in tqdm(raw, desc=f"encoding {data_set.name} {split}", unit=""):
        for modality, x in variations.encode(data_set.kind, one, family).items():
            encoded.setdefault(modality, []).append(x)
    return {modality: np.stack(x) for modality, x in encoded.items()}


def _keepable(raw: np.ndarray) -> np.ndarray:
    """Pictures and digits, (32, 32), are uint8; seconds of sound, (16000,) with peak 1, are kept as 16-bit integers."""
    return np.rint(32767 * raw).astype(np.int16) if raw.ndim == 1 else raw
