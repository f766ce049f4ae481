"""Where an input comes from: an example, an uploaded file, a drawing, or a second of live sound."""

import base64
from pathlib import Path
from typing import Any

from gradio_client.utils import is_file_obj_with_meta

from hetmoe.encoding import InputError

EXAMPLES = Path(__file__).parent / "examples"
EXAMPLE_FILES = {"picture": "cifar10-*.png", "sound": "speech-*.wav", "digit": "mnist-*.png"}
OPENING = ("horse", "yes", "7")  # the examples that the page opens with: the model is right about them
NOTHING_YET = {
    "picture": "Drop a picture here, take one, or choose an example.",
    "sound": "Record a word, drop a recording here, or choose an example.",
    "digit": "Draw a digit from 0 to 9, or choose an example.",
}
PNG_URL = "data:image/png;base64,"
WAV_URL = "data:audio/wav;base64,"
MAX_LIVE_LETTERS = 400_000  # base64 of a second in 16 bits at any rate up to 150 kHz; at 16 kHz it takes 43,000


def examples(kind: str) -> dict[str, Path]:
    """The example files of a kind (picture, sound or digit) by their label, with which their names end."""
    by_label = {path.stem.rpartition("-")[2]: path for path in sorted(EXAMPLES.glob(EXAMPLE_FILES[kind]))}
    return dict(sorted(by_label.items(), key=lambda item: item[0] not in OPENING))


def open_source(kind: str, value: dict[str, Any] | None) -> Path | bytes:
    """What an input component holds → the file to classify, as it was given: nothing is decoded or encoded here.

    value: None, or one of {"example": name}, {"file": Gradio's FileData}, {"drawing": data URL of a PNG},
        {"live": data URL of a WAV, the last second that the microphone heard} and {"problem": sentence} (the browser
        could not even send it).
    Raises InputError with a sentence for the page if there is nothing to classify.
    """
    value = value or {}
    if isinstance(problem := value.get("problem"), str):
        raise InputError(problem)
    if isinstance(name := value.get("example"), str) and name in (known := examples(kind)):
        return known[name]
    if (file := value.get("file")) is not None:
        return uploaded(file)
    if isinstance(drawing := value.get("drawing"), str) and drawing.startswith(PNG_URL):
        return _decoded(drawing.removeprefix(PNG_URL), "This drawing did not arrive whole. Please draw it again.")
    if isinstance(live := value.get("live"), str) and live.startswith(WAV_URL):
        if len(live) > MAX_LIVE_LETTERS:
            raise InputError("Live sound comes by the second, and this is more. Please record or upload it instead.")
        return _decoded(live.removeprefix(WAV_URL), "This second of sound did not arrive whole. Please speak again.")
    raise InputError(NOTHING_YET[kind])


def _decoded(letters: str, complaint: str) -> bytes:
    try:
        return base64.b64decode(letters, validate=True)
    except ValueError as error:  # also for letters that are not ASCII
        raise InputError(complaint) from error


def uploaded(file: Any) -> Path:
    """Gradio's FileData as a dict → its path. Gradio has checked that the path is an upload if, and only if, the dict
    is marked as FileData, so anything else is refused: it could name any file of this machine."""
    if not is_file_obj_with_meta(file):
        raise InputError("Please send a file.")
    return Path(file["path"])
