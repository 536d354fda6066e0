"""Standard output for the program alone: what plugins and the libraries below them print goes to standard error."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

STDOUT, STDERR = 1, 2
_reserved: list[Any] = []
"""Streams, which are whatever takes the place of `sys.stdout`."""


def get_output() -> Any:
    """Return the stream that results are printed to."""
    return _reserved[-1] if _reserved else sys.stdout


def keep_stdout_clean(command: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Wrap a command so that only `get_output` leads to standard output while it runs."""

    @wraps(command)
    def wrapped(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        with _reserve():
            return command(*arguments, **options)

    return wrapped


@contextmanager
def _reserve() -> Iterator[None]:
    """Python's `print` and, where it is the process's own, descriptor 1 write to standard error."""
    before = sys.stdout
    output = _take_descriptor(before) if _is_descriptor(before) else before
    _reserved.append(output)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        _reserved.pop()
        sys.stdout = before
        if output is not before:
            try:
                output.flush()
            finally:
                os.dup2(output.fileno(), STDOUT)
                output.close()


def _is_descriptor(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == STDOUT)
    except (AttributeError, OSError, ValueError):
        return False


def _take_descriptor(stream: Any) -> Any:
    stream.flush()
    copy = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return os.fdopen(
        copy, "w", encoding=stream.encoding, errors=stream.errors, newline="", buffering=1 if stream.isatty() else -1
    )
