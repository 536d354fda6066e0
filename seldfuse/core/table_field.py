"""A field of a dataclass that holds a pandas table, made when it is first read.

To import pandas takes a third of what importing torch takes, and a run that writes files needs no table.
"""

from collections.abc import Callable
from typing import Any


class TableField:
    """A descriptor that takes a table, or a function that makes it; `default` is such a function.

    Source: descriptor-typed fields in Python's documentation of dataclasses.
    """

    def __init__(self, default: Callable[[], Any] | None = None) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_{name}"

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            # A dataclass asks for the field's default, and hands it to `__set__`.
            if self._default is None:
                raise AttributeError("this table has no default")
            return self._default
        found = owner.__dict__[self._key]
        if callable(found):
            found = owner.__dict__[self._key] = found()
        return found

    def __set__(self, owner: Any, value: Any) -> None:
        owner.__dict__[self._key] = value
