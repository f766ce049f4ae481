"""How much a model minds what people give it: `python -m benchmarks.robustness [--family frontier] [--data-dir …]`.

Accuracy of a published checkpoint on test inputs as they are and changed: the changed input is written to a file, a
WAV, PNG or JPEG, and read and encoded as the page does it; one that is refused counts as wrong. All test words, and the
first 2,000 pictures and digits. The calibration error on the whole test sets, before and after the checkpoint's
temperatures. Last, digits written by hand: the strokes of 100 test digits, ten of each, traced
(tests.browser.handwriting) and drawn with a pointer on the page's pad, each in three sizes and at three speeds; the
answer is what the page shows. The pad has one pen, so a small digit is a bold one. The same every time. Needs the data
sets and requirements-dev.txt.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from PIL import Image
from scipy import signal
from scipy.ndimage import maximum_filter, minimum_filter

from benchmarks.page import opened
from hetmoe import variations
from hetmoe.checkpoint import Checkpoint, load_checkpoint
from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import SAMPLE_RATE, Family, InputError, open_recording
from hetmoe.inference import default_checkpoint
from tests.browser.hand import Hand
from tests.browser.handwriting import strokes, write
from tests.conftest import serving
from tests.media import png, wav
from training.audit.measures import calibration_error
from training.calibration import cooled
from training.data import DATA_SETS, Split, data_folder, load_splits
from training.loop import evaluate

N = 2_000  # pictures and digits
LARGE = 280  # pixels, of a picture or drawing as a person has it; the page's pad has as many

SIZES = 0.4, 0.6, 0.85  # of a written digit, as shares of the pad; the pen is 0.08 wide
SPEEDS = {"slow": 0.03, "quick": 0.06, "hasty": 0.12}  # from one event of the pointer to the next, likewise
OF_EACH = 10  # digits that are written by hand

Sound = tuple[np.ndarray, int]  # samples (n,) in [-1, 1], and their rate in Hz


# Words: (n,) samples at 16 kHz → samples in [-1, 1] and their rate


def unchanged(samples: np.ndarray) -> Sound:
    return samples, SAMPLE_RATE


def resampled(samples: np.ndarray, rate: int) -> Sound:
    return np.clip(signal.resample_poly(samples, rate // 100, SAMPLE_RATE // 100), -1, 1), rate


def quiet(samples: np.ndarray) -> Sound:
    """40 dB quieter: of the 16 bits of a usual recording, some 8 are left."""
    return samples / 100, SAMPLE_RATE


def clipped(samples: np.ndarray) -> Sound:
    """12 dB louder than the recording can hold."""
    return np.clip(4 * samples / np.abs(samples).max(), -1, 1), SAMPLE_RATE


def noisy(samples: np.ndarray, decibels: float) -> Sound:
    """With white noise, so much weaker than the recording is in the mean."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples))
    mixed = samples + noise * np.sqrt(np.mean(np.square(samples))) * 10 ** (-decibels / 20)
    return mixed / max(1, np.abs(mixed).max()), SAMPLE_RATE


def shifted(samples: np.ndarray, seconds: float) -> Sound:
    """Later, or earlier if negative, in a recording as long: silence comes in, and what leaves is lost."""
    by = round(seconds * SAMPLE_RATE)
    late = np.pad(samples, (max(by, 0), max(-by, 0)))
    return late[max(-by, 0) :][: len(samples)], SAMPLE_RATE


WORDS: dict[str, Callable[[np.ndarray], Sound]] = {
    "unchanged": unchanged,
    "recorded at 44.1 kHz": partial(resampled, rate=44_100),
    "recorded at 48 kHz": partial(resampled, rate=48_000),
    "quiet, by 40 dB": quiet,
    "clipped, by 12 dB": clipped,
    "noise, SNR 20 dB": partial(noisy, decibels=20),
    "noise, SNR 10 dB": partial(noisy, decibels=10),
    "noise, SNR 0 dB": partial(noisy, decibels=0),
    "0.2 s later": partial(shifted, seconds=0.2),
    "0.2 s earlier": partial(shifted, seconds=-0.2),
}


# Pictures: 32×32 RGB → a picture file


def enlarged(image: Image.Image) -> Image.Image:
    return image.resize((LARGE, LARGE), Image.Resampling.BICUBIC)


def pillarboxed(image: Image.Image) -> Image.Image:
    """In a frame of 16:9, black on the left and on the right."""
    return _within(enlarged(image), (LARGE * 16 // 9, LARGE), Image.new("RGB", (1, 1), "black"))


def letterboxed(image: Image.Image) -> Image.Image:
    """Its middle, 4:3, in a square frame, black above and below."""
    strip = enlarged(image).crop((0, LARGE // 8, LARGE, LARGE - LARGE // 8))
    return _within(strip, (LARGE, LARGE), Image.new("RGB", (1, 1), "black"))


def on_transparent_ground(image: Image.Image) -> Image.Image:
    """With an eighth of its side around it, of nothing."""
    side = LARGE * 5 // 4
    return _within(enlarged(image).convert("RGBA"), (side, side), Image.new("RGBA", (1, 1), (0, 0, 0, 0)))


def _within(image: Image.Image, size: tuple[int, int], ground: Image.Image) -> Image.Image:
    frame = ground.resize(size)
    frame.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return frame


def exposed(image: Image.Image, by: float) -> Image.Image:
    """Every channel times a factor; what is then too bright is white."""
    return image.point(lambda level: min(255, round(by * level)))


def jpeg(image: Image.Image, quality: int) -> bytes:
    return png(image, format="JPEG", quality=quality)


PICTURES: dict[str, Callable[[Image.Image], bytes]] = {
    "unchanged": png,
    "upscaled to 280 × 280": lambda image: png(enlarged(image)),
    "JPEG, quality 75": partial(jpeg, quality=75),
    "JPEG, quality 30": partial(jpeg, quality=30),
    "upscaled, JPEG, quality 30": lambda image: jpeg(enlarged(image), 30),
    "16:9, bars at the sides": lambda image: png(pillarboxed(image)),
    "4:3, bars above and below": lambda image: png(letterboxed(image)),
    "on a transparent ground": lambda image: png(on_transparent_ground(image)),
    "brightened, × 1.5": lambda image: png(exposed(image, 1.5)),
    "darkened, × 0.5": lambda image: png(exposed(image, 0.5)),
}


# Digits: 28×28, white on black → a drawing


def thicker(image: Image.Image) -> Image.Image:
    """By a pixel of MNIST's on either side; MNIST's strokes are 2 to 4 wide."""
    return Image.fromarray(maximum_filter(np.asarray(enlarged(image)), 2 * LARGE // 28 + 1))


def thinner(image: Image.Image) -> Image.Image:
    """By half a pixel of MNIST's on either side."""
    return Image.fromarray(minimum_filter(np.asarray(enlarged(image)), LARGE // 28 + 1))


def off_centre(image: Image.Image) -> Image.Image:
    """In the lower right quarter of the drawing."""
    frame = Image.new("L", (LARGE, LARGE))
    frame.paste(image.resize((LARGE // 2, LARGE // 2), Image.Resampling.BICUBIC), (LARGE // 2, LARGE // 2))
    return frame


def small(image: Image.Image) -> Image.Image:
    """A fifth as large as the drawing."""
    side = LARGE // 5
    return _within(image.resize((side, side), Image.Resampling.BICUBIC), (LARGE, LARGE), Image.new("L", (1, 1)))


def slanted(image: Image.Image, by: float) -> Image.Image:
    """Its top moved to the right by this share of its height, about the middle."""
    shear = (1, by, -by * LARGE / 2, 0, 1, 0)
    return enlarged(image).transform((LARGE, LARGE), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR)


DIGITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "unchanged": lambda image: image,
    "upscaled to 280 × 280": enlarged,
    "thick": thicker,
    "thin": thinner,
    "off-centre": off_centre,
    "small": small,
    "slanted to the right": partial(slanted, by=0.3),
    "slanted to the left": partial(slanted, by=-0.3),
}


# Measuring


def word_file(path: Path, change: Callable[[np.ndarray], Sound]) -> bytes:
    return wav(*change(open_recording(path)[0]), subtype="PCM_16")


def picture_file(pixels: np.ndarray, change: Callable[[Image.Image], bytes]) -> bytes:
    return change(Image.fromarray(pixels))


def digit_file(ink: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> bytes:
    return png(change(Image.fromarray(ink)))


KINDS: dict[str, tuple[Callable[[Any, Any], bytes], dict[str, Any], int | None]] = {  # kind → file, conditions, at most
    "sound": (word_file, WORDS, None),
    "picture": (picture_file, PICTURES, N),
    "digit": (digit_file, DIGITS, N),
}


def accuracies(checkpoint: Checkpoint, kind: str, files: Iterable[bytes], labels: np.ndarray) -> np.ndarray:
    """Files of a kind, and the class of each → the share of right answers, for each modality that the kind is seen
    as."""
    modalities = variations.MODALITIES[kind]
    inputs: dict[str, list[np.ndarray]] = {modality: [] for modality in modalities}
    accepted = []
    for file, label in zip(files, labels, strict=True):
        try:
            encoded = variations.encode(kind, variations.open_raw(kind, file), checkpoint.family)
        except InputError:
            continue
        accepted.append(label)
        for modality, x in encoded.items():
            inputs[modality].append(x)
    answered = Split({m: np.stack(xs) for m, xs in inputs.items()}, dict.fromkeys(modalities, np.array(accepted)))
    evaluations = evaluate(checkpoint.model, answered, checkpoint.statistics)
    return np.array([evaluations[modality].correct.sum() for modality in modalities]) / len(labels)


def conditions_table(checkpoint: Checkpoint, root: Path) -> None:
    for data_set in DATA_SETS:
        file, conditions, at_most = KINDS[data_set.kind]
        items, labels = (part[:at_most] for part in data_set.read(root)["test"])
        columns = "".join(f"{modality:>12} {'':>6}" for modality in variations.MODALITIES[data_set.kind])
        print(f"\n{f'{data_set.name}, n = {len(labels):,}':<28}{columns}")
        reference: np.ndarray | None = None
        for name, change in conditions.items():
            found = accuracies(checkpoint, data_set.kind, (file(item, change) for item in items), labels)
            reference = found if reference is None else reference
            cells = (f"{100 * a:>10.1f} % {100 * (a - b):>+6.1f}" for a, b in zip(found, reference, strict=True))
            print(f"{name:<28}{''.join(cells)}", flush=True)


def handwriting_table(family: Family, configuration: str, root: Path) -> None:
    (mnist,) = (data_set for data_set in DATA_SETS if data_set.kind == "digit")
    digits, labels = mnist.read(root)["test"]
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == c)[:OF_EACH] for c in range(10)]))
    rng = np.random.default_rng(0)
    query = f"?family={family}&configuration={configuration}&tab=digit&embed=1&hide=sees,why"  # little to draw
    written: list[tuple[float, str, bool]] = []  # size, speed, whether it was read
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(["app.py"], Path(folder)) as address,
        opened(address) as page,
    ):
        page.goto(f"{address}/{query}")
        hand = Hand(page)
        for i, place in enumerate(chosen):
            digit = strokes(digits[place])
            for j, size in enumerate(SIZES):
                speed = list(SPEEDS)[(i + j) % len(SPEEDS)]
                x, y = 0.5 + rng.uniform(-1, 1, 2) * (0.92 - size) / 2  # the pen stays on the pad
                answer = write(hand, digit, size, SPEEDS[speed], (x, y))
                written.append((size, speed, answer == str(labels[place])))

    def line(name: str, right: list[bool]) -> None:
        print(f"{name:<28}{100 * np.mean(right):>10.1f} %", flush=True)

    print(f"\nwritten by hand on the pad, {len(chosen)} digits, n = {len(written)}")
    line("all", [right for *_, right in written])
    for size in SIZES:
        line(f"{size:.0%} of the pad", [right for of_size, _, right in written if of_size == size])
    for speed in SPEEDS:
        line(speed, [right for _, of_speed, right in written if of_speed == speed])


def calibration_table(checkpoint: Checkpoint, data_dir: Path | None) -> None:
    test = load_splits(data_dir, download=False, family=checkpoint.family).test
    print(f"\n{'calibration error':<28}{'before':>12} {'after':>9} {'temperature':>14} {'n':>8}")
    for modality, evaluation in evaluate(checkpoint.model, test, checkpoint.statistics).items():
        by = checkpoint.temperatures[modality]
        before, after = (100 * calibration_error(e) for e in (evaluation, cooled(evaluation, by)))
        print(f"{modality:<28}{before:>10.1f} % {after:>7.1f} % {by:>14.2f} {len(evaluation.labels):>8,}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=get_args(Family), default="frontier")
    parser.add_argument("--configuration", choices=CONFIGURATIONS, default="heterogeneous")
    parser.add_argument("--data-dir", type=Path, help="data folder (default: HETMOE_DATA, or ./data)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(default_checkpoint(options.configuration, options.family))
    print(f"accuracy of {options.family}, {options.configuration}, and the difference to unchanged")
    conditions_table(checkpoint, data_folder(options.data_dir))
    calibration_table(checkpoint, options.data_dir)
    handwriting_table(options.family, options.configuration, data_folder(options.data_dir))


if __name__ == "__main__":
    main()
