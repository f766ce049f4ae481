"""An expert of one's own, trained beside two others on the real data, in about a minute, from the project's root:
`PYTHONPATH=. python docs/examples/custom_expert.py`.

Needs the data sets, as `python -m training` does: they are downloaded, or HETMOE_DATA says where they lie.
"""

import tempfile
from pathlib import Path

import torch

from hetmoe import Expert, ExpertConfig, HetMoE, ModelConfig, register_expert
from training.classification import classification_task
from training.data import load_splits, statistics
from training.loop import Recipe, evaluate, train


@register_expert("haar")
class Haar(Expert):
    """One level of the Haar wavelet transform: means and differences of neighbours."""

    def __init__(self, width: int, hidden: int, n_outputs: int) -> None:
        super().__init__(1024, hidden, n_outputs)

    def features(self, x: torch.Tensor) -> torch.Tensor:  # (B, 1024) -> (B, 1024)
        even, odd = x[:, ::2], x[:, 1::2]
        return torch.cat([even + odd, even - odd], 1) / 2**0.5


EXPERTS = (ExpertConfig("haar", 1, 32), ExpertConfig("spatial", 8, 36), ExpertConfig("relational", 16, 32))


def main(recipe: Recipe) -> None:
    data = load_splits(family="frontier")
    known = statistics(data.train)
    task = classification_task(data, known, recipe, lambda: HetMoE(ModelConfig(EXPERTS, router="summary")))
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train(task, recipe, seed=42, device=torch.device("cpu"), folder=Path(folder), name="haar")
    for modality, found in evaluate(model, data.validation, known).items():
        who = zip(model.config.expert_labels(), found.routing_weights.mean(0), strict=True)
        print(f"{modality:<11}{found.correct.mean():6.1%} right  ", *(f"{name} {weight:.0%}" for name, weight in who))


if __name__ == "__main__":
    main(Recipe(epochs=1, steps=500, learning_rate=4e-3, warmup=0.1))
