"""Foreign inputs: what a person can give to the page and no model was trained on, through the page's own encodings.

They say whether the page would notice. The set `validation` is to choose a method by, `test` to report on the chosen
one: other inputs of the same kinds, and further kinds (letters, chords) that no choice was made by.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import CubicSpline

from hetmoe.encoding import (
    SAMPLE_RATE,
    SIDE,
    Family,
    InputError,
    encode_digit,
    encode_picture,
    encode_recording,
    open_recording,
)
from training.data import DATA_SETS, WORDS, Data

N = 500  # of each kind, where there are as many
TONES = 80, 4_000  # Hz, from a hum to a whistle
PAD = 280  # pixels, of a drawing
LETTERS = "ABCDEFGHJKMNPQRTUVWXY"  # I, L, O, S and Z could be digits

Foreign = dict[str, dict[str, np.ndarray]]  # modality -> kind -> (n, 1024) float32, encoded, not standardised


def foreign_inputs(root: Path, data: Data, split: str, family: Family) -> Foreign:
    """The foreign inputs of every modality, up to 500 of each kind, the same every time, encoded for a family.

    root: the data folder that `data` was encoded from, for the same family; split: "validation" or "test"
    What an encoding refuses (a picture in which it finds no digit) is left out, and so are the words if there are none
    but the ten. Raises DataError if MNIST is damaged.
    """
    generator = np.random.default_rng({"validation": 1, "test": 2}[split])
    pictures = getattr(data, split).inputs["spatial"][:N]
    (mnist,) = (data_set for data_set in DATA_SETS if data_set.name == "MNIST")
    digits = mnist.read(root)[split][0][:N]
    foreign: Foreign = {
        "spatial": {
            "MNIST digits": np.stack([encode_picture(Image.fromarray(digit)) for digit in digits]),
            "uniform noise": np.stack([encode_picture(_noise(generator)) for _ in range(N)]),
            "one grey": np.stack([encode_picture(Image.new("L", (SIDE, SIDE), level)) for level in range(256)]),
            "shuffled pixels": generator.permuted(pictures, axis=1),
        },
        "relational": {
            "CIFAR-10 pictures": _digits([_picture(x) for x in pictures], family),
            "scribbles": _digits([scribble(generator) for _ in range(N)], family),
        },
        "temporal": {},
        "spectral": {},
    }
    recordings = {
        "white noise": [generator.normal(size=SAMPLE_RATE) for _ in range(N)],
        "pure tones": [tone(generator) for _ in range(N)],
        "other words": [open_recording(path)[0] for path in _other_words(root, split)],
    }
    if split == "test":
        letters = [letter(generator) for _ in range(N)]
        foreign["spatial"]["letters"] = np.stack([encode_picture(image) for image in letters])
        foreign["relational"]["letters"] = _digits(letters, family)
        recordings["chords"] = [chord(generator) for _ in range(N)]
    for kind, samples in recordings.items():
        encoded = [encode_recording(one, SAMPLE_RATE, family) for one in samples]
        for modality in encoded[0] if encoded else ():
            foreign[modality][kind] = np.stack([one[modality] for one in encoded])
    return foreign


def tone(generator: np.random.Generator) -> np.ndarray:
    """(16000,) a second of a sine of random frequency (evenly on a logarithmic scale) and phase."""
    frequency = np.exp(generator.uniform(*np.log(TONES)))
    return np.sin(2 * np.pi * (frequency * np.arange(SAMPLE_RATE) / SAMPLE_RATE + generator.random()))


def chord(generator: np.random.Generator) -> np.ndarray:
    """(16000,) three tones struck together, dying away."""
    return sum(tone(generator) for _ in range(3)) * np.exp(-3 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)


def letter(generator: np.random.Generator) -> Image.Image:
    """A letter that is not like a digit, a little askew, black on white."""
    image = Image.new("L", (PAD, PAD), "white")
    name = LETTERS[generator.integers(len(LETTERS))]
    font = ImageFont.load_default(generator.uniform(PAD / 2, PAD))
    ImageDraw.Draw(image).text((PAD / 2, PAD / 2), name, "black", font, anchor="mm")
    return image.rotate(generator.uniform(-15, 15), Image.Resampling.BILINEAR, fillcolor="white")


def scribble(generator: np.random.Generator) -> Image.Image:
    """A smooth line through 6 to 12 random points, black on white, as a person may leave it on the drawing pad."""
    points = generator.uniform(PAD * 0.15, PAD * 0.85, (generator.integers(6, 13), 2))
    line = CubicSpline(np.arange(len(points)), points)(np.linspace(0, len(points) - 1, 300))
    image = Image.new("L", (PAD, PAD), "white")
    ImageDraw.Draw(image).line([(x, y) for x, y in line], fill="black", width=18, joint="curve")
    return image


def _noise(generator: np.random.Generator) -> Image.Image:
    return Image.fromarray(generator.integers(0, 256, (SIDE, SIDE), np.uint8))


def _picture(x: np.ndarray) -> Image.Image:
    """The grey picture that was encoded as x."""
    return Image.fromarray(np.rint(255 * x).astype(np.uint8).reshape(SIDE, SIDE))


def _digits(images: list[Image.Image], family: Family) -> np.ndarray:
    encoded = []
    for image in images:
        try:
            encoded.append(encode_digit(image, family))
        except InputError:  # the page says so itself, without a model
            continue
    return np.stack(encoded)


def _other_words(root: Path, split: str) -> list[Path]:
    """Recordings of words that are not among the ten; one half of them is for validation, the other for the test."""
    folders = sorted((root / "SpeechCommands" / "speech_commands_v0.02").iterdir())
    others = [folder for folder in folders if folder.is_dir() and folder.name not in (*WORDS, "_background_noise_")]
    paths = [path for folder in others for path in sorted(folder.glob("*.wav"))]
    np.random.default_rng(0).shuffle(paths)  # type: ignore[arg-type]
    return paths[("validation", "test").index(split) :: 2][:N]
