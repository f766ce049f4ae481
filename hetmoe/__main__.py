"""Command line: `hetmoe predict FILE` says what a model makes of a picture, a digit or a recording, `hetmoe demo` opens
the page, `hetmoe mcp` has an assistant classify. `python -m hetmoe` is the same."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hetmoe import __version__
from hetmoe.checkpoint import CheckpointError
from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import FAMILIES, InputError
from hetmoe.inference import DEVICES, Prediction, Predictor, default_checkpoint

KINDS = ("picture", "digit", "recording")
RECORDINGS = {".wav", ".flac", ".ogg", ".opus", ".oga", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 if it worked, 1 with a sentence on stderr if the file or the checkpoint cannot be used."""
    parser = argparse.ArgumentParser(prog="hetmoe", description="A mixture of architecturally different experts.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="classify one file")
    predict.add_argument("file", type=Path)
    predict.add_argument("--as", dest="kind", choices=KINDS, help="default: recording by its file name, else picture")
    predict.add_argument("--configuration", choices=list(CONFIGURATIONS), default="heterogeneous")
    predict.add_argument("--family", choices=FAMILIES, default="frontier", help="replica: as in the paper")
    predict.add_argument("--checkpoint", type=Path, help="a .safetensors file instead of the published one")
    predict.add_argument("--device", choices=DEVICES, default="auto")
    predict.add_argument("--json", action="store_true", help="print JSON instead of tables")
    commands.add_parser("demo", help="serve the page at http://localhost:7860 (GRADIO_SERVER_PORT for another port)")
    commands.add_parser("mcp", help="serve the classifiers to an assistant, on standard input and output")
    options = parser.parse_args(arguments)
    if options.command == "demo":
        from hetmoe.demo.page import serve  # only here: it imports Gradio

        serve()
        return 0
    if options.command == "mcp":
        try:
            from hetmoe import mcp
        except ModuleNotFoundError:
            print("error: this needs one more package, mcp: requirements-mcp.txt says which", file=sys.stderr)
            return 1
        mcp.serve()
        return 0
    checkpoint = options.checkpoint or default_checkpoint(options.configuration, options.family)
    try:
        predictions = _predict(Predictor.load(checkpoint, options.device), options.file, options.kind)
    except (CheckpointError, InputError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([prediction.to_json() for prediction in predictions], indent=2))
    else:
        print("\n\n".join(_table(prediction) for prediction in predictions))
    return 0


def _predict(predictor: Predictor, file: Path, kind: str | None) -> list[Prediction]:
    match kind or ("recording" if file.suffix.lower() in RECORDINGS else "picture"):
        case "recording":
            return list(predictor.recording_file(file).values())
        case "digit":
            return [predictor.digit(file)]
        case _:
            return [predictor.picture(file)]


def _table(prediction: Prediction) -> str:
    lines = [f"{prediction.modality}: {prediction.top(1)[0][0]}", "  predictions"]
    lines += [f"    {label:<12}{probability:7.1%}" for label, probability in prediction.top()]
    lines.append("  who answers  routing   alone it would say")
    alone = prediction.expert_probabilities
    for expert, weight, probabilities in zip(prediction.experts, prediction.routing_weights, alone, strict=True):
        best = probabilities.argmax()
        lines.append(f"    {expert:<12}{weight:6.1%}    {prediction.labels[best]} ({probabilities[best]:.1%})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
