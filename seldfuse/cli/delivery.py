"""What becomes of results: files, tables on the screen or JSON, a closing line and the exit code."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seldfuse.cli.console import complain, note, show, show_json
from seldfuse.errors import SeldfuseError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.pipeline import Result
    from seldfuse.plugin.registry import Entry, Registry
    from seldfuse.plugin.specs import WriterSpec

TABLES_SHOWN = 10
"""Clips whose events go to the screen; a long batch is a matter for files."""


class Delivery:
    """Takes results one by one. `refused` says why a format that was asked for is not written."""

    def __init__(self, out: Path, formats: str, provides: set[str], registry: "Registry", as_json: bool) -> None:
        self.out = out
        self.as_json = as_json
        self.writers, self.refused = _writers(formats, provides, registry)
        self.documents: list[dict[str, Any]] = []
        self.failures: list[tuple[str, SeldfuseError]] = []
        self.notes: Counter[str] = Counter()
        self.clips = 0
        self.events = 0

    def take(self, result: "Result", save_posteriors: bool = False) -> None:
        """Writes a result's files and shows its events."""
        from seldfuse.formats.json import document
        from seldfuse.pipeline import save_members, write

        paths = write(result, self.out, self.writers)
        if save_posteriors:
            save_members(result, self.out)
        self.clips += 1
        segments = result.events.segments()
        self.events += len(segments)
        self.notes.update(result.notes)
        if self.as_json:
            self.documents.append({**document(result), "files": [str(path) for path in paths]})
        elif self.clips <= TABLES_SHOWN:
            show(_table(result, segments))

    def fail(self, name: str, error: SeldfuseError) -> None:
        complain(f"{name}: {error}")
        self.failures.append((name, error))

    def close(self, timing: str = "") -> None:
        """Says what was done and leaves with the exit code; prints the JSON document where it was asked for."""
        if self.as_json:
            failed = [
                {"name": name, "error": str(error), "exit_code": error.exit_code} for name, error in self.failures
            ]
            show_json({"results": self.documents, "failures": failed, "refused": self.refused})
        for text, clips in self.notes.items():
            note(text if clips == 1 else f"{text} ({clips} clips)")
        formats = ", ".join(writer.spec.name for writer in self.writers)
        failed_clause = f", {_counted(len(self.failures), 'clip')} failed" if self.failures else ""
        note(
            f"{_counted(self.clips, 'clip')}, {_counted(self.events, 'event')}{failed_clause}{timing}; "
            f"{formats} in {self.out}/"
        )
        for reason in self.refused:
            complain(reason)
        if code := self._exit_code():
            raise typer.Exit(code)

    def _exit_code(self) -> int:
        if self.failures:
            codes = {error.exit_code for _, error in self.failures}
            return codes.pop() if self.clips == 0 and len(codes) == 1 else 1
        return UsageError.exit_code if self.refused else 0


def _writers(formats: str, provides: set[str], registry: "Registry") -> "tuple[list[Entry[WriterSpec]], list[str]]":
    """Writers that can write, and why others cannot. Raises UsageError where none is left."""
    asked = registry.find_writers(formats)
    lacking = {entry.spec.name: [need for need in entry.spec.needs if need not in provides] for entry in asked}
    refused = [_refusal(name, needs, registry) for name, needs in lacking.items() if needs]
    possible = [entry for entry in asked if not lacking[entry.spec.name]]
    if not possible:
        raise UsageError(" ".join(refused))
    return possible, refused


def _refusal(writer: str, needs: Sequence[str], registry: "Registry") -> str:
    helpful = [
        entry.spec.name
        for entry in registry.backends.values()
        if entry.state == "ready" and set(needs) <= set(entry.spec.provides)
    ]
    return (
        f"the format {writer} was not written: it needs the {' and '.join(needs)} of every event, which none of these "
        f"backends gives. Add one that does ({', '.join(helpful)}), or leave the format out with --formats json"
    )


def _table(result: "Result", segments: Any) -> "Table":
    from rich.table import Table

    table = Table(title=f"{result.name} ({result.duration_s:.1f} s)", title_justify="left", title_style="bold")
    for column, justify in COLUMNS.items():
        table.add_column(column, justify=justify)
    for row in segments.to_dict("records"):
        table.add_row(*_cells(row, result.events.labels.classes[row["cls"]].name))
    if not len(segments):
        table.add_row("", "nothing heard", *[""] * (len(COLUMNS) - 2))
    return table


COLUMNS: dict[str, Any] = {
    "time (s)": "right",
    "class": "left",
    "azimuth": "right",
    "distance": "right",
    "on-screen": "right",
    "score": "right",
}


def _cells(row: dict[str, Any], name: str) -> list[str]:
    return [
        f"{row['start_s']:.1f} – {row['end_s']:.1f}",
        name,
        _azimuth(row["azimuth_deg"]),
        _known(row["distance_m"], "{:.1f} m"),
        {True: "yes", False: "no"}[row["onscreen"] > 0.5] if row["onscreen"] == row["onscreen"] else "–",
        _known(row["score"], "{:.2f}"),
    ]


def _azimuth(azimuth_deg: float) -> str:
    side = "left" if azimuth_deg > 0 else "right"
    return "front" if abs(azimuth_deg) < 0.5 else _known(abs(azimuth_deg), "{:.0f}° " + side)


def _known(value: float, form: str) -> str:
    return "–" if value != value else form.format(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
