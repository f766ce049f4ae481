"""Where an input comes from: an example, an uploaded file or a drawing."""

import base64
import binascii
from pathlib import Path
from typing import Any

from hetmoe.encoding import InputError

EXAMPLES = Path(__file__).parent / "examples"
NOTHING_YET = {
    "picture": "Drop a picture here, take one, or choose an example.",
    "sound": "Record a word, drop a recording here, or choose an example.",
    "digit": "Draw a digit from 0 to 9, or choose an example.",
}
PNG_URL = "data:image/png;base64,"


def examples(kind: str) -> dict[str, Path]:
    """The example files of a kind (picture, sound or digit) by the name of their label, sorted."""
    return {path.stem: path for path in sorted((EXAMPLES / kind).glob("*.*"))}


def open_source(kind: str, value: dict[str, Any] | None) -> Path | bytes:
    """What an input component holds → the file to classify, as it was given: nothing is decoded or encoded here.

    value: None, or one of {"example": name}, {"file": Gradio's FileData}, {"drawing": data URL of a PNG} and
        {"problem": sentence} (the browser could not even send it).
    Raises InputError with a sentence for the page if there is nothing to classify.
    """
    value = value or {}
    if isinstance(problem := value.get("problem"), str):
        raise InputError(problem)
    if (name := value.get("example")) in (known := examples(kind)):
        return known[name]
    if (file := value.get("file")) is not None:
        return uploaded(file)
    if isinstance(drawing := value.get("drawing"), str) and drawing.startswith(PNG_URL):
        try:
            return base64.b64decode(drawing.removeprefix(PNG_URL), validate=True)
        except binascii.Error as error:
            raise InputError("This drawing did not arrive whole. Please draw it again.") from error
    raise InputError(NOTHING_YET[kind])


def uploaded(file: Any) -> Path:
    """Gradio's FileData as a dict → its path. Gradio has checked that the path is an upload if, and only if, the dict
    is marked as FileData, so anything else is refused: it could name any file of this machine."""
    if isinstance(file, dict) and isinstance(file.get("meta"), dict) and isinstance(file.get("path"), str):
        if file["meta"].get("_type") == "gradio.FileData":
            return Path(file["path"])
    raise InputError("Please send a file.")
