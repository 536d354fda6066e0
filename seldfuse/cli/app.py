"""The `seldfuse` command: the commands, and how a failure leaves the process."""

import gc
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import seldfuse
from seldfuse.cli.commands.check import check
from seldfuse.cli.commands.checkpoints import checkpoints
from seldfuse.cli.commands.doctor import doctor
from seldfuse.cli.commands.eval import evaluate
from seldfuse.cli.commands.from_foa import from_foa
from seldfuse.cli.commands.fuse import fuse
from seldfuse.cli.commands.plugins import plugins
from seldfuse.cli.commands.report import report
from seldfuse.cli.commands.run import run
from seldfuse.cli.commands.submission import pack_submission
from seldfuse.cli.commands.synth import make_scenes
from seldfuse.cli.commands.synth_bank import fill_scene_bank
from seldfuse.cli.commands.train import train
from seldfuse.cli.commands.tune import tune_fusion
from seldfuse.cli.commands.tune_events import tune_events
from seldfuse.cli.commands.tune_vision import tune_vision
from seldfuse.cli.config import OPTION, read_defaults, split_config
from seldfuse.cli.console import print_error, print_note, replace_unprintable
from seldfuse.cli.old_spelling import update_spelling
from seldfuse.cli.stdout import keep_stdout_clean
from seldfuse.errors import SeldfuseError
from seldfuse.settings.aliases import OldNameWarning


def _group(summary: str, **commands: Callable[..., Any]) -> typer.Typer:
    group = typer.Typer(help=summary, no_args_is_help=True, rich_markup_mode=None)
    for name, command in commands.items():
        group.command(name.replace("_", "-"))(keep_stdout_clean(command))
    return group


COMMANDS: dict[str, Callable[..., Any] | typer.Typer] = {
    "run": run,
    "fuse": fuse,
    "eval": evaluate,
    "report": report,
    "submission": pack_submission,
    "tune": _group(
        "Fit settings to labelled clips not trained on.", fusion=tune_fusion, events=tune_events, vision=tune_vision
    ),
    "synth": _group(
        "Make data sets, and scenes to train on.",
        scenes=make_scenes,
        from_foa=from_foa,
        bank=fill_scene_bank,
    ),
    "train": train,
    "check": check,
    "checkpoints": checkpoints,
    "plugins": plugins,
    "doctor": doctor,
}
"""In the order of the help. A command is one function in one file; what is heavy is imported in its body."""


class _Ordered(TyperGroup):
    """The commands in their order: Typer puts groups behind all others."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)


app = typer.Typer(
    cls=_Ordered, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
for name, command in COMMANDS.items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(keep_stdout_clean(command))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line, this process's own where None, and end in SystemExit with the exit code.

    What a user can mend is one message on stderr; a bug of seldfuse is a traceback.
    """
    replace_unprintable()
    try:
        arguments, config = split_config(sys.argv[1:] if arguments is None else arguments)
        arguments, note = update_spelling(arguments)
        if note:
            print_note(note)
        defaults = {"default_map": read_defaults(config, typer.main.get_command(app))} if config else {}
        with _old_names_as_notes():
            app(arguments, prog_name="seldfuse", **defaults)
    except SeldfuseError as error:
        print_error(str(error))
        raise SystemExit(error.exit_code) from error
    finally:
        # A command that failed may have paused it.
        gc.enable()


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
    config: Annotated[
        str | None,
        typer.Option(
            OPTION, metavar="FILE", help="Defaults of options, TOML: a table for each command. What is typed wins."
        ),
    ] = None,
) -> None:
    """Say what sounded in stereo videos: when, from which direction, how far away, and whether in the picture."""
