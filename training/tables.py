"""Markdown tables."""

MISSING = "–"


def table(header: list[str], body: list[list[str]]) -> str:
    """All columns but the first are aligned right."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *body])
