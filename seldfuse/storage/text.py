"""Counts, names and other people's texts in sentences for people."""

import unicodedata
from collections.abc import Collection
from itertools import islice

LONGEST_TEXT = 4000
"""Characters of a text of somebody else's that are shown."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what moves a cursor, turns the direction of writing, or breaks lines."""

_JOINERS = "\u200c\u200d\ufeff\u00ad"
"""Of these categories, what words and emoji are written with."""


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


def make_printable(text: str, keep_lines: bool = False) -> str:
    """Return a text with its control characters spelled out, as in `\\x1b`, so that it cannot act on a terminal.

    Line ends stay where `keep_lines`. What is longer than `LONGEST_TEXT` is cut in the middle of the text.

    >>> make_printable("a\\x1b[31m.wav")
    'a\\\\x1b[31m.wav'
    """
    if len(text) > LONGEST_TEXT and not keep_lines:
        text = f"{text[: LONGEST_TEXT // 2]} … {text[-LONGEST_TEXT // 4 :]}"
    if text.isprintable():
        return text
    return "".join(one if _is_shown(one, keep_lines) else _spell(one) for one in text)


def _is_shown(one: str, keep_lines: bool) -> bool:
    if one.isprintable() or one in _JOINERS:
        return True
    return (keep_lines and one == "\n") or unicodedata.category(one) not in _UNSEEN


def _spell(one: str) -> str:
    """Spell a character as Python does; a byte of a name that is no UTF-8 as that byte."""
    code = ord(one)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else one.encode("unicode_escape", "replace").decode()
