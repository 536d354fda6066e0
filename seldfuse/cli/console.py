"""What is printed: results to stdout, words for people to stderr.

Texts of others, such as names of files and of classes, reach the screen with their control characters spelled out. An
output that is closed, full or no longer read costs what would stand there, and nothing else.
"""

import errno
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from seldfuse.cli.stdout import find_loss, forget_loss, get_output, losing_output, silence
from seldfuse.errors import UsageError
from seldfuse.storage.text import make_printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

WIDTH_OF_PIPES = 240

LOG_INTERVAL_S = 10.0
"""How often a log tells the progress."""


def replace_unprintable() -> None:
    """Have what a terminal or a log cannot show replaced by question marks: no letter is to end a batch."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_result(*results: "RenderableType") -> None:
    """Print tables and lines; wide where no terminal sets a width, so that pipes get whole lines."""
    with losing_output():
        output = get_output()
        width = None if output.isatty() else WIDTH_OF_PIPES
        console = _make_console(file=output, highlight=False, width=width)
        for result in results:
            console.print(result, markup=False, soft_wrap=isinstance(result, str))


def print_json(value: Any) -> None:
    """Print one JSON value."""
    print_line(json.dumps(value, indent=2))


def print_line(text: str, end: str = "\n") -> None:
    """Print a text that other programs read to stdout."""
    with losing_output():
        get_output().write(make_printable(text, keep_lines=True) + end)


def print_error(message: str, details: Sequence[str] = ()) -> None:
    """Print an error as it stands, and lines that belong to it: brackets in paths are no markup, and commands stay on
    one line to be copied."""
    _print_words("error: ", "bold red", message, details)


def print_note(message: str) -> None:
    """Print a remark as it stands."""
    _print_words("note: ", "bold", message)


def print_plainly(text: str) -> None:
    """Print lines of plain text to stderr."""
    with suppress(OSError, ValueError):
        sys.stderr.write(make_printable(text, keep_lines=True))
        sys.stderr.flush()


def show_usage(error: Any) -> int:
    """Print what Typer says of a command line that it does not understand, and how it is to be; return the code."""
    error.message = make_printable(str(error.message), keep_lines=True)
    with suppress(OSError, ValueError):
        error.show()
    return int(error.exit_code)


def open_streams() -> None:
    """Put something in place of standard streams that were closed when the process began.

    Else files would get their numbers, and what libraries print would stand in them.
    """
    forget_loss()
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                _fill_descriptor(number)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if hasattr(sys.stderr, "reconfigure"):
        with suppress(OSError, ValueError):
            sys.stderr.reconfigure(errors="backslashreplace")


def finish_output(code: int) -> int:
    """Hand on what stdout still holds; return the exit code: what could not be printed is an error of its own."""
    with losing_output():
        get_output().flush()
    loss = find_loss()
    if isinstance(loss, BrokenPipeError) or loss is None:
        return code
    print_error(f"the results could not be printed ({loss.strerror}); what was to be written is written")
    return code or UsageError.exit_code


def _fill_descriptor(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _print_words(heading: str, style: str, message: str, details: Sequence[str] = ()) -> None:
    from rich.text import Text

    lines = [make_printable(message), *(f"  {make_printable(line)}" for line in details)]
    try:
        console = _make_console(stderr=True, highlight=False)
        console.print(Text.assemble((heading, style), "\n".join(lines)), soft_wrap=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def _make_console(**options: Any) -> "Console":
    """Make a console that spells control characters of texts out."""
    from rich.console import Console
    from rich.segment import Segment

    class PrintableConsole(Console):
        def on_broken_pipe(self) -> None:
            # rich would leave with an exit code of its own.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

        def render(self, renderable: "RenderableType", options: "ConsoleOptions | None" = None) -> "Iterable[Segment]":
            for one in super().render(renderable, options):
                yield one if one.control else Segment(make_printable(one.text, keep_lines=True), one.style)

    return PrintableConsole(**options)


def show_progress(
    view: "Callable[[], RenderableType]", line: Callable[[], str] | None = None
) -> AbstractContextManager[Any]:
    """Show what `view` returns, renewed while the block runs; where stderr is no terminal, `line` every 10 s."""
    if not sys.stderr.isatty():
        return nullcontext() if line is None else _log_progress(line)
    from rich.live import Live

    return Live(console=_make_console(stderr=True), get_renderable=view, transient=True, refresh_per_second=5)


@contextmanager
def _log_progress(line: Callable[[], str]) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(LOG_INTERVAL_S):
            print_note(line())

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
