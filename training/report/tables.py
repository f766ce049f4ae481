"""Markdown tables."""

from collections.abc import Collection

MISSING = "–"


def table(header: list[str], body: list[list[str]], text: Collection[int] = (0,)) -> str:
    """Columns are aligned right, but for those in `text`."""
    rule = ["---" if i in text else "---:" for i in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *body])
