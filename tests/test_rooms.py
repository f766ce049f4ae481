"""Data flows one way: app → demo → library, and training → library, never back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA_SETS = {"torchvision", "torchaudio"}

FORBIDDEN = [
    ("hetmoe", {"gradio", "training", *DATA_SETS}),
    ("hetmoe/demo", {"torch", "training", *DATA_SETS}),
    ("training", {"gradio"}),
]


def imported(path: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize(("room", "forbidden"), FORBIDDEN)
def test_a_room_imports_only_what_it_may(room: str, forbidden: set[str]) -> None:
    files = list((ROOT / room).glob("*.py"))
    assert files
    for path in files:
        names = set(imported(path))
        assert not {name.partition(".")[0] for name in names} & forbidden, path
        if room == "hetmoe":
            from_demo = {name for name in names if name.startswith("hetmoe.demo")}
            assert from_demo <= ({"hetmoe.demo.page"} if path.name == "__main__.py" else set()), path  # `hetmoe demo`
        assert not any(name in ("pickle", "dill", "joblib") for name in names) or path.name == "data.py", path
