"""How results leave a command: files, tables on the screen or JSON, a closing line and the exit code."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seldfuse.cli.console import print_error, print_json, print_note, print_result
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.storage.text import format_count, name_some

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.registry import CatalogueEntry, Registry
    from seldfuse.catalogue.values import Writer
    from seldfuse.core.clip import Clip
    from seldfuse.core.result import Result
    from seldfuse.run_manifest import RunManifest

TABLES_SHOWN = 10
"""Clips whose events go to the screen; a long batch is a matter for files."""

CLIPS_NAMED = 3
"""Clips that a sentence names; it counts the others."""

FILES_NAMED = 4
"""Files that the closing line names; it counts more than that."""


class OutputWriter:
    """A writer of results that come one by one, with counts of what was written and what failed.

    A clip that fails, in writing too, does not stop the others, unless `fail_fast`. `refused` holds why formats that
    were asked for are not written at all, `lacking` the clips for which a format alone is not.
    """

    def __init__(
        self, out: Path, formats: str, provides: set[str], registry: "Registry", as_json: bool, fail_fast: bool = False
    ) -> None:
        self.out = out
        self.as_json = as_json
        self.fail_fast = fail_fast
        self.writers, self.refused = _writers(formats, provides, registry)
        self.documents: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []
        self.failures: list[tuple[str, SeldfuseError]] = []
        self.lacking: dict[CatalogueEntry[Writer], list[str]] = {}
        self.notes: Counter[str] = Counter()
        self.files: list[Path] = []
        self.clips = 0
        self.events = 0

    def write_result(
        self,
        result: "Result",
        save_posteriors: bool = False,
        manifest: "RunManifest | None" = None,
        explain: bool = False,
    ) -> None:
        """Write a result's files, enter them in the manifest, and show the events and what detectors changed."""
        from seldfuse.core.events import list_rows
        from seldfuse.formats.json import to_document

        try:
            files = self._write(result, save_posteriors, manifest, explain)
        except SeldfuseError as error:
            self.add_failure(result.name, error)
            return
        self.clips += 1
        self.files += files
        segments = list_rows(result.events.list_segments())
        self.events += len(segments)
        self.notes.update(result.notes)
        if self.as_json:
            self.documents.append({**to_document(result), "files": [str(path) for path in files]})
        elif self.clips <= TABLES_SHOWN:
            print_result(_table(result, segments))
            if explain:
                from seldfuse.cli.changes import build_changes_table

                print_result(build_changes_table(result))

    def fail_clip(self, clip: "Clip", error: SeldfuseError) -> None:
        """Note a clip that cannot be read."""
        self.add_failure(clip.name, error)

    def add_skipped(self, name: str, files: Sequence[Path]) -> None:
        """Note a clip whose files are there already."""
        self.skipped.append({"name": name, "files": [str(path) for path in files]})

    def add_failure(self, name: str, error: SeldfuseError) -> None:
        """Note a clip that failed. Raises the error itself where the first failure is to stop everything."""
        if self.fail_fast:
            raise error
        print_error(f"{name}: {error}")
        self.failures.append((name, error))

    def finish(self, timing: str = "") -> None:
        """Report what was done and leave with the exit code; print the JSON document where it was asked for."""
        refused = [*self.refused, *(_describe_lack([writer], clips) for writer, clips in self.lacking.items())]
        if self.as_json:
            failed = [
                {"name": name, "error": str(error), "exit_code": error.exit_code} for name, error in self.failures
            ]
            print_json({"results": self.documents, "skipped": self.skipped, "failures": failed, "refused": refused})
        for text, clips in self.notes.items():
            print_note(text if clips == 1 else f"{text} ({clips} clips)")
        if timing:
            print_note(timing)
        failed_clause = f", {format_count(len(self.failures), 'clip')} failed" if self.failures else ""
        print_note(
            f"{format_count(self.clips, 'clip')}, {format_count(self.events, 'event')}{failed_clause}; "
            f"{self._written()}"
        )
        if self.skipped:
            were, them = ("was", "it") if len(self.skipped) == 1 else ("were", "them")
            print_note(f"{format_count(len(self.skipped), 'clip')} {were} there already; --overwrite redoes {them}")
        for reason in refused:
            print_error(reason)
        if code := self._exit_code(bool(refused)):
            raise typer.Exit(code)

    def _write(
        self, result: "Result", save_posteriors: bool, manifest: "RunManifest | None", explain: bool
    ) -> list[Path]:
        from seldfuse.formats.files import save_members, write_changes, write_result

        given = set(result.posterior.provides)
        # What a format needs it needs of events; a clip without any lacks nothing.
        writers = [entry for entry in self.writers if not len(result.events) or given.issuperset(entry.value.needs)]
        lacking = [writer for writer in self.writers if writer not in writers]
        if not writers:
            raise UsageError(_describe_lack(lacking, [result.name]))
        if manifest:
            manifest.begin(result.name)
        files = write_result(result, self.out, writers)
        if save_posteriors:
            files += save_members(result, self.out)
        if explain:
            path = self.out / f"{result.name}.changes.csv"
            write_changes(result, path)
            files.append(path)
        for writer in lacking:
            self.lacking.setdefault(writer, []).append(result.name)
        if manifest and not lacking:
            manifest.finish(result.name, files)
        return files

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


def _describe_lack(writers: "Sequence[CatalogueEntry[Writer]]", clips: Sequence[str]) -> str:
    named = name_some(clips, CLIPS_NAMED, count_rest=False)
    names = " and ".join(writer.value.name for writer in writers)
    needs = " and ".join(dict.fromkeys(need for writer in writers for need in writer.value.needs))
    return (
        f"the format {names} was not written for {format_count(len(clips), 'clip')} ({named}): it needs the {needs} "
        "of every event, which is unknown there, as in a mono recording; leave it out with --formats json"
    )


def _table(result: "Result", segments: Sequence[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table(title=f"{result.name} ({result.duration_s:.1f} s)", title_justify="left", title_style="bold")
    for column, justify in COLUMNS.items():
        table.add_column(column, justify=justify)
    for row in segments:
        table.add_row(*_cells(row, result.events.labels.classes[row["cls"]].name))
    if not len(segments):
        table.add_row("", "no events", *[""] * (len(COLUMNS) - 2))
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
        _list_known(row["distance_m"], "{:.1f} m"),
        {True: "yes", False: "no"}[row["onscreen"] > 0.5] if row["onscreen"] == row["onscreen"] else "–",
        _list_known(row["score"], "{:.2f}"),
    ]


def _azimuth(azimuth_deg: float) -> str:
    side = "left" if azimuth_deg > 0 else "right"
    return "front" if abs(azimuth_deg) < 0.5 else _list_known(abs(azimuth_deg), "{:.0f}° " + side)


def _list_known(value: float, form: str) -> str:
    return "–" if value != value else form.format(value)
