"""`seldfuse check`: whether labels, sound and classes of a data set belong together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.cli.labels import Labels
from seldfuse.storage.text import format_count

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.checks.findings import CheckReport


def check(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="Sounds with labels, first-order recordings, or labels alone."),
    ],
    labels: Labels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check a data set before anything is trained, tuned or scored with it.

    Azimuths are compared with the sound, channels, units and times with what they can be, clips with each other. Ends
    with 1 where something cannot be right. Training and `synth from-foa` make the same checks.
    """
    report = _inspect(data, labels)
    if as_json:
        print_json(report.to_json())
    else:
        if report.findings:
            print_result(_table(report))
        for skipped in report.skipped:
            print_note(f"not checked: {skipped}")
        heard = f", {report.measured} of them with their sound" if report.measured < report.clips else ""
        errors = format_count(len(report.errors), "error")
        print_note(f"{format_count(report.clips, 'clip')}{heard}: {errors}, {_count_notes(report)}")
    if report.errors:
        raise typer.Exit(1)


def _inspect(data: Path, labels: str | None) -> "CheckReport":
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.core.labels import DCASE2025
    from seldfuse.inspection import inspect_data

    return inspect_data(data, resolve_labels(labels) or DCASE2025)


def _count_notes(report: "CheckReport") -> str:
    return format_count(len(report.findings) - len(report.errors), "note")


def _table(report: "CheckReport") -> "Table":
    from rich.table import Table

    from seldfuse.checks.findings import NAMED
    from seldfuse.storage.text import name_some

    table = Table("", "what", "found", "what to do", "clips", box=None, pad_edge=False)
    for one in report.findings:
        table.add_row(one.severity, one.reason, one.message, one.remedy, name_some(one.clips, NAMED))
    return table
