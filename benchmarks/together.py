"""What training several seeds together gains: `python -m benchmarks.together [--steps 20] [--rounds 5]`.

For each configuration and budget, on the CPU with one thread and with one a core, and on a GPU where there is one:
examples per second of one run after another, and of 3 and 5 runs as one stacked model (training.together). What runs
are the training loops themselves on random inputs. The ways take turns, and the gains are medians over the rounds of
the ratio within a round, so that a machine busy with other things disturbs them little; a first round warms up.
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

os.environ["TQDM_DISABLE"] = "1"  # before tqdm is imported: the loop's bars would mix with the table

import torch

from benchmarks.training import Setting, random_data
from hetmoe.config import CONFIGURATIONS, match_parameters
from hetmoe.encoding import MODALITIES, Statistics
from hetmoe.model import HetMoE
from training.classification import BUDGET, classification_task
from training.grid import available_cores
from training.loop import Recipe, Task, train
from training.together import train_together

BUDGETS = (100_000, BUDGET)
MODELS = (3, 5)


def settings() -> list[Setting]:
    threads = sorted({1, available_cores()})
    return [
        *(Setting("cpu", 1, n) for n in threads),
        *[Setting("cuda", 1, 1)] * torch.cuda.is_available(),
    ]


def a_task(configuration: str, budget: int, recipe: Recipe) -> Task:
    config = match_parameters(configuration, budget)
    statistics = {modality: Statistics(0.0, 1.0) for modality in MODALITIES}
    return classification_task(random_data(), statistics, recipe, lambda: HetMoE(config))


def examples_per_second(task: Task, recipe: Recipe, models: int, device: torch.device) -> float:
    """Of `models` stacked models together; of one alone if that is 1."""
    with tempfile.TemporaryDirectory() as folder:
        if models == 1:
            _, progress = train(task, recipe, seed=0, device=device, folder=Path(folder), name="alone")
            seconds = progress.seconds
        else:
            folders = {seed: Path(folder) / str(seed) for seed in range(models)}
            trained = train_together(task, recipe, folders, device=device, name="together")
            seconds = sum(progress.seconds for _, progress in trained.values())
    return models * recipe.epochs * recipe.steps * recipe.batch_size / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="steps of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds")
    options = parser.parse_args()
    recipe = Recipe(epochs=1, steps=options.steps)
    gains = "".join(f"{f'{models} together':>14}  gain" for models in MODELS)
    print(f"{'examples/s':<14} {'budget':>8}  {'device':<15} {'alone':>7}{gains}")
    for configuration in CONFIGURATIONS:
        for budget in BUDGETS:
            task = a_task(configuration, budget, recipe)
            for setting in settings():
                torch.set_num_threads(setting.threads)
                device = torch.device(setting.device)
                rounds = [
                    [examples_per_second(task, recipe, models, device) for models in (1, *MODELS)]
                    for _ in range(1 + options.rounds)
                ][1:]
                alone, *together = (median(rates) for rates in zip(*rounds, strict=True))
                gain = [median(rates[i] / rates[0] for rates in rounds) for i in range(1, 1 + len(MODELS))]
                columns = "".join(f"{rate:>14,.0f} {times:>5.2f}" for rate, times in zip(together, gain, strict=True))
                print(f"{configuration:<14} {budget:>8,}  {setting!s:<15} {alone:>7,.0f}{columns}", flush=True)


if __name__ == "__main__":
    main()
