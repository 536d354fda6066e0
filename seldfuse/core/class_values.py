"""Numbers that may differ from class to class."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.labels import LabelSet

Number = int | float
"""TOML writes 15 for 15.0, and run-time checks of types tell the two apart."""
ClassValues = Number | Mapping[str, Number]
"""One number, or numbers by class name with `default` for the rest."""


def to_class_tensor(
    value: ClassValues, labels: LabelSet, otherwise: Number | Float[Tensor, "cls"]
) -> Float[Tensor, "cls"]:
    """Make a tensor of the number of each class, `otherwise` where a table has neither the class nor `default`.

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
