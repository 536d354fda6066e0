"""The `seldfuse` command: the commands, and how a failure leaves the process."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import seldfuse
from seldfuse.cli.below import with_below
from seldfuse.cli.commands.checkpoints import checkpoints, fetch
from seldfuse.cli.commands.doctor import doctor
from seldfuse.cli.commands.eval import evaluate
from seldfuse.cli.commands.from_foa import from_foa
from seldfuse.cli.commands.fuse import fuse
from seldfuse.cli.commands.plugins import plugins
from seldfuse.cli.commands.run import run
from seldfuse.cli.commands.synth import synth
from seldfuse.cli.commands.train import train
from seldfuse.cli.commands.tune import tune
from seldfuse.cli.console import print_error, print_note
from seldfuse.errors import SeldfuseError
from seldfuse.settings.aliases import OldNameWarning

COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run,
    "fuse": fuse,
    "eval": evaluate,
    "tune": tune,
    "synth": synth,
    "train": train,
    "checkpoints": checkpoints,
    "plugins": plugins,
    "doctor": doctor,
}
"""In the order of the help. A command is one function in one file; what is heavy is imported in its body."""

# Those that have a command of their own below them.
HANDING_ON = {synth: with_below("from-foa", from_foa), checkpoints: with_below("fetch", fetch)}

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name, cls=HANDING_ON.get(command))(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command line, this process's own where None, and ends in SystemExit with the exit code.

    What a user can mend is one message on stderr; a bug of seldfuse is a traceback.
    """
    try:
        with _old_names_as_notes():
            app(arguments, prog_name="seldfuse")
    except SeldfuseError as error:
        print_error(str(error))
        raise SystemExit(error.exit_code) from error


@contextmanager
def _old_names_as_notes() -> Iterator[None]:
    """Show warnings of old names of keys as notes, others as Python does."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", OldNameWarning)
        show = warnings.showwarning

        def show_or_note(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
            if issubclass(category, OldNameWarning):
                print_note(str(message))
            else:
                show(message, category, *rest, **options)

        warnings.showwarning = show_or_note
        yield


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"seldfuse {seldfuse.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _seldfuse(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Say what sounded in stereo videos: when, from which direction, how far away, and whether in the picture."""
