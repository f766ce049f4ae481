"""What the robustness benchmark does to inputs is what it says, and the page's own code can read the result."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.robustness import (
    DIGITS,
    KINDS,
    PICTURES,
    WORDS,
    accuracies,
    digit_file,
    exposed,
    letterboxed,
    noisy,
    on_transparent_ground,
    picture_file,
    pillarboxed,
    shifted,
    word_file,
)
from hetmoe import encoding, variations
from tests import media
from tests.tiny import tiny_checkpoint

WORD = media.RECORDINGS[0]
PICTURE = np.asarray(Image.open(media.PICTURES[0]).convert("RGB"))
DIGIT = np.asarray(Image.open(media.DIGITS[0]))
ITEMS = {"sound": WORD, "picture": PICTURE, "digit": DIGIT}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in KINDS[kind][1]])
def test_every_condition_makes_a_file_that_can_be_encoded_and_the_same_one_twice(kind: str, name: str) -> None:
    file, conditions, _ = KINDS[kind]
    made = file(ITEMS[kind], conditions[name])
    assert made == file(ITEMS[kind], conditions[name])
    for family in encoding.FAMILIES:
        for x in variations.encode(kind, variations.open_raw(kind, made), family).values():
            assert x.shape == (1024,) and np.isfinite(x).all()


@pytest.mark.parametrize(
    ("kind", "made", "original"),
    [
        ("sound", word_file(WORD, WORDS["unchanged"]), WORD),
        ("digit", digit_file(DIGIT, DIGITS["unchanged"]), media.DIGITS[0]),
        ("picture", picture_file(PICTURE, PICTURES["unchanged"]), media.PICTURES[0]),
    ],
)
def test_unchanged_is_unchanged(kind, made, original) -> None:
    assert (variations.open_raw(kind, made) == variations.open_raw(kind, original)).all()


@pytest.mark.parametrize("name", WORDS)
def test_words_keep_their_length_and_fit_a_recording(name: str) -> None:
    samples = soundfile.read(WORD)[0]
    changed, rate = WORDS[name](samples)
    assert np.abs(changed).max() <= 1
    assert len(changed) / rate == pytest.approx(len(samples) / encoding.SAMPLE_RATE, abs=1e-4)


@pytest.mark.parametrize("decibels", [20, 10, 0])
def test_noise_is_as_strong_as_it_is_called(decibels: float) -> None:
    samples = 0.1 * media.tone(440)
    noise = noisy(samples, decibels)[0] - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(decibels, abs=0.2)


def test_shifting() -> None:
    samples = np.arange(1.0, 16_001)
    late, early = (shifted(samples, seconds)[0] for seconds in (0.2, -0.2))
    assert not late[:3200].any() and (late[3200:] == samples[:-3200]).all()
    assert not early[-3200:].any() and (early[:-3200] == samples[3200:]).all()


def test_frames_and_exposure() -> None:
    grey = Image.new("RGB", (32, 32), (100, 100, 200))
    wide, square, clear = pillarboxed(grey), letterboxed(grey), on_transparent_ground(grey)
    assert wide.getpixel((0, 140)) == wide.getpixel((wide.width - 1, 140)) == (0, 0, 0)
    assert (encoding.grey_picture(wide) == encoding.grey_picture(grey)).all()
    seen = encoding.grey_picture(square)
    assert seen.shape == (32, 32) and not seen[:3].any() and not seen[-3:].any() and seen[16].all()
    assert (encoding.grey_picture(clear)[0] == 255).all()
    assert exposed(grey, 1.5).getpixel((0, 0)) == (150, 150, 255)
    assert exposed(grey, 0.5).getpixel((0, 0)) == (50, 50, 100)


def test_digits_become_thicker_thinner_and_move() -> None:
    ink = {name: np.asarray(change(Image.fromarray(DIGIT))).astype(float) for name, change in DIGITS.items()}
    assert ink["thin"].sum() < ink["upscaled to 280 × 280"].sum() < ink["thick"].sum()
    assert not ink["off-centre"][:140].any() and not ink["off-centre"][:, :140].any()
    assert np.ptp(np.nonzero(ink["small"])[0]) < 56
    top = {name: np.nonzero(ink[name][:100])[1].mean() for name in ink if "slanted" in name}
    assert top["slanted to the right"] > top["slanted to the left"] + 20


def test_what_is_refused_counts_as_wrong() -> None:
    file = digit_file(DIGIT, DIGITS["unchanged"])
    nothing = media.png(Image.new("L", (28, 28)))
    checkpoint = tiny_checkpoint()
    (right,) = [
        label for label in range(10) if accuracies(checkpoint, "digit", [file], np.array([label])) == pytest.approx(1)
    ]
    assert accuracies(checkpoint, "digit", [file, nothing], np.array([right, right])) == pytest.approx(0.5)
