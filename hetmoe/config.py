"""Model configurations, and the search that matches their parameter counts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count, takewhile
from typing import Any, Literal, get_args

import torch
from torch import nn

from hetmoe.experts import EXPERTS
from hetmoe.routing import Router

Task = Literal["classification", "regression"]
Routing = Literal["learned", "thresholded", "top-1", "uniform"]
RouterKind = Literal["inputs", "summary"]

CONFIGURATIONS: dict[str, tuple[str, ...]] = {  # HetMoE, "Configurations"
    "homogeneous": ("ffn", "ffn", "ffn", "ffn"),
    "heterogeneous": ("spatial", "temporal", "spectral", "relational"),
    "hybrid": ("ffn", "spatial", "temporal", "spectral"),
}

TOLERANCE = 0.005  # matched: within 0.5 % of the budget
ROUTER_HIDDEN = 16  # 7 % of a 223K budget; the original's router held 59 % of the parameters


@dataclass(frozen=True)
class ExpertConfig:
    """One expert: its registered name, the width of its primitive, the hidden width of its readout."""

    name: str
    width: int
    hidden: int


@dataclass(frozen=True)
class ModelConfig:
    """What a HetMoE is built from.

    routing: learned, the paper's soft routing; thresholded, the same without weights below 5 %; top-1, the whole weight
        on the likeliest expert; uniform, 1/E for each, without a router. The latter two are controls.
    router: what it is given: inputs, all 1024 numbers, as the paper's; summary, 21 numbers (hetmoe.routing.summary).

    Raises ValueError for an unknown expert, task, routing or router, no experts, or a width that is not a positive
    multiple of the expert's step.
    """

    experts: tuple[ExpertConfig, ...]
    router_hidden: int = ROUTER_HIDDEN
    n_outputs: int = 10
    task: Task = "classification"
    routing: Routing = "learned"
    router: RouterKind = "inputs"

    def __post_init__(self) -> None:
        if not self.experts:
            raise ValueError("a mixture needs at least one expert")
        if self.task not in get_args(Task):
            raise ValueError(f"task must be one of {get_args(Task)}, not {self.task!r}")
        if self.routing not in get_args(Routing):
            raise ValueError(f"routing must be one of {get_args(Routing)}, not {self.routing!r}")
        if self.router not in get_args(RouterKind):
            raise ValueError(f"router must be one of {get_args(RouterKind)}, not {self.router!r}")
        sizes = {"router_hidden": self.router_hidden, "n_outputs": self.n_outputs}
        for expert in self.experts:
            if expert.name not in EXPERTS:
                raise ValueError(f"unknown expert {expert.name!r}; registered are {', '.join(sorted(EXPERTS))}")
            sizes |= {f"{expert.name}.width": expert.width, f"{expert.name}.hidden": expert.hidden}
            if expert.width % EXPERTS[expert.name].width_step:
                step = EXPERTS[expert.name].width_step
                raise ValueError(f"the width of {expert.name} must be a multiple of {step}, not {expert.width}")
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, not {size!r}")

    def expert_labels(self) -> tuple[str, ...]:
        """A name for each expert, numbered where one kind occurs more than once: ("ffn 1", "ffn 2", ...)."""
        names = [EXPERTS[expert.name].label or expert.name for expert in self.experts]
        numbered = [f"{name} {names[: i + 1].count(name)}" for i, name in enumerate(names)]
        return tuple(n if names.count(n) == 1 else label for n, label in zip(names, numbered, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ModelConfig":
        """Raises TypeError, KeyError or ValueError if `data` does not describe a configuration."""
        return cls(**{**data, "experts": tuple(ExpertConfig(**expert) for expert in data["experts"])})


class CannotMatch(ValueError):
    """No sizes of the experts come within 0.5 % of the budget."""


def match_parameters(
    configuration: str | Sequence[str],
    budget: int,
    n_outputs: int = 10,
    task: Task = "classification",
    router_hidden: int = ROUTER_HIDDEN,
    routing: Routing = "learned",
) -> ModelConfig:
    """The configuration, a name in CONFIGURATIONS or the experts' names, sized to `budget` parameters within 0.5 %.

    After the router each expert in turn gets an equal share of what is left: the largest width that fits with its
    least readout, then the readout's width that comes closest. What an expert leaves over or overdraws goes to
    those after it, so only the last one's rounding remains; where that is too coarse, a narrower last expert with a
    wider readout is tried.

    Raises:
        KeyError: unknown configuration.
        CannotMatch: the budget is too small, or the best sizes miss it by more than 0.5 %.
    """
    names = CONFIGURATIONS[configuration] if isinstance(configuration, str) else tuple(configuration)
    left = budget - (0 if routing == "uniform" else _count(Router, router_hidden, len(names)))
    experts: list[ExpertConfig] = []
    for i, name in enumerate(names):
        sizes = _fit_expert(name, left / (len(names) - i), n_outputs)
        expert, parameters = next(sizes)
        if i == len(names) - 1:
            fitting = ((e, p) for e, p in chain([(expert, parameters)], sizes) if abs(left - p) <= TOLERANCE * budget)
            expert, parameters = next(fitting, (expert, parameters))
        experts.append(expert)
        left -= parameters
    if abs(left) > TOLERANCE * budget:
        raise CannotMatch(
            f"{' + '.join(names)} comes to {budget - left:,} parameters at best, not within 0.5 % of {budget:,}"
        )
    return ModelConfig(tuple(experts), router_hidden, n_outputs, task, routing)


def _count(module: type[nn.Module], *sizes: int) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in module(*sizes).parameters())


def _fit_expert(name: str, share: float, n_outputs: int) -> Iterator[tuple[ExpertConfig, int]]:
    """The expert of each width that fits, widest first, as close to `share` parameters as it comes; and its count."""
    expert = EXPERTS[name]
    widths = list(
        takewhile(
            lambda width: _count(expert, width, expert.least_hidden, n_outputs) <= share,
            count(expert.width_step, expert.width_step),
        )
    )
    if not widths:
        smallest = _count(expert, expert.width_step, expert.least_hidden, n_outputs)
        raise CannotMatch(
            f"the smallest {name} expert has {smallest:,} parameters, its share is {share:,.0f}: take a larger budget"
        )
    for width in reversed(widths):
        base = _count(expert, width, 1, n_outputs)
        per_unit = _count(expert, width, 2, n_outputs) - base  # a two-layer readout is affine in its hidden width
        hidden = 1 + round((share - base) / per_unit)
        yield ExpertConfig(name, width, hidden), base + (hidden - 1) * per_unit
