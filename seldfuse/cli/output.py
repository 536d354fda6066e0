"""How results leave a command: files, tables on the screen or JSON, a closing line and the exit code."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seldfuse.cli.console import print_error, print_json, print_note, print_result
from seldfuse.core.azimuth_text import format_azimuth_range
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.storage.text import format_count, make_printable

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.registry import CatalogueEntry, Registry
    from seldfuse.catalogue.values import Writer
    from seldfuse.clip_writer import ClipWriter, WrittenClip
    from seldfuse.core.clip import Clip
    from seldfuse.core.result import Result
    from seldfuse.run_manifest import RunManifest

TABLES_SHOWN = 10
"""Clips whose events go to the screen; a long batch is a matter for files."""

ROWS_SHOWN = 40
"""Events of a clip that go to the screen; its file has them all."""

FILES_NAMED = 4
"""Files that the closing line names; it counts more than that."""


class OutputWriter:
    """A writer of results that come one by one, with counts of what was written and what failed.

    A clip that fails, in writing too, does not stop the others, unless `fail_fast`. `quiet` prints errors and JSON
    alone, `frames` has JSON list every frame. `refused` holds why formats that
    were asked for are not written at all, `lacking` the clips for which a format alone is not.
    """

    def __init__(
        self,
        out: Path,
        formats: str,
        provides: set[str],
        registry: "Registry",
        as_json: bool,
        fail_fast: bool = False,
        quiet: bool = False,
        frames: bool = False,
    ) -> None:
        if frames and not as_json:
            raise UsageError("--frames is about what --json prints; files have the frames always; add --json")
        self.out = out
        self.as_json = as_json
        self.fail_fast = fail_fast
        self.quiet = quiet
        self.frames = frames
        self.tables = 0
        self.writers, self.refused = _writers(formats, provides, registry)
        self.documents: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []
        self.failures: list[tuple[str, SeldfuseError]] = []
        self.lacking: dict[str, tuple[CatalogueEntry[Writer], list[str]]] = {}
        self.notes: Counter[str] = Counter()
        self.files: list[Path] = []
        self.clips = 0
        self.events = 0

    def make_writer(
        self, save_posteriors: bool = False, explain: bool = False, overlay: Path | None = None
    ) -> "ClipWriter":
        """Make the writer of each clip's files; see there."""
        from seldfuse.clip_writer import ClipWriter

        return ClipWriter(self.out, self.writers, self.as_json, self.frames, save_posteriors, explain, overlay)

    def write_result(
        self, result: "Result", writer: "ClipWriter | None" = None, manifest: "RunManifest | None" = None
    ) -> None:
        """Write a result's files, enter them in the manifest, and show the events and what detectors changed."""
        writer = writer or self.make_writer()
        try:
            if manifest:
                writer.select(result)
                manifest.begin(result.name)
            self.add_written(writer.write(result), manifest)
        except SeldfuseError as error:
            self.add_failure(result.name, error)

    def add_written(self, written: "WrittenClip", manifest: "RunManifest | None" = None) -> None:
        """Enter a clip whose files are written in the manifest, count it, and show it. Raises UsageError."""
        if manifest and not written.lacking:
            manifest.finish(written.name, written.files)
        for format_ in written.lacking:
            self.lacking.setdefault(format_.value.name, (format_, []))[1].append(written.name)
        self.clips += 1
        self.files += written.files
        self.events += len(written.rows)
        self.notes.update(written.notes)
        if written.document is not None:
            self.documents.append({**written.document, "files": [str(path) for path in written.files]})
        elif self._show_table(written.name, written.duration_s, written.rows, written.files) and written.explained:
            from seldfuse.cli.changes import build_changes_table

            print_result(build_changes_table(written.explained))

    def fail_clip(self, clip: "Clip", error: SeldfuseError) -> None:
        """Note a clip that cannot be read."""
        self.add_failure(clip.name, error)

    def add_skipped(self, name: str, files: Sequence[Path]) -> None:
        """Note a clip whose files are there already, and show the events that they hold."""
        from seldfuse.formats.json import read_document

        self.skipped.append({"name": name, "files": [str(path) for path in files]})
        found = next(filter(None, map(read_document, files)), None)
        if found and not self.as_json:
            self._show_table(name, found["duration_s"], [_with_unknown(row) for row in found["events"]], files)

    def note(self, message: str) -> None:
        """Print a remark, unless only errors are to be printed."""
        if not self.quiet:
            print_note(message)

    def add_failure(self, name: str, error: SeldfuseError) -> None:
        """Note a clip that failed. Raises the error itself where the first failure is to stop everything."""
        if self.fail_fast:
            raise error
        print_error(f"{name}: {error}")
        self.failures.append((name, error))

    def finish(self, timing: str = "") -> None:
        """Report what was done and leave with the exit code; print the JSON document where it was asked for."""
        refused = [*self.refused, *self._describe_lacks()]
        if self.as_json:
            failed = [
                {"name": name, "error": str(error), "exit_code": error.exit_code} for name, error in self.failures
            ]
            print_json({"results": self.documents, "skipped": self.skipped, "failures": failed, "refused": refused})
        for text, clips in self.notes.items():
            self.note(text if clips == 1 else f"{text} ({clips} clips)")
        if timing:
            self.note(timing)
        failed_clause = f", {format_count(len(self.failures), 'clip')} failed" if self.failures else ""
        if self.clips or self.failures or not self.skipped:
            self.note(
                f"{format_count(self.clips, 'clip')}, {format_count(self.events, 'event')}{failed_clause}; "
                f"{self._written()}"
            )
        if self.skipped:
            were, them = ("was", "it") if len(self.skipped) == 1 else ("were", "them")
            self.note(f"{format_count(len(self.skipped), 'clip')} {were} there already; --overwrite redoes {them}")
        # Where others came after it, a failure has scrolled out of sight.
        if self.failures and self.clips + len(self.skipped) + len(self.failures) > 1:
            listed = [f"{name}: {error}" for name, error in self.failures]
            print_error(f"{format_count(len(self.failures), 'clip')} failed:", listed)
        for reason in refused:
            print_error(reason)
        if code := self._exit_code(bool(refused)):
            raise typer.Exit(code)

    def _show_table(
        self, name: str, duration_s: float, segments: Sequence[Mapping[str, Any]], files: Sequence[Path]
    ) -> bool:
        """Show the events of a clip, unless enough clips were shown; say whether they were."""
        if self.quiet or self.tables >= TABLES_SHOWN:
            return False
        self.tables += 1
        print_result(_table(f"{name} ({duration_s:.1f} s)", segments))
        if len(segments) > ROWS_SHOWN:
            whole = next((file for file in files if file.suffix == ".json"), files[0])
            print_result(f"… and {len(segments) - ROWS_SHOWN} more in {whole}")
        return True

    def _describe_lacks(self) -> list[str]:
        if not self.lacking:
            return []
        from seldfuse.clip_writer import describe_lack

        return [describe_lack([writer], clips) for writer, clips in self.lacking.values()]

    def _written(self) -> str:
        if 0 < len(self.files) <= FILES_NAMED:
            return "wrote " + ", ".join(map(str, self.files))
        return f"wrote {format_count(len(self.files), 'file')} in {self.out}/"

    def _exit_code(self, refused: bool) -> int:
        if self.failures:
            codes = {error.exit_code for _, error in self.failures}
            return codes.pop() if self.clips + len(self.skipped) == 0 and len(codes) == 1 else 1
        return UsageError.exit_code if refused else 0


def _writers(
    formats: str, provides: set[str], registry: "Registry"
) -> "tuple[list[CatalogueEntry[Writer]], list[str]]":
    """Find the writers that can write, and why others cannot.

    Raises UsageError where none is left, or two would write one file.
    """
    asked = registry.find_writers(formats)
    by_suffix = {entry.value.suffix: entry.value.name for entry in asked}
    if clash := next((entry.value for entry in asked if by_suffix[entry.value.suffix] != entry.value.name), None):
        raise UsageError(
            f"the formats {clash.name} and {by_suffix[clash.suffix]} would write the same file, NAME{clash.suffix}; "
            "name one of them"
        )
    lacking = {entry.value.name: [need for need in entry.value.needs if need not in provides] for entry in asked}
    refused = [_refusal(name, needs, registry) for name, needs in lacking.items() if needs]
    possible = [entry for entry in asked if not lacking[entry.value.name]]
    if not possible:
        raise UsageError(" ".join(refused))
    return possible, refused


def _refusal(writer: str, needs: Sequence[str], registry: "Registry") -> str:
    helpful = [
        entry.value.name
        for entry in registry.backends.values()
        if entry.state == "ready" and set(needs) <= set(entry.value.provides)
    ]
    return (
        f"the format {writer} was not written: it needs the {' and '.join(needs)} of every event, which none of these "
        f"backends gives. Add one that does ({', '.join(helpful)}), or leave the format out with --formats json"
    )


def _table(title: str, segments: Sequence[Mapping[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(title=make_printable(title), title_justify="left", title_style="bold")
    for column, justify in COLUMNS.items():
        table.add_column(column, justify=justify)
    for row in segments[:ROWS_SHOWN]:
        table.add_row(*_cells(row, make_printable(str(row["class"]))))
    if not segments:
        table.add_row("", "no events", *[""] * (len(COLUMNS) - 2))
    return table


def _with_unknown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of a JSON file, with NaN for what is null there or missing."""
    return defaultdict(lambda: math.nan, {key: math.nan if value is None else value for key, value in row.items()})


COLUMNS: dict[str, Any] = {
    "time (s)": "right",
    "class": "left",
    "azimuth": "right",
    "distance": "right",
    "on-screen": "right",
    "score": "right",
}


def _cells(row: Mapping[str, Any], name: str) -> list[str]:
    return [
        f"{row['start_s']:.1f} – {row['end_s']:.1f}",
        name,
        format_azimuth_range(row["azimuth_deg"], row["azimuth_low_deg"], row["azimuth_high_deg"]),
        _list_known(row["distance_m"], "{:.1f} m"),
        {True: "yes", False: "no"}[row["onscreen"] > 0.5] if row["onscreen"] == row["onscreen"] else "–",
        _list_known(row["score"], "{:.2f}"),
    ]


def _list_known(value: float, form: str) -> str:
    return "–" if value != value else form.format(value)
