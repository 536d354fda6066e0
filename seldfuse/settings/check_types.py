"""Values that were read, checked against the types that they are to have."""

import dataclasses
import math
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seldfuse.limits import LARGEST_NUMBER


def find_misfit(value: object, annotation: Any, name: str = "") -> str | None:
    """Find the first part of a value that is not what an annotation says, and say what it should be; None where all is.

    Numbers must be finite and no larger than `LARGEST_NUMBER`; an int is a float, too, and a bool is neither.

    >>> find_misfit((1, "x"), tuple[float, ...], "size_m")
    "size_m.1 must be a number, got 'x'"
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return None
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return _find_in_fields(value, annotation, name)
    if origin in (Union, UnionType):
        return _find_in_union(value, parts, name)
    if origin is Literal:
        return None if value in parts else _describe(name, " or ".join(map(repr, parts)), value)
    if origin is tuple:
        return _find_in_tuple(value, parts, name)
    if origin is list:
        return _find_in_tuple(tuple(value) if isinstance(value, list) else value, (*parts, ...), name)
    if origin is not None and issubclass(origin, Mapping):
        return _find_in_mapping(value, parts, name)
    if annotation in (int, float):
        return _find_in_number(value, annotation, name)
    expected = NoneType if annotation is None else annotation
    return None if isinstance(value, expected) else _describe(name, _name_type(expected), value)


def _find_in_fields(value: object, kind: type, name: str) -> str | None:
    if not isinstance(value, kind):
        return _describe(name, f"a {kind.__name__}", value)
    found = (find_misfit(getattr(value, part), hint, _join(name, part)) for part, hint in _hints(kind).items())
    return next((misfit for misfit in found if misfit), None)


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _find_in_union(value: object, parts: tuple[Any, ...], name: str) -> str | None:
    found = [find_misfit(value, part, name) for part in parts]
    if None in found:
        return None
    # What an alternative of the value's own kind says is the most telling.
    own = (one for one, part in zip(found, parts, strict=True) if isinstance(part, type) and isinstance(value, part))
    return next(own, found[0])


def _find_in_tuple(value: object, parts: tuple[Any, ...], name: str) -> str | None:
    if not isinstance(value, tuple):
        return _describe(name, "a list", value)
    kinds = [parts[0]] * len(value) if parts[1:] == (Ellipsis,) else list(parts)
    if len(kinds) != len(value):
        return _describe(name, f"a list of {len(kinds)}", value)
    found = (
        find_misfit(one, kind, _join(name, place)) for place, (one, kind) in enumerate(zip(value, kinds, strict=True))
    )
    return next((misfit for misfit in found if misfit), None)


def _find_in_mapping(value: object, parts: tuple[Any, ...], name: str) -> str | None:
    if not isinstance(value, Mapping):
        return _describe(name, "a table", value)
    for key, one in value.items():
        if misfit := find_misfit(key, parts[0], name) or find_misfit(one, parts[1], _join(name, key)):
            return misfit
    return None


def _find_in_number(value: object, kind: type, name: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return _describe(name, "a whole number" if kind is int else "a number", value)
    # Whole numbers are seeds and places, too.
    if kind is int and abs(value) < 2**63:
        return None
    if not (math.isfinite(value) and abs(value) <= LARGEST_NUMBER):
        return _describe(name, f"a number of at most {LARGEST_NUMBER:g}", value)
    return None


def _join(name: str, part: object) -> str:
    return f"{name}.{part}" if name else str(part)


def _name_type(kind: Any) -> str:
    return {str: "a text", bool: "true or false", NoneType: "null"}.get(kind, getattr(kind, "__name__", str(kind)))


def _describe(name: str, expected: str, value: object) -> str:
    return f"{name:.60} must be {expected}, got {value!r:.60}"
