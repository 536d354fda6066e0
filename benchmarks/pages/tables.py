"""Tables in Markdown, and the signs in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ABOVE = "✓"
"""Stands where a whole interval lies above 0."""

Row = Sequence[str]
Document = Mapping[str, Any]


def table(heads: Sequence[str], rows: Iterable[Row]) -> str:
    """Format a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
