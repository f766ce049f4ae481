"""The classifiers as tools of an assistant: `hetmoe mcp` speaks the Model Context Protocol on its standard streams.

Gradio can serve its end points as tools, too, but would fetch any address that an assistant names; the page promises
that nobody can have it do that. These tools take files of the machine that they run on, as their user may read them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from hetmoe import __version__
from hetmoe.checkpoint import CheckpointError
from hetmoe.encoding import Family, InputError
from hetmoe.inference import Prediction, Predictor, default_checkpoint

Configuration = Literal["heterogeneous", "hybrid", "homogeneous"]
INSTRUCTIONS = """Classifies files with a mixture of four small, architecturally different experts. An answer has the
probability of each class, the weight that the router gave each expert, and what each expert alone would say. There are
always ten classes, so something foreign gets one of them too. The family frontier is the strongest; replica is the
paper's, which is often wrong."""
TOO_LONG = ("encoding", "expert_logits", "labels")  # for an assistant to read; the rest says who answers what


@lru_cache
def _predictor(configuration: Configuration, family: Family) -> Predictor:
    return Predictor.load(default_checkpoint(configuration, family))


def _ask(
    configuration: Configuration, family: Family, question: Callable[[Predictor], dict[str, Prediction]]
) -> dict[str, Any]:
    try:
        predictions = question(_predictor(configuration, family))
    except (InputError, CheckpointError) as error:
        raise ToolError(str(error)) from error
    return {
        modality: {key: value for key, value in prediction.to_json().items() if key not in TOO_LONG}
        for modality, prediction in predictions.items()
    }


def classify_picture(
    path: str, configuration: Configuration = "heterogeneous", family: Family = "frontier"
) -> dict[str, Any]:
    """A picture file (PNG, JPEG …) as one of airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck."""
    return _ask(configuration, family, lambda predictor: {"spatial": predictor.picture(path)})


def classify_digit(
    path: str, configuration: Configuration = "heterogeneous", family: Family = "frontier"
) -> dict[str, Any]:
    """A picture file of one handwritten digit, dark on light or light on dark, as 0 to 9."""
    return _ask(configuration, family, lambda predictor: {"relational": predictor.digit(path)})


def classify_recording(
    path: str, configuration: Configuration = "heterogeneous", family: Family = "frontier"
) -> dict[str, Any]:
    """A sound file (WAV, MP3, FLAC, OGG) of one English word, down, go, left, no, off, on, right, stop, up or yes: once
    by its waveform ("temporal") and once by its spectrogram ("spectral")."""
    return _ask(configuration, family, lambda predictor: predictor.recording_file(path))


def serve() -> None:
    """Answers on standard input and output until the former ends."""
    server = MCPServer("hetmoe", version=__version__, instructions=INSTRUCTIONS)
    for tool in (classify_picture, classify_digit, classify_recording):
        server.add_tool(tool)
    server.run("stdio")
