"""What is printed: results to stdout, words for people to stderr."""

import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import typer

from seldfuse.cli.stdout import get_output

if TYPE_CHECKING:
    from rich.console import RenderableType

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
    from rich.console import Console

    output = get_output()
    console = Console(file=output, highlight=False, width=None if output.isatty() else WIDTH_OF_PIPES)
    for result in results:
        console.print(result, markup=False, soft_wrap=isinstance(result, str))


def print_json(value: Any) -> None:
    """Print one JSON value."""
    print_text(json.dumps(value, indent=2) + "\n")


def print_text(text: str) -> None:
    """Print a text as it is."""
    typer.echo(text, file=get_output(), nl=False)


def print_error(message: str) -> None:
    """Print an error as it stands: brackets in paths are no markup, and commands stay on one line to be copied."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def print_note(message: str) -> None:
    """Print a remark as it stands."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text.assemble(("note: ", "bold"), message), soft_wrap=True)


def show_progress(
    view: "Callable[[], RenderableType]", line: Callable[[], str] | None = None
) -> AbstractContextManager[Any]:
    """Show what `view` returns, renewed while the block runs; where stderr is no terminal, `line` every 10 s."""
    if not sys.stderr.isatty():
        return nullcontext() if line is None else _log_progress(line)
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(stderr=True), get_renderable=view, transient=True, refresh_per_second=5)


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
