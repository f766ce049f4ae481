"""How fast an answer is: `python -m benchmarks.prediction [--family replica]`, half a minute.

In-process latency of Predictor on one CPU thread, from the bytes of a file to the Prediction: reading, encoding and one
forward pass. The inputs are the page's own examples.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import get_args

import numpy as np
import torch

from hetmoe.config import CONFIGURATIONS
from hetmoe.encoding import Family
from hetmoe.inference import Predictor, default_checkpoint

EXAMPLES = Path(__file__).parents[1] / "hetmoe" / "demo" / "examples"
WARM_UP = 10


def milliseconds(answer: Callable[[bytes], object], files: list[bytes], repeats: int) -> np.ndarray:
    """(repeats,) one latency each, the files in turn."""
    latencies = []
    for i in range(WARM_UP + repeats):
        began = perf_counter()
        answer(files[i % len(files)])
        latencies.append(1000 * (perf_counter() - began))
    return np.array(latencies[WARM_UP:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200, help="answers for each line")
    parser.add_argument("--family", choices=get_args(Family), default="frontier")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'configuration':<14} {'input':<10} {'median':>9} {'95th percentile':>16}")
    for configuration in CONFIGURATIONS:
        predictor = Predictor.load(default_checkpoint(configuration, options.family), device="cpu")
        kinds: dict[str, tuple[Callable[[bytes], object], str]] = {
            "picture": (predictor.picture, "cifar10-*.png"),
            "digit": (predictor.digit, "mnist-*.png"),
            "recording": (predictor.recording_file, "speech-*.wav"),
        }
        for kind, (answer, pattern) in kinds.items():
            files = [path.read_bytes() for path in sorted(EXAMPLES.glob(pattern))]
            median, slow = np.percentile(milliseconds(answer, files, options.repeats), (50, 95))
            print(f"{configuration:<14} {kind:<10} {median:>6.1f} ms {slow:>13.1f} ms", flush=True)


if __name__ == "__main__":
    main()
