"""The encoding of recordings: what it promises for real samples, and for every odd input that people have."""

import numpy as np
import pytest
import soundfile
from scipy import signal
from torchaudio.functional import melscale_fbanks

from hetmoe.encoding import (
    MEL_BANDS,
    SAMPLE_RATE,
    InputError,
    encode_recording,
    log_mel,
    loudest_half,
    loudest_second,
    open_recording,
)
from tests.media import PICTURES, RECORDINGS, assert_valid, tone, wav


def bin_of(hertz: int) -> int:
    """The spectral input's bin that holds this frequency: bin b begins at ⌊7.8125 b⌋ Hz."""
    return int(np.searchsorted(np.arange(1025) * 8000 // 1024, hertz, side="right")) - 1


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_speech_recording(path):
    encoded = encode_recording(*open_recording(path))
    assert list(encoded) == ["temporal", "spectral"]
    assert_valid(encoded["temporal"], -1.5, 1.5)
    assert_valid(encoded["spectral"], 0, 10)
    second = loudest_second(*open_recording(path))
    assert second.shape == (16000,) and second.dtype == np.float32 and np.abs(second).max() == 1


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance: float = 0) -> None:
    for modality in ("temporal", "spectral"):
        assert np.abs(a[modality] - b[modality]).max() <= tolerance


def test_bytes_path_and_integer_samples_are_the_same_bit_for_bit():
    path = RECORDINGS[0]
    expected = encode_recording(*open_recording(path))
    assert_same(encode_recording(*open_recording(path.read_bytes())), expected)
    integers, rate = soundfile.read(path, dtype="int16")  # what a microphone component hands over
    assert_same(encode_recording(integers, rate), expected)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "float16", "float32", "float64"])
def test_sample_types(dtype):
    samples, rate = open_recording(RECORDINGS[0])
    kind = np.dtype(dtype)
    if kind.kind == "f":
        given = samples.astype(kind)
    else:
        half = 2 ** (8 * kind.itemsize - 1)
        given = (np.rint(samples * (half - 1)) + (half if kind.kind == "u" else 0)).astype(kind)
    encoded = encode_recording(given, rate)["temporal"]
    assert np.abs(encoded - encode_recording(samples, rate)["temporal"]).max() < (0.01 if kind.itemsize == 1 else 1e-3)


def test_stereo_is_averaged():
    samples, rate = open_recording(RECORDINGS[0])
    assert_same(encode_recording(np.stack([samples] * 2, axis=1), rate), encode_recording(samples, rate), 1e-6)
    one_sided = np.stack([samples, np.zeros_like(samples)], axis=1)
    assert_same(encode_recording(one_sided, rate), encode_recording(samples, rate), 1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 44099, 48000, 96000, 192000, 400000])
def test_sample_rates(rate):
    encoded, expected = encode_recording(tone(220, rate=rate), rate), encode_recording(tone(220), SAMPLE_RATE)
    assert np.abs(encoded["temporal"] - expected["temporal"])[32:-32].max() < 0.02  # the ends ring
    assert encoded["spectral"].argmax() == bin_of(220)


@pytest.mark.parametrize("rate", [0, -1, 999, 400_001])
def test_unusable_rates(rate):
    with pytest.raises(InputError, match="samples a second"):
        encode_recording(tone(220), rate)


@pytest.mark.parametrize("volume", [1e-3, 0.1, 1.0, 1000.0, 1e30])
def test_volume_does_not_matter(volume):
    """Fault 1 of the original: sound was normalised in the demo and not in training. Here it always is."""
    samples, rate = open_recording(RECORDINGS[0])
    assert_same(encode_recording(samples.astype(np.float64) * volume, rate), encode_recording(samples, rate), 1e-5)


def test_high_tones_do_not_fold_down():
    """Fault 7: without a filter a tone of 3 kHz appears as a low one among 1024 samples."""
    low_and_high = tone(100) + tone(3000)
    spectrum = np.abs(np.fft.rfft(encode_recording(low_and_high, SAMPLE_RATE)["temporal"]))
    assert spectrum.argmax() == 100
    assert np.delete(spectrum, range(95, 106)).max() < 0.01 * spectrum[100]


def test_long_recordings_are_not_squeezed():
    """Fault 7: three seconds of speech were played three times as fast."""
    assert encode_recording(tone(200, seconds=3), SAMPLE_RATE)["spectral"].argmax() == bin_of(200)
    three = np.concatenate([0.01 * tone(50), tone(200), 0.01 * tone(50)])
    assert_same(encode_recording(three, SAMPLE_RATE), encode_recording(tone(200), SAMPLE_RATE), 1e-2)


def test_spectral_bins_are_all_of_the_second():
    """Fault 7: of 1024 bins of 1024 samples only 513 are independent. Here every bin has its own tone, up to 8 kHz."""
    for bin_, hertz in ((0, 1), (65, 513), (128, 1000), (129, 1008), (512, 4000), (1023, 7999)):
        spectrum = encode_recording(tone(hertz), SAMPLE_RATE)["spectral"]
        assert spectrum.argmax() == bin_ == bin_of(hertz)
        assert np.sort(spectrum)[-2] < 0.01


def test_spectral_values_by_hand():
    """A tone of amplitude 1 has the magnitude 16,000 / 2 at its own frequency of the second's FFT. Bin 25 averages it
    with seven zeros (195 to 202 Hz): log(1 + 8000 / 8). Bin 0 has seven frequencies (0 to 6 Hz): log(1 + 8000 / 7)."""
    assert encode_recording(tone(200), SAMPLE_RATE)["spectral"][25] == pytest.approx(np.log(1001), abs=1e-5)
    assert encode_recording(tone(5), SAMPLE_RATE)["spectral"][0] == pytest.approx(np.log(1 + 8000 / 7), abs=1e-5)


def test_loudest_second_is_found_first_on_ties():
    quiet = 1e-3 * tone(50)
    loud = tone(200)
    samples = np.concatenate([quiet, quiet, loud, quiet])
    assert np.allclose(loudest_second(samples, SAMPLE_RATE), loud / loud.max(), atol=1e-3)
    steps = np.concatenate([tone(100), np.zeros(SAMPLE_RATE), tone(200), np.zeros(SAMPLE_RATE)])
    assert encode_recording(steps, SAMPLE_RATE)["spectral"].argmax() == bin_of(100)
    constant = np.tile([0.5, -0.5], 3 * SAMPLE_RATE) * np.linspace(1, 1 + 1e-13, 6 * SAMPLE_RATE)
    assert (loudest_second(constant, SAMPLE_RATE)[:2] > [0, -2]).all()


def test_short_recordings_are_padded_at_the_end():
    second = loudest_second(tone(200, seconds=0.3), SAMPLE_RATE)
    assert np.abs(second[:4800]).max() == 1 and (second[4800:] == 0).all()
    assert_valid(encode_recording(np.array([0.0, 0.5, -0.5]), SAMPLE_RATE)["temporal"], -1, 1)


@pytest.mark.parametrize("silence", [np.zeros(16000), np.full(16000, 0.3), np.zeros(16000, np.int16), np.full(9, 1e-5)])
def test_silence(silence):
    with pytest.raises(InputError, match="silent"):
        encode_recording(silence, SAMPLE_RATE)


def test_silence_in_unsigned_samples():
    with pytest.raises(InputError, match="silent"):
        encode_recording(np.full(16000, 128, np.uint8), SAMPLE_RATE)


@pytest.mark.parametrize("empty", [np.zeros(0), np.zeros((0, 2)), np.zeros((5, 0))])
def test_empty_recordings(empty):
    with pytest.raises(InputError, match="empty"):
        encode_recording(empty, SAMPLE_RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers(bad):
    samples = tone(200)
    samples[7] = bad
    with pytest.raises(InputError, match="not numbers"):
        encode_recording(samples, SAMPLE_RATE)
    with pytest.raises(InputError, match="not numbers"):
        encode_recording(*open_recording(wav(samples, subtype="FLOAT")))


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2, 2)), np.array(0.5), np.ones(100, complex), np.array(["a"] * 100), np.ones(100, bool)]
)
def test_arrays_that_are_no_recordings(wrong):
    with pytest.raises(InputError, match="must"):
        encode_recording(wrong, SAMPLE_RATE)


def test_too_many_channels():
    with pytest.raises(InputError, match="16000 channels"):
        encode_recording(tone(200)[None], SAMPLE_RATE)


def test_longer_than_a_minute():
    encode_recording(tone(200, seconds=60, rate=2000), 2000)
    with pytest.raises(InputError, match="longer than 60 seconds"):
        encode_recording(tone(200, seconds=61, rate=2000), 2000)


def test_long_files_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    for format_, rate in (("WAV", 8000), ("FLAC", 8000), ("OGG", 8000)):
        with pytest.raises(InputError, match="longer than 60 seconds"):
            open_recording(wav(np.zeros(61 * rate), rate, format=format_))


@pytest.mark.parametrize(
    ("format_", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)]
)
def test_sound_formats(format_, subtype):
    file = wav(np.stack([tone(220, rate=44100)] * 2, axis=1), 44100, format=format_, subtype=subtype)
    samples, rate = open_recording(file)
    assert rate == 44100 and samples.dtype == np.float32 and samples.shape[1] == 2
    assert encode_recording(samples, rate)["spectral"].argmax() == bin_of(220)


@pytest.mark.parametrize("data", [b"no sound", b"RIFF\x00\x00\x00\x00WAVE", bytes(1000), PICTURES[0].read_bytes()])
def test_files_that_are_no_recordings(data):
    with pytest.raises(InputError, match=r"could not be read|empty"):
        open_recording(data)


def test_truncated_recordings_give_a_sentence_or_what_is_left():
    for format_ in ("WAV", "FLAC", "OGG", "MP3"):
        whole = wav(tone(200, seconds=2), format=format_)
        for n in (10, 50, len(whole) // 2, len(whole) - 1):
            try:
                encoded = encode_recording(*open_recording(whole[:n]))
            except InputError:
                continue
            assert_valid(encoded["temporal"], -1.5, 1.5)


# The frontier family: the loudest half second, and its log-mel spectrogram


def seconds() -> np.ndarray:
    """(6, 16000) float32: words, tones and noise as loudest_second leaves them."""
    rng = np.random.default_rng(0)
    made = [tone(200), tone(3000) * np.linspace(0, 1, 16000), rng.normal(size=16000), tone(90, seconds=0.1)]
    words = [loudest_second(*open_recording(path)) for path in RECORDINGS[:2]]
    return np.stack([*words, *(loudest_second(samples, SAMPLE_RATE) for samples in made)])


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_a_recording_for_each_family(path):
    samples, rate = open_recording(path)
    second = loudest_second(samples, rate)
    frontier = encode_recording(samples, rate, "frontier")
    assert list(frontier) == ["temporal", "spectral"]
    assert_valid(frontier["temporal"], -1, 1)
    assert_valid(frontier["spectral"], np.log(1e-3), np.log(1e5))
    assert_same(frontier, {"temporal": loudest_half(second), "spectral": log_mel(second)})
    assert_same(encode_recording(samples, rate), encode_recording(samples, rate, "replica"))


def test_the_loudest_half_second_is_the_window_of_greatest_energy():
    """By trying all 1025 windows of the second at 2048 Hz."""
    for second in seconds():
        slow = signal.resample_poly(second, 2048, 16000).astype(np.float64)
        energies = [np.square(slow[start : start + 1024]).sum() for start in range(1025)]
        half = slow[np.argmax(energies) :][:1024]
        assert np.abs(loudest_half(second) - half / np.abs(half).max()).max() < 1e-6
        assert np.abs(loudest_half(second)).max() == 1


@pytest.mark.parametrize("start", [0, 3000, 8000])
def test_what_is_loud_for_half_a_second_is_kept_whole(start):
    """200 Hz are 100 cycles in half a second; the quiet tones before and after are left out."""
    second = 0.02 * tone(50)
    second[start : start + 8000] = tone(200, seconds=0.5)
    spectrum = np.abs(np.fft.rfft(loudest_half(second.astype(np.float32))))
    assert spectrum.argmax() == 100
    assert np.delete(spectrum, range(95, 106)).max() < 0.02 * spectrum[100]


def test_high_tones_do_not_fold_down_in_half_a_second():
    """Of 2048 samples a second, 3 kHz would be 952 Hz."""
    second = (tone(100) + tone(3000)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(loudest_half(second)))
    assert spectrum.argmax() == 50
    assert np.delete(spectrum, range(45, 56)).max() < 0.02 * spectrum[50]


def test_half_a_second_of_silence_is_silence():
    assert (loudest_half(np.zeros(16000, np.float32)) == 0).all()


@pytest.mark.parametrize("encode", [loudest_half, log_mel])
def test_many_seconds_are_encoded_as_one_by_one_bit_for_bit(encode):
    together, one_by_one = encode(seconds()), np.stack([encode(second) for second in seconds()])
    assert together.dtype == one_by_one.dtype == np.float32
    assert (together == one_by_one).all()
    assert (encode(seconds().reshape(2, 3, 16000)) == one_by_one.reshape(2, 3, 1024)).all()


def test_mel_bands_are_those_of_torchaudio():
    expected = melscale_fbanks(513, 60.0, 7600.0, 32, 16000, norm=None, mel_scale="htk")
    assert MEL_BANDS.dtype == np.float32
    assert np.abs(MEL_BANDS - expected.numpy()).max() < 1e-5


def test_a_tone_is_in_its_own_bands():
    """1000 Hz are 1000 mel, and 60 and 7600 Hz 93 and 2787; of the 34 corners between, 82 mel apart, the twelfth is at
    991 and the thirteenth at 1072: the tone is in the bands about these, number 10 and, by a tenth, 11, from 0."""
    full = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    moments = log_mel(full).reshape(32, 32)[1:-1]
    assert (np.argsort(moments, axis=1)[:, -2:] == [11, 10]).all()
    # 1000 Hz are bin 64 of 15.625 Hz: a Hann window of sum 511.5 makes its magnitude 255.75, its neighbours' half.
    power = np.zeros(513)
    power[63:66] = np.square([255.75 / 2, 255.75, 255.75 / 2])
    expected = np.log(1e-3 + power @ MEL_BANDS)
    assert np.abs(moments[:, 9:13] - expected[9:13]).max() < 0.02
    assert moments[:, :5].max() < moments[:, 10].min() - 10


def test_a_moment_is_64_ms_about_every_32nd_ms():
    """Of a tone from 400 to 600 ms hear those about 384 to 608 ms, 12 to 19; the others are silent."""
    second = np.zeros(16000, np.float32)
    second[6400:9600] = tone(500, seconds=0.2)
    loud = (log_mel(second).reshape(32, 32) > np.log(np.float32(1e-3))).any(1)
    assert np.flatnonzero(loud).tolist() == list(range(12, 20))
    assert log_mel(np.zeros(16000, np.float32)) == pytest.approx(np.log(1e-3))


def test_odd_recordings_for_the_frontier():
    for samples in (np.array([0.0, 0.5, -0.5]), np.eye(1, 40_000, 20_000)[0], tone(7999), tone(3, seconds=5)):
        encoded = encode_recording(samples, SAMPLE_RATE, "frontier")
        assert_valid(encoded["temporal"], -1, 1)
        assert_valid(encoded["spectral"], -7, 12)
