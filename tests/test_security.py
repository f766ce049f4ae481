"""What SECURITY.md promises has a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
    assert named and named <= there, named - there


def test_every_promise_names_a_test() -> None:
    promises = re.findall(r"^\*\*.+?(?=^\*\*|^## What is not)", TEXT, re.MULTILINE | re.DOTALL)
    assert len(promises) == 4
    assert all(re.search(r"`test_\w+`", promise) for promise in promises)


def test_every_hostile_test_holds_a_promise() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "hostile").glob("test_*.py")]
    for name in (name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)):
        assert f"`{name}`" in TEXT, name
