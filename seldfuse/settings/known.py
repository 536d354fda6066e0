"""Words of a list: which one was meant."""

import difflib
from collections.abc import Collection

from seldfuse.errors import UsageError

MOST_CHARACTERS = 60
"""Of a word that nobody knows, at most so much is repeated."""


def describe_unknown(word: str, known: Collection[str], noun: str) -> str:
    """Describe a word that is none of those that are known, with the one that may have been meant."""
    word = word if len(word) <= MOST_CHARACTERS else f"{word[:MOST_CHARACTERS]} …"
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{word!r} is no {noun} ({', '.join(known)}){hint}"


def check_known(word: str, known: Collection[str], noun: str) -> None:
    """Check that a word is one of those that are known. Raises UsageError with what may have been meant."""
    if word not in known:
        raise UsageError(describe_unknown(word, known, noun))
