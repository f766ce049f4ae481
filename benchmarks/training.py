"""How fast training is: `python -m benchmarks.training [--steps 100]`, about two minutes on two cores.

For each configuration at the published budget, on each device here and with as many threads or processes as make
sense: milliseconds per step of 64, examples per second, multiply-adds per second. What runs is the training loop itself
on random inputs, after a warm-up. A training step is counted as three forward passes: forward, and twice as much
backward. "N processes" is how `python -m training realdata` uses N cores: one run each, of one thread.
"""

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

os.environ["TQDM_DISABLE"] = "1"  # before tqdm is imported: the loop's bars would mix with the table

import numpy as np
import torch

from hetmoe.config import CONFIGURATIONS, match_parameters
from hetmoe.encoding import MODALITIES, N_INPUTS, Statistics
from hetmoe.model import HetMoE, count_multiply_adds
from training.classification import BUDGET, classification_task
from training.data import Data, Split
from training.grid import available_cores
from training.loop import Recipe, train

ORIGINAL_MS = {"heterogeneous": 165, "hybrid": 117, "homogeneous": 9}  # a step of 64 of the original code, two cores
WARM_UP = 10  # steps
BATCH = Recipe().batch_size

_start: Barrier  # in a worker: where the processes that run at the same time wait for one another


class Setting(NamedTuple):
    device: str
    processes: int
    threads: int  # of each process

    def __str__(self) -> str:
        if self.device != "cpu":
            return self.device
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"cpu, {threads}" if self.processes == 1 else f"cpu, {self.processes} processes of {threads}"


def settings() -> list[Setting]:
    cores = available_cores()
    on_cpu = [Setting("cpu", 1, 1), Setting("cpu", 1, cores), Setting("cpu", cores, 1)]
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [
        *on_cpu[: 3 if cores > 1 else 1],
        *(Setting(device, 1, 1) for device, is_there in there.items() if is_there),
    ]


def examples_per_second(configuration: str, setting: Setting, steps: int) -> float:
    """Of all processes together."""
    context = get_context("spawn")
    barrier = context.Barrier(setting.processes)
    with ProcessPoolExecutor(setting.processes, context, initializer=_prepare, initargs=(barrier,)) as pool:
        jobs = [pool.submit(_run, configuration, setting, steps) for _ in range(setting.processes)]
        return sum(job.result() for job in jobs)


def _prepare(barrier: Barrier) -> None:
    global _start
    _start = barrier


def _run(configuration: str, setting: Setting, steps: int) -> float:
    torch.set_num_threads(setting.threads)
    data, statistics = random_data(), {m: Statistics(0.0, 1.0) for m in MODALITIES}
    config = match_parameters(configuration, BUDGET)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for name, n in (("warm-up", WARM_UP), ("measured", steps)):
            _start.wait()
            recipe = Recipe(epochs=1, steps=n)
            _, progress = train(
                classification_task(data, statistics, recipe, lambda: HetMoE(config)),
                recipe,
                seed=0,
                device=torch.device(setting.device),
                folder=Path(folder) / name,
                name=name,
            )
            seconds.append(progress.seconds)
    return steps * BATCH / seconds[-1]


def random_data() -> Data:
    """Noise in the form of the real data."""

    def split(n: int) -> Split:
        rng = np.random.default_rng(0)
        inputs = {m: rng.standard_normal((n, N_INPUTS), dtype=np.float32) for m in MODALITIES}
        return Split(inputs, {m: rng.integers(0, 10, n) for m in MODALITIES})

    return Data(split(2_000), split(8), split(8), "random", raw={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="measured steps for each line")
    steps = parser.parse_args().steps
    print(f"{'configuration':<14} {'device':<28} {'ms/step':>8} {'examples/s':>11} {'G multiply-adds/s':>18}  original")
    for configuration in CONFIGURATIONS:
        multiply_adds = 3 * count_multiply_adds(HetMoE(match_parameters(configuration, BUDGET)))
        for setting in settings():
            rate = examples_per_second(configuration, setting, steps)
            print(
                f"{configuration:<14} {setting!s:<28} {1000 * BATCH / rate:>8.1f} {rate:>11,.0f} "
                f"{rate * multiply_adds / 1e9:>18.2f}  {ORIGINAL_MS[configuration]} ms/step",
                flush=True,
            )
    print(
        "\nms/step: a batch of 64, all processes together. multiply-adds: 3 × the forward pass. original: the original"
    )
    print("code on two cores, its own models; compare it with the lines that use two cores.")


if __name__ == "__main__":
    main()
