"""Counts and names in sentences for people."""

from collections.abc import Collection
from itertools import islice


def format_count(number: int, noun: str) -> str:
    """Return a number and what it counts: "1 clip", "3 clips"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def name_some(names: Collection[str], shown: int, count_rest: bool = True) -> str:
    """Name the first `shown` and count the others: "a, b, c and 4 more".

    Without `count_rest`, for sentences that have given the number, "a, b, c, …".
    """
    named, rest = ", ".join(islice(names, shown)), len(names) - shown
    if rest <= 0:
        return named
    return f"{named} and {rest} more" if count_rest else f"{named}, …"
