"""Numbers that may differ from class to class."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError

Number = int | float
"""TOML writes 15 for 15.0, and run-time checks of types tell the two apart."""
ClassValues = Number | Mapping[str, Number]
"""One number, or numbers by class name with `default` for the rest."""


def to_class_tensor(
    value: ClassValues, labels: LabelSet, otherwise: Number | Float[Tensor, "cls"]
) -> Float[Tensor, "cls"]:
    """Make a tensor of the number of each class, `otherwise` where a table has neither the class nor `default`.

    A table that was fitted for the challenge's classes may name some that these labels do not have; they are passed
    over. Raises UsageError where it names any other unknown class.
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
        if name in exact:
            row[exact[name]] = number
        elif name != "default" and (place := _find(name, labels)) is not None:
            row[place] = number
    return torch.tensor(row, dtype=numbers.dtype)


def _find(name: str, labels: LabelSet) -> int | None:
    """Find the class by name, title or alias; None for a class of the challenge that is not there."""
    try:
        return labels.index(name)
    except UsageError:
        if name in DCASE2025.names:
            return None
        raise
