"""What is printed: results to stdout, words for people to stderr."""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH_OF_PIPES = 240


def print_result(*results: "RenderableType") -> None:
    """Print tables and lines; wide where no terminal sets a width, so that pipes get whole lines."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_PIPES)
    for result in results:
        console.print(result, markup=False, soft_wrap=isinstance(result, str))


def print_json(value: Any) -> None:
    """Print one JSON value."""
    typer.echo(json.dumps(value, indent=2))


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


def show_progress(view: "Callable[[], RenderableType]") -> AbstractContextManager[Any]:
    """Show what `view` returns, renewed while the block runs; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(stderr=True), get_renderable=view, transient=True, refresh_per_second=5)
