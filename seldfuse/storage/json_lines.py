"""Files of JSON lines: one object a line, appended to as long as a process runs.

A process that is killed while it writes leaves its last line torn. What a reader makes of that is its choice.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal, NamedTuple

from seldfuse.limits import MOST_LINE_BYTES
from seldfuse.storage.lock import open_without_link
from seldfuse.storage.read_json import parse_json


class JsonLine(NamedTuple):
    """A line that holds an object, its text without the end of the line, and its number, counted from 1."""

    number: int
    text: str
    value: dict[str, Any]


class JsonLineError(ValueError):
    """A line that holds no object."""

    def __init__(self, number: int, cause: Exception) -> None:
        super().__init__(f"line {number}: {cause}")
        self.number, self.cause = number, cause


def read_json_lines(path: Path, torn: Literal["skip", "raise"]) -> Iterator[JsonLine]:
    """Read the lines of a file, which may be packed with gzip where its name says so; empty lines are passed over.

    A line that holds no object is passed over too where `torn` is "skip", and raises JsonLineError otherwise. Raises
    OSError, and EOFError where a packed file ends early.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(iter(lambda: _read_line(file), b""), 1):
            if not line.strip():
                continue
            try:
                yield _parse(number, line)
            except JsonLineError:
                if torn != "skip":
                    raise


def _read_line(file: BufferedIOBase) -> bytes:
    try:
        return file.readline(MOST_LINE_BYTES + 1)
    except zlib.error as error:
        raise gzip.BadGzipFile(str(error)) from error


def cut_torn_line(path: Path) -> int:
    """Remove what stands behind the last whole line of a file, and return how many bytes are left. Raises OSError."""
    with path.open("rb+") as file:
        return file.truncate(file.read().rfind(b"\n") + 1)


def append_json_line(path: Path, value: Mapping[str, Any], compact: bool = False) -> None:
    """Append an object as a line of its own, also behind a torn line. Raises OSError, also where it is a link."""
    with open(path, "a+b", opener=open_without_link) as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        # A name that is no UTF-8 is spelled as JSON spells such.
        file.write(format_json_line(value, compact).encode(errors="backslashreplace"))


def format_json_line(value: Mapping[str, Any], compact: bool = False) -> str:
    """Return an object as a line with its end; without spaces between its parts where `compact`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None) + "\n"


def _parse(number: int, line: bytes) -> JsonLine:
    try:
        text = line.decode().rstrip("\r\n")
        value = parse_json(text, MOST_LINE_BYTES)
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, got {type(value).__name__}")
    except (ValueError, TypeError) as error:
        raise JsonLineError(number, error) from error
    return JsonLine(number, text, value)
