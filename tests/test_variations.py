"""Variations: what each promises to change, and what it promises to leave as it is."""

import io
import math

import numpy as np
import pytest
import soundfile
from PIL import Image

from hetmoe.demo.sources import EXAMPLE_FILES, EXAMPLES
from hetmoe.encoding import (
    FAMILIES,
    SAMPLE_RATE,
    SIDE,
    Family,
    InputError,
    encode_digit,
    encode_picture,
    encode_recording,
    open_picture,
    open_recording,
)
from hetmoe.variations import VARIATIONS, as_file, encode, open_raw, vary

FILES = [(kind, path) for kind, pattern in EXAMPLE_FILES.items() for path in sorted(EXAMPLES.glob(pattern))]
PICTURE, SOUND, DIGIT = (next(path for k, path in FILES if k == kind) for kind in ("picture", "sound", "digit"))
FIRST = {"picture": PICTURE, "sound": SOUND, "digit": DIGIT}

every_family = pytest.mark.parametrize("family", FAMILIES)
every_sound = pytest.mark.parametrize("path", [path for kind, path in FILES if kind == "sound"], ids=lambda p: p.stem)
every_digit = pytest.mark.parametrize("path", [path for kind, path in FILES if kind == "digit"], ids=lambda p: p.stem)
every_variation = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for name, variation in VARIATIONS.items() for kind in variation.kinds]
)


def plain(kind: str, path, family: Family = "replica") -> dict[str, np.ndarray]:
    """As the page encodes a file that is not varied."""
    if kind == "sound":
        return encode_recording(*open_recording(path), family)
    image = open_picture(path)
    return {"spatial": encode_picture(image)} if kind == "picture" else {"relational": encode_digit(image, family)}


def assert_equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert list(a) == list(b)
    for modality in a:
        assert a[modality].dtype == b[modality].dtype and (a[modality] == b[modality]).all(), modality


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a.astype(np.float64) - b))


def photograph() -> bytes:
    """A coloured picture that is neither square nor small, with a dark 1 on it."""
    pixels = np.random.default_rng(1).integers(180, 220, (301, 200, 3), dtype=np.uint8)
    pixels[60:240, 90:110] = 20
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def at_another_rate() -> bytes:
    """Two seconds in stereo at 44.1 kHz."""
    file = io.BytesIO()
    time = np.arange(88_200) / 44_100
    soundfile.write(file, np.stack([np.sin(2000 * time**2), 0.3 * np.cos(900 * time)], axis=1), 44_100, format="WAV")
    return file.getvalue()


def on_every_file(*names: str):
    """Parameters kind, path and name: these variations on all example files that they are for."""
    fitting = [(kind, path, name) for kind, path in FILES for name in names if kind in VARIATIONS[name].kinds]
    return pytest.mark.parametrize(("kind", "path", "name"), fitting, ids=[f"{n}-{p.stem}" for _, p, n in fitting])


# The raw form


@pytest.mark.parametrize(
    ("kind", "source"),
    [*FILES, ("picture", photograph()), ("digit", photograph()), ("sound", at_another_rate())],
    ids=[*(path.stem for _, path in FILES), "photograph", "photographed digit", "44.1 kHz stereo"],
)
@every_family
def test_the_raw_form_is_encoded_as_its_file_is_bit_for_bit(kind, source, family):
    raw = open_raw(kind, source)
    assert (raw.shape, raw.dtype) == (((16_000,), np.float32) if kind == "sound" else ((32, 32), np.uint8))
    assert_equal(encode(kind, raw, family), plain(kind, source, family))


@every_variation
def test_the_raw_form_keeps_its_shape_and_type(kind, name):
    before = open_raw(kind, FIRST[kind])
    varied = vary(kind, FIRST[kind], name)
    assert (varied.raw.shape, varied.raw.dtype) == (before.shape, before.dtype)
    assert list(varied.encodings) == list(plain(kind, FIRST[kind]))
    assert not (varied.raw == before).all()
    for encoding in varied.encodings.values():
        assert encoding.shape == (1024,) and encoding.dtype == np.float32 and np.isfinite(encoding).all()


def test_bytes_and_path_are_the_same():
    assert_equal(vary("picture", PICTURE, "noise").encodings, vary("picture", PICTURE.read_bytes(), "noise").encodings)


# What stays the same


@on_every_file("mirror", "upside_down", "negative", "reverse")
def test_twice_is_nothing(kind, path, name):
    raw = open_raw(kind, path)
    apply = VARIATIONS[name].apply
    assert (apply(apply(raw, 0), 0) == raw).all()


# The facts in the experiments' sentences, to the last bit: the replica's digits first.


@every_digit
@pytest.mark.parametrize("name", ["mirror", "negative", "shuffle_columns"])
def test_digits_are_blind_to_mirror_ink_and_columns(path, name):
    assert_equal(vary("digit", path, name).encodings, plain("digit", path))


@every_digit
def test_digits_upside_down_have_the_same_distances_in_the_opposite_order(path):
    before, after = plain("digit", path)["relational"], vary("digit", path, "upside_down").encodings["relational"]
    assert (after == before[::-1]).all()
    assert distance(after, before) > 1


@every_digit
def test_shuffling_rows_keeps_the_distances_in_other_places(path):
    before, after = plain("digit", path)["relational"], vary("digit", path, "shuffle_rows").encodings["relational"]
    assert (np.sort(after) == np.sort(before)).all()
    assert distance(after, before) > 1


ROWS = np.triu(np.ones((SIDE, SIDE), bool), 1)  # where the frontier has the distances between rows
COLUMNS = ROWS.T


def squares(path, name) -> tuple[np.ndarray, np.ndarray]:
    """A digit as the frontier's models see it, as it is and varied; (32, 32) each."""
    before, after = plain("digit", path, "frontier"), vary("digit", path, name, family="frontier").encodings
    return before["relational"].reshape(SIDE, SIDE), after["relational"].reshape(SIDE, SIDE)


@every_digit
def test_in_the_frontier_too_digits_are_blind_to_ink(path):
    before, after = squares(path, "negative")
    assert (after == before).all()


@every_digit
@pytest.mark.parametrize(("name", "kept", "turned"), [("mirror", ROWS, COLUMNS), ("upside_down", COLUMNS, ROWS)])
def test_in_the_frontier_a_mirror_turns_round_the_columns_and_keeps_the_rows_or_the_other_way_round(
    path, name, kept, turned
):
    before, after = squares(path, name)
    assert (after[kept] == before[kept]).all()
    assert (after[turned] == before[::-1, ::-1].T[turned]).all()
    assert distance(after, before) > 1


@every_digit
@pytest.mark.parametrize(("name", "kept"), [("shuffle_columns", ROWS), ("shuffle_rows", COLUMNS)])
def test_in_the_frontier_shuffling_columns_keeps_the_rows_distances_and_the_other_way_round(path, name, kept):
    before, after = squares(path, name)
    assert (after[kept] == before[kept]).all()
    assert (np.sort(after[kept.T]) == np.sort(before[kept.T])).all()
    assert distance(after, before) > 1


@on_every_file("shuffle", "shuffle_columns", "shuffle_rows")
def test_shuffling_keeps_every_value(kind, path, name):
    before, after = open_raw(kind, path), vary(kind, path, name).raw
    assert not (after == before).all()
    assert (np.sort(after, axis=None) == np.sort(before, axis=None)).all()


@every_sound
@every_family
def test_hush_changes_no_bit(path, family):
    hushed = vary("sound", path, "hush", family=family)
    assert np.abs(hushed.raw).max() == 1 / 16
    assert_equal(hushed.encodings, plain("sound", path, family))


@every_sound
def test_reversing_turns_round_the_frontiers_spectrogram(path):
    """Nearly: its moments do not lie quite as far from the end of the second as from its beginning."""
    before, after = plain("sound", path, "frontier"), vary("sound", path, "reverse", family="frontier").encodings
    moments, backwards = (x["spectral"].reshape(SIDE, SIDE) for x in (before, after))
    assert distance(backwards, moments[::-1]) < 0.5 * distance(backwards, moments)
    assert np.abs(after["temporal"] - before["temporal"]).max() > 0.1


@every_sound
def test_reversing_keeps_the_replicas_spectrum(path):
    before, after = plain("sound", path), vary("sound", path, "reverse").encodings
    assert np.abs(after["spectral"] - before["spectral"]).max() < 1e-6
    assert np.abs(after["temporal"] - before["temporal"]).max() > 0.1


# Strength


@on_every_file("noise", "occlude", "pitch")
def test_no_strength_is_no_change(kind, path, name):
    varied = vary(kind, path, name, 0.5 if name == "pitch" else 0)
    assert (varied.raw == open_raw(kind, path)).all()
    assert_equal(varied.encodings, plain(kind, path))


@on_every_file("noise", "occlude")
def test_more_strength_is_farther_away(kind, path, name):
    raw = open_raw(kind, path)
    away = [distance(VARIATIONS[name].apply(raw, strength), raw) for strength in np.linspace(0, 1, 41)]
    assert (np.diff(away) >= 0).all() and away[0] < away[10] < away[20]


def test_noise_moves_smoothly():
    """A step of the slider, a hundredth, moves no pixel by more than 5 grey levels: the pattern does not change."""
    near, far = (vary("picture", PICTURE, "noise", strength).raw.astype(int) for strength in (0.40, 0.41))
    assert 0 < np.abs(near - far).max() <= 5


def test_occlusion_by_hand():
    """A quarter of 32 pixels are 8, from the 12th on; a quarter of a second are 4000 samples, from the 6000th on."""
    white, loud = np.full((32, 32), 255, np.uint8), np.ones(16_000, np.float32)
    square = VARIATIONS["occlude"].apply(white, 0.25)
    assert (square[12:20, 12:20] == 0).all() and (square == 0).sum() == 64
    silence = VARIATIONS["occlude"].apply(loud, 0.25)
    assert (silence[6000:10_000] == 0).all() and (silence == 0).sum() == 4000
    assert (white == 255).all() and (loud == 1).all()  # the input itself is left alone


@pytest.mark.parametrize(("strength", "hertz"), [(0, 200), (0.25, 283), (0.5, 400), (0.75, 566), (1, 800)])
def test_pitch_of_a_tone(strength, hertz):
    """400 Hz played from half the speed to twice it."""
    tone = np.sin(2 * np.pi * 400 * np.arange(16_000) / SAMPLE_RATE).astype(np.float32)
    played = VARIATIONS["pitch"].apply(tone, strength)
    assert abs(int(np.abs(np.fft.rfft(played)).argmax()) - hertz) <= 1
    sounding = np.flatnonzero(np.abs(played) > 0.1)
    assert sounding[0] + sounding[-1] == pytest.approx(15_999, abs=40)  # it stays in the middle
    assert np.ptp(sounding) == pytest.approx(16_000 * min(1, 400 / hertz), rel=0.01)


def test_pitch_does_not_fold_high_tones_down():
    tone = np.sin(2 * np.pi * 5000 * np.arange(16_000) / SAMPLE_RATE).astype(np.float32)  # 10 kHz at twice the speed
    assert np.abs(VARIATIONS["pitch"].apply(tone, 1)).max() < 1e-3


# What cannot be done


def test_nothing_left():
    with pytest.raises(InputError, match="Nothing is left of this digit"):
        vary("digit", DIGIT, "occlude", 1)
    with pytest.raises(InputError, match="Nothing is left of this recording"):
        vary("sound", SOUND, "occlude", 1)
    assert (vary("picture", PICTURE, "occlude", 1).encodings["spatial"] == 0).all()  # black is a picture too


def test_files_that_cannot_be_used():
    with pytest.raises(InputError, match="could not be read as a picture"):
        vary("picture", b"no picture", "mirror")
    with pytest.raises(InputError, match="could not be read as a recording"):
        vary("sound", PICTURE, "hush")
    with pytest.raises(InputError, match="No digit was found"):
        vary("digit", as_file("digit", np.zeros((32, 32), np.uint8)), "mirror")


@pytest.mark.parametrize("strength", [-0.01, 1.01, math.nan, math.inf, -math.inf])
def test_strength_out_of_range(strength):
    with pytest.raises(ValueError, match="between 0 and 1"):
        vary("picture", PICTURE, "noise", strength)


def test_unknown_names_and_wrong_kinds():
    with pytest.raises(ValueError, match=r"unknown variation 'melt': choose one of mirror, "):
        vary("picture", PICTURE, "melt")
    for kind, name in (("sound", "mirror"), ("picture", "hush"), ("digit", "pitch"), ("smell", "noise")):
        with pytest.raises(ValueError, match=f"is for .*, not for '{kind}'"):
            vary(kind, FIRST.get(kind, PICTURE), name)


# What the page shows


@every_variation
def test_as_file(kind, name):
    raw = vary(kind, FIRST[kind], name).raw
    file = io.BytesIO(as_file(kind, raw))
    if kind == "sound":
        samples, rate = soundfile.read(file)
        assert rate == 16_000 and soundfile.info(io.BytesIO(as_file(kind, raw))).subtype == "PCM_16"
        assert np.abs(samples - raw / max(1, np.abs(raw).max())).max() <= 1 / 2**15
    else:
        image = Image.open(file)
        assert (image.format, image.mode) == ("PNG", "L") and (np.asarray(image) == raw).all()


def test_loud_noise_is_not_clipped_in_the_file_and_a_hushed_word_stays_quiet():
    noisy = vary("sound", SOUND, "noise", 1).raw
    assert np.abs(noisy).max() > 1
    samples, _ = soundfile.read(io.BytesIO(as_file("sound", noisy)))
    assert (np.abs(samples) > 0.999).sum() == 1
    samples, _ = soundfile.read(io.BytesIO(as_file("sound", vary("sound", SOUND, "hush").raw)))
    assert np.abs(samples).max() == 1 / 16


def test_every_variation_says_what_to_look_for():
    for variation in VARIATIONS.values():
        for sentences in variation.sentences.values():
            assert tuple(sentences) == FAMILIES
            for sentence in sentences.values():
                assert sentence.endswith((".", "?")) and len(sentence) <= 100
