"""Standard output for the program alone: what plugins and the libraries below them print goes to standard error.

Where it can no longer be written, the program goes on without.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


class _Lost:
    """The first reason for which standard output took nothing more."""

    error: OSError | None = None


def find_loss() -> OSError | None:
    """Return why results could no longer be printed, if so."""
    return _Lost.error


def forget_loss() -> None:
    """Begin anew, as a command does."""
    _Lost.error = None


@contextmanager
def losing_output() -> Iterator[None]:
    """Where standard output cannot be written, go on without."""
    try:
        yield
    except OSError as error:
        _Lost.error = _Lost.error or error
        silence(get_output())
    except ValueError:
        # It was closed.
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if _reserved:
            _reserved[-1] = nowhere
        else:
            sys.stdout = nowhere


def silence(stream: Any) -> None:
    """Let a stream lead nowhere: what it still holds would fail once more when the process ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    with suppress(OSError, ValueError):
        stream.flush()


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
        with losing_output():
            get_output().flush()
        output = _reserved.pop()
        sys.stdout = before
        if output is not before:
            # A stream that leads nowhere has a descriptor, too.
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
