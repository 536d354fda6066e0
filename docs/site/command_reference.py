"""The reference of commands, made of the commands themselves."""

from collections.abc import Iterator
from typing import Any

import typer

from seldfuse.cli.app import app

NAME = "seldfuse"
TEXT = """# Commands

`seldfuse COMMAND --help` prints the same. `--config FILE`, before or behind any command, names a TOML file of defaults
with a table for each command, such as `[run]` and `[tune.fusion]`; what is typed wins.
"""


def describe_commands() -> str:
    """Describe all commands with their arguments and options as a page of Markdown."""
    root: Any = typer.main.get_command(app)
    return "\n".join([TEXT, *_describe_each(root, NAME)])


def _describe_each(group: Any, name: str) -> Iterator[str]:
    for inner in group.list_commands(typer.Context(group)):
        yield from _describe(group.commands[inner], f"{name} {inner}")


def _describe(command: Any, name: str) -> Iterator[str]:
    is_group = bool(getattr(command, "commands", {}))
    yield f"## {name}\n\n{_escape(command.help or '')}\n"
    if not is_group or command.invoke_without_command:
        with typer.Context(command, info_name=name) as context:
            usage = " ".join([name, *command.collect_usage_pieces(context)])
            records = [one.get_help_record(context) for one in command.params]
        yield f"```text\n{usage}\n```\n"
        yield "| | |\n|---|---|"
        yield from (f"| `{_escape_cell(record[0])}` | {_escape(record[1])} |" for record in records if record)
        yield ""
    if is_group:
        yield from _describe_each(command, name)


def _escape(text: str) -> str:
    """Escape what Markdown would take for HTML, an emphasis, a link or the end of a cell, and join its lines."""
    plain = " ".join(text.replace("\b", "").split())
    for mark in ("*", "_", "[", "]"):
        plain = plain.replace(mark, f"\\{mark}")
    return _escape_cell(plain.replace("<", "&lt;"))


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|")
