"""`seldfuse plugins`: what is installed, what of it is ready, and what failed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.commands.plugins_new import new_plugin
from seldfuse.cli.console import print_json, print_result
from seldfuse.cli.group import CallableGroup

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.registry import CatalogueEntry, PluginFailure, Registry

COLUMNS = ("kind", "name", "aliases", "state", "provides", "needs", "distribution", "version", "summary")
PLAIN = ("kind", "name", "state", "distribution", "version", "summary")
MOST_IN_TABLE = 500
VIDEO = "video"
COLOURS = {"ready": "green", "planned": "dim", "needs extra": "yellow", "failed": "red"}
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

plugins = typer.Typer(cls=CallableGroup, rich_markup_mode=None)


@plugins.callback(invoke_without_command=True)
def list_unless_asked_otherwise(context: typer.Context, as_json: AsJson = False) -> None:
    """List what plugins bring.

    Backends, detectors, post-processors, encoders, features, augmentations, scores and writers, each with its state;
    and plugins that failed, with the cause. A backend that needs video is worth less without pictures.
    """
    if context.invoked_subcommand is None:
        list_plugins(as_json)


@plugins.command("list")
def list_plugins(as_json: AsJson = False) -> None:
    """List what plugins bring; what `seldfuse plugins` alone does too."""
    from seldfuse.catalogue.host import load_registry

    registry = load_registry()
    if as_json:
        print_json({"plugins": _rows(registry), "failures": [_failure(failure) for failure in registry.failures]})
    else:
        rows = _rows(registry) + [_failed_row(failure) for failure in registry.failures]
        # To lay out a table of many thousand rows takes many seconds.
        shown = [_table(rows)] if len(rows) <= MOST_IN_TABLE else ["\n".join(map(_line, rows))]
        print_result(*shown, *_notes(registry))


plugins.command("new")(new_plugin)


def _rows(registry: "Registry") -> list[dict[str, Any]]:
    # Intermediate features are nothing that anybody names.
    shown = [entry for entry in registry.entries if getattr(entry.value, "listed", True)]
    return [_row(entry) for entry in sorted(shown, key=lambda entry: (entry.value.kind, entry.value.name))]


def _row(entry: "CatalogueEntry[Any]") -> dict[str, Any]:
    value = entry.value
    return {
        "kind": value.kind,
        "name": value.name,
        "aliases": list(value.aliases),
        "state": entry.state,
        "provides": list(getattr(value, "provides", ())),
        "needs_video": getattr(value, "needs_video", False),
        "distribution": entry.distribution,
        "version": entry.version,
        "summary": value.summary,
        "missing": list(entry.missing),
        "remedy": entry.remedy,
    }


def _failure(failure: "PluginFailure") -> dict[str, Any]:
    return {
        "distribution": failure.distribution,
        "version": failure.version,
        "entry_point": failure.entry_point,
        "stage": failure.stage,
        "cause": failure.cause,
        "remedy": failure.remedy,
        "name": failure.name,
    }


def _failed_row(failure: "PluginFailure") -> dict[str, Any]:
    return {
        "kind": "plugin",
        "name": failure.name or failure.entry_point,
        "aliases": [],
        "state": "failed",
        "provides": [],
        "needs_video": False,
        "distribution": failure.distribution,
        "version": failure.version,
        "summary": f"failed at the stage {failure.stage!r}; see below",
    }


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        shown = {**row, "needs": VIDEO if row["needs_video"] else ""}
        cells = (", ".join(shown[column]) if isinstance(shown[column], list) else shown[column] for column in COLUMNS)
        styles = (COLOURS[row["state"]] if column == "state" else "" for column in COLUMNS)
        table.add_row(*(Text(cell, style) for cell, style in zip(cells, styles, strict=True)))
    return table


def _line(row: dict[str, Any]) -> str:
    return "  ".join(", ".join(cell) if isinstance(cell := row[column], list) else str(cell) for column in PLAIN)


def _notes(registry: "Registry") -> list[str]:
    wanting = [
        f"\n{entry.value.kind} {entry.value.name} needs an extra: {entry.remedy}"
        for entry in registry.entries
        if entry.state == "needs extra"
    ]
    failed = [
        f"\n{failure.distribution} {failure.version}, entry point {failure.entry_point}, failed at the stage "
        f"{failure.stage!r}: {failure.report}"
        for failure in registry.failures
    ]
    return wanting + failed
