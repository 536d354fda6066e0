"""Numbers that may differ from class to class, and the checks of the tables that hold them."""

import difflib
import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError

Number = int | float
"""TOML writes 15 for 15.0, and run-time checks of types tell the two apart."""
ClassValues = Number | Mapping[str, Number]
"""One number, or numbers by class name with `default` for the rest."""


def to_class_tensor(
    value: ClassValues, labels: LabelSet, otherwise: Number | Float[Tensor, "cls"]
) -> Float[Tensor, "cls"]:
    """The number of each class, `otherwise` where a table has neither the class nor `default`.

    Raises UsageError where a table names an unknown class.
    """
    numbers = torch.zeros(len(labels)) + otherwise
    if not isinstance(value, Mapping):
        return torch.full_like(numbers, value)
    if "default" in value:
        numbers.fill_(value["default"])
    # Names as they are need no search among titles and aliases, which fitting would do a million times.
    exact = {name: place for place, name in enumerate(labels.names)}
    row = numbers.tolist()
    for name, number in value.items():
        if name != "default":
            row[exact[name] if name in exact else labels.index(name)] = number
    return torch.tensor(row, dtype=numbers.dtype)


def check_numbers(value: Any, what: str, least: Number = 0) -> None:
    """Raises UsageError where `value` is neither a number of at least `least` nor a table of such."""
    if isinstance(value, Mapping):
        for name, number in value.items():
            check_number(number, f"{what}.{name}", least)
    else:
        check_number(value, what, least)


def check_number(value: Any, what: str, least: Number = 0) -> None:
    """Raises UsageError where `value` is no finite number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        bound = "" if least == -math.inf else f", {least} or more"
        raise UsageError(f"{what} must be a number{bound}, got {value!r}")


def check_keys(table: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Raises UsageError for the first key that is not `known`."""
    for name in table:
        check_known(name, known, what)


def check_known(word: str, known: Collection[str], what: str) -> None:
    """Raises UsageError, with what may have been meant, where the word is not `known`."""
    if word not in known:
        close = difflib.get_close_matches(word, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"{word!r} is no {what} ({', '.join(known)}){hint}")
