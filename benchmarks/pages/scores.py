"""Titles and numbers of scores as the catalogue states them."""

from collections.abc import Iterable, Mapping
from typing import Any

from seldfuse.catalogue.values import Score
from seldfuse.metrics.registered import UNKNOWN, find_score, format_score, list_scores, make_heading

Document = Mapping[str, Any]


def list_columns(measured: Iterable[str]) -> list[Score]:
    """List the scores that were measured, in the order of the catalogue; other keys are passed over."""
    names = set(measured)
    return [score for score in list_scores() if score.name in names]


def title(name: str) -> str:
    """Find the heading of a score: its title and unit."""
    return make_heading(find_score(name))


def number(name: str, value: float | None, sign: str = "") -> str:
    """Format a value of a score with its digits."""
    return UNKNOWN if value is None else format_score(find_score(name), value, sign)


def spread(name: str, bounds: Document, sign: str = "") -> str:
    """Format a score, or a difference of scores, with its interval where it has one."""
    value = number(name, bounds["value"], sign)
    if bounds["low"] is None:
        return value
    return f"{value} ({number(name, bounds['low'], sign)} to {number(name, bounds['high'], sign)})"
