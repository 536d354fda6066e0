"""The `seldfuse` command: the commands, and how a failure leaves the process."""

import errno
import gc
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import seldfuse
from seldfuse.catalogue.guard import describe_cause
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
from seldfuse.cli.console import (
    finish_output,
    open_streams,
    print_error,
    print_line,
    print_note,
    print_plainly,
    replace_unprintable,
    show_usage,
)
from seldfuse.cli.old_spelling import update_spelling
from seldfuse.cli.stdout import keep_stdout_clean
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.settings.aliases import OldNameWarning
from seldfuse.storage.text import make_printable


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


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, this process's own where None; return the exit code.

    Raises KeyboardInterrupt, unless Typer made an exit code of it.
    """
    open_streams()
    replace_unprintable()
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except SeldfuseError as error:
        # Lists have a line for each item, indented; other ends of lines, as in names of files, are spelled out.
        message, *items = str(error).split("\n  ")
        print_error(message, items)
        code = error.exit_code
    except typer.Abort:
        code = SeldfuseError.exit_code
    except MemoryError as error:
        code = _report_exhaustion(error)
    except OSError as error:
        code = _report_bug(error) if error.filename is None and error.errno != errno.ENOSPC else _report_refusal(error)
    except RuntimeError as error:
        # As torch tells of memory that ran out.
        code = _report_exhaustion(error) if "allocate memory" in str(error) else _report_bug(error)
    except Exception as error:
        # Typer's own errors have no common type that it names.
        code = show_usage(error) if hasattr(error, "show") else _report_bug(error)
    finally:
        # A command that failed may have paused it.
        gc.enable()
    return finish_output(code)


def _run(typed: Sequence[str]) -> int:
    arguments, config = split_config(typed)
    arguments, note = update_spelling(arguments)
    if note:
        print_note(note)
    defaults = {"default_map": read_defaults(config, typer.main.get_command(app))} if config else {}
    with _old_names_as_notes():
        code = app(arguments, prog_name="seldfuse", standalone_mode=False, **defaults)
    return code if isinstance(code, int) else 0


def _report_bug(error: Exception) -> int:
    """Print where a bug of seldfuse happened; texts of others in it cannot act on a terminal."""
    print_plainly("".join(traceback.format_exception(error)))
    return SeldfuseError.exit_code


def _report_refusal(error: OSError) -> int:
    print_error(f"a file cannot be read or written ({error.strerror}): {error.filename or 'a temporary file'}")
    return UsageError.exit_code


def _report_exhaustion(error: BaseException) -> int:
    print_error(
        f"memory ran out ({describe_cause(error)}); what is finished stays: go on with the same command, with fewer or "
        "shorter recordings at a time, fewer --jobs, or more memory"
    )
    return SeldfuseError.exit_code


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
                show(make_printable(str(message)), category, *rest, **options)

        warnings.showwarning = show_or_note
        yield


def _print_version(wanted: bool) -> bool:
    if wanted:
        print_line(f"seldfuse {seldfuse.__version__}")
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
