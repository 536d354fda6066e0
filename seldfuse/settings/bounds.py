"""What values in settings may be: metadata of types that pydantic checks."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from seldfuse.limits import LARGEST_NUMBER

STRICT = ConfigDict(extra="forbid")
"""For dataclasses of settings: a key that is none of their fields is an error."""

EXPECTED = "expected"
"""The kind of error whose message goes on after the name of a setting: "must be …"."""

UNKNOWN_KEY = "unknown_key"

ONE_NUMBER, BY_CLASS = "<one number>", "<by class>"
"""The two forms of a value by class. pydantic puts them into an error's path; no key of a file is called so."""


@dataclass(frozen=True)
class Bounds:
    """What a number may be, in words and as pydantic's bounds: metadata for a field's type, in `Annotated`.

    On `Number` it is about that number, on `ClassValues` about one number or each of a table. Numbers are kept as they
    were written: 15 does not become 15.0. Booleans, texts, NaN and infinities are none.
    """

    text: str
    ge: int | float | None = None
    gt: int | float | None = None
    le: int | float | None = None
    lt: int | float | None = None

    def __get_pydantic_core_schema__(self, source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        number = core_schema.float_schema(
            strict=True, allow_inf_nan=False, ge=self.ge, gt=self.gt, le=self.le, lt=self.lt
        )
        # Beyond that, sums leave single precision; what is smaller and not 0 does so as a divisor.
        sized = core_schema.no_info_after_validator_function(_check_size, number)
        as_written = core_schema.no_info_wrap_validator_function(self._check, sized)
        if source == int | float:
            return as_written
        table = core_schema.dict_schema(core_schema.str_schema(), as_written)
        return core_schema.tagged_union_schema({ONE_NUMBER: as_written, BY_CLASS: table}, _choose_form)

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        # Only a number that is in its bounds can be too large or too small for anything.
        text = self.text if _has_size(value) else f"{self.text}, and of a size up to {LARGEST_NUMBER:g}"
        _validate(value, validate, text)
        return value


@dataclass(frozen=True)
class Expected:
    """What a value must be, in words that stand for all that pydantic finds wrong with it: metadata, in `Annotated`."""

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def _check(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        return _validate(value, validate, self.text)


@dataclass(frozen=True)
class Names:
    """The keys that a table may have: metadata for the type of its keys, in `Annotated`."""

    known: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, name: str) -> str:
        if name not in self.known:
            raise PydanticCustomError(UNKNOWN_KEY, "unknown key", {"known": self.known})
        return name


ANY_NUMBER = Bounds("a number")
NOT_NEGATIVE = Bounds("a number, 0 or more", ge=0)
POSITIVE = Bounds("a number above 0", gt=0)
SHARE = Bounds("a share from 0 to 1", ge=0, le=1)


def _has_size(value: object) -> bool:
    """Whether a value is 0, or neither too large nor too small to compute with; what is no number passes."""
    if not isinstance(value, int | float) or value in (math.inf, -math.inf) or value != value:
        return True
    return value == 0 or 1 / LARGEST_NUMBER <= abs(value) <= LARGEST_NUMBER


def _check_size(value: float) -> float:
    if not _has_size(value):
        raise PydanticCustomError(EXPECTED, "must be of another size")
    return value


def _choose_form(value: Any) -> str:
    return BY_CLASS if isinstance(value, Mapping) else ONE_NUMBER


def _validate(value: Any, validate: Callable[[Any], Any], text: str) -> Any:
    """Validate a value; whatever is wrong with it, the error is that it must be what `text` says."""
    try:
        return validate(value)
    except ValidationError as error:
        raise PydanticCustomError(EXPECTED, "must be {text}", {"text": text}) from error
