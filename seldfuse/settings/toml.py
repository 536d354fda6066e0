"""Settings in TOML files: read in one place, checked by pydantic, with one wording of what is wrong."""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from seldfuse.errors import UsageError
from seldfuse.limits import DEEPEST_KEY, MOST_SETTINGS_BYTES
from seldfuse.settings.bounds import BY_CLASS, EXPECTED, ONE_NUMBER, UNKNOWN_KEY
from seldfuse.settings.known import describe_unknown
from seldfuse.storage.impostors import recognize_impostor
from seldfuse.storage.read_bytes import read_bytes

Settings = TypeVar("Settings")

MOST_CHARACTERS = 60
"""Of a value that is wrong, at most so much is repeated."""

MOST_ERRORS = 8

MOST_OF_ERROR = 300
"""Of what a parser says."""

_TOO_DEEP = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{DEEPEST_KEY}}}""")


def read_table(path: Path, expected: str) -> dict[str, Any]:
    """Read what a TOML file holds; `expected` says for an error what should stand there.

    Raises UsageError where the file is missing, cannot be read or is not TOML.
    """
    try:
        return parse_toml(read_text(path))
    except OSError as error:
        raise UsageError(f"expected {expected} that can be read ({error.strerror}): {path}") from error
    except ValueError as error:
        raise UsageError(f"expected {expected}, but this is no TOML ({error!s:.{MOST_OF_ERROR}}): {path}") from error


def read_text(path: Path) -> str:
    """Read a file of settings. Raises OSError, and ValueError where it is too large or no UTF-8."""
    data = read_bytes(path, MOST_SETTINGS_BYTES)
    if impostor := recognize_impostor(data, "settings"):
        raise ValueError(impostor)
    return data.decode("utf-8").replace("\r\n", "\n")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ValueError, whatever is wrong with it, also where it would take all memory to find out."""
    # Python's parser takes time and memory that grow with the square of a key's parts.
    if _TOO_DEEP.search(text):
        raise ValueError(f"a key of more than {DEEPEST_KEY} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (OverflowError, MemoryError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def read_settings(path: Path, expected: str, parse: Callable[[dict[str, Any]], Settings]) -> Settings:
    """Read a TOML file as settings, by a function that makes them of a table. Raises UsageError, path last."""
    table = read_table(path, expected)
    try:
        return parse(table)
    except UsageError as error:
        raise UsageError(f"{error}: {path}") from error
    except RecursionError:
        raise UsageError(f"expected {expected}, but its tables are nested too deeply: {path}") from None


def parse_table(kind: Callable[..., Settings], table: Mapping[str, Any], noun: str) -> Settings:
    """Make settings of a table of TOML or JSON; `noun` is what one of its keys is called.

    Raises UsageError that names every key that is unknown, missing or has a value that cannot be.
    """
    try:
        settings: Settings = _make_adapter(kind).validate_python(table)
    except ValidationError as error:
        found = error.errors(include_url=False)
        shown = [_describe(kind, noun, one) for one in found[:MOST_ERRORS]]
        more = [f"and {len(found) - MOST_ERRORS} more"] if len(found) > MOST_ERRORS else []
        raise UsageError("; ".join([*shown, *more])) from error
    except RecursionError:
        raise UsageError(f"tables are nested too deeply for a {noun}") from None
    return settings


@cache
def _make_adapter(kind: Any) -> Any:
    return TypeAdapter(kind)


def _describe(kind: Any, noun: str, error: Mapping[str, Any]) -> str:
    """Describe one error of pydantic: what was expected, and what came."""
    *parents, last = path = [
        str(part)[:MOST_CHARACTERS] for part in error["loc"] if part not in (ONE_NUMBER, BY_CLASS, "[key]")
    ]
    name, came = ".".join(path), f"got {error['input']!r:.{MOST_CHARACTERS}}"
    within = f"setting of {'.'.join(parents)}" if parents else noun
    match error["type"]:
        case "unexpected_keyword_argument":
            return describe_unknown(last, _list_keys(kind, parents), within)
        case _ if error["type"] == UNKNOWN_KEY:
            return describe_unknown(last, error["ctx"]["known"], within)
        case "dataclass_type" | "dict_type" | "mapping_type":
            return f"{name} must be a table, {came}"
        case "string_type":
            return f"{name} must be a text, {came}"
        case _ if error["type"] == EXPECTED:
            return f"{name} {error['msg']}, {came}"
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}, {came}"


def _list_keys(kind: Any, path: Sequence[str]) -> list[str]:
    """List the keys of the table at a place below a type of settings."""
    for part in path:
        kind = _find_type(kind, part)
    return [field.name for field in dataclasses.fields(kind)]


def _find_type(kind: Any, part: str) -> Any:
    """Find the type of a dataclass's field, or of the values of a mapping or tuple; of `X | None` it is X."""
    if dataclasses.is_dataclass(kind):
        found = get_type_hints(kind)[part]
    else:
        found = get_args(kind)[0 if get_origin(kind) is tuple else -1]
    return next(one for one in get_args(found) if one is not NoneType) if NoneType in get_args(found) else found
