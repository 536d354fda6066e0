"""Writes a clip's result in every format that was asked for, in this process or in another one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seldfuse.catalogue.registry import CatalogueEntry
from seldfuse.catalogue.values import Writer
from seldfuse.core.events import list_rows
from seldfuse.core.result import Result
from seldfuse.errors import MediaError, UsageError
from seldfuse.formats.dcase import list_left_out
from seldfuse.formats.files import save_members, write_changes, write_result
from seldfuse.formats.json import to_document
from seldfuse.storage.text import format_count, name_some

CLIPS_NAMED = 3
"""Clips that a sentence names; it counts the others."""


@dataclass(frozen=True)
class WrittenClip:
    """What a command tells of a clip that is written: `files`, rows of events, and notes.

    `lacking` are the formats that could not be written, `document` is what `--json` prints, and `explained` the result
    whose changes are shown; both are None where nobody asks for them.
    """

    name: str
    duration_s: float
    files: list[Path]
    rows: list[dict[str, Any]]
    notes: tuple[str, ...]
    lacking: tuple[CatalogueEntry[Writer], ...] = ()
    document: dict[str, Any] | None = None
    explained: Result | None = None


@dataclass(frozen=True)
class ClipWriter:
    """What is written of each clip: into the folder `out`, by `writers`, and on demand more.

    `frames` has documents list every frame; `overlay` is the folder of stored detections, where a video with what was
    found drawn into it is wanted, too.
    """

    out: Path
    writers: Sequence[CatalogueEntry[Writer]]
    as_json: bool = False
    frames: bool = False
    save_posteriors: bool = False
    explain: bool = False
    overlay: Path | None = None

    def select(self, result: Result) -> list[CatalogueEntry[Writer]]:
        """Select the writers that can write a result. Raises UsageError where none can."""
        given = set(result.posterior.provides)
        # What a format needs it needs of active frames; a clip without any lacks nothing.
        writers = [one for one in self.writers if not len(result.frames) or given.issuperset(one.value.needs)]
        if not writers:
            raise UsageError(describe_lack(self.writers, [result.name]))
        return writers

    def write(self, result: Result) -> WrittenClip:
        """Write a result's files. Raises UsageError where nothing can be written, PluginError where a writer fails."""
        writers = self.select(result)
        notes = list(result.notes)
        files = write_result(result, self.out, writers)
        if self.save_posteriors:
            files += save_members(result, self.out)
        if self.explain:
            path = self.out / f"{result.name}.changes.csv"
            write_changes(result, path)
            files.append(path)
        if self.overlay:
            files += self._write_overlay(result, self.overlay, notes)
        if any(entry.value.numbers_classes for entry in self.writers):
            notes += list_left_out(result)
        return WrittenClip(
            result.name,
            result.duration_s,
            files,
            list_rows(result.events.list_segments()),
            tuple(notes),
            tuple(one for one in self.writers if one not in writers),
            self._make_document(result) if self.as_json else None,
            replace(result, members={}, clip=None) if self.explain else None,
        )

    def _make_document(self, result: Result) -> dict[str, Any]:
        document = to_document(result)
        if not self.frames:
            del document["frames"]
        return document

    def _write_overlay(self, result: Result, detections: Path, notes: list[str]) -> list[Path]:
        """Write the overlay; why there can be none is a note, for the rest of the clip is written."""
        from seldfuse.overlay.write import write_overlay

        path = self.out / f"{result.name}.overlay.mp4"
        try:
            write_overlay(result, path, detections)
        except MediaError as error:
            notes.append(f"no overlay was written: {error}")
            return []
        return [path]


def describe_lack(writers: Sequence[CatalogueEntry[Writer]], clips: Sequence[str]) -> str:
    """Say which formats were not written for which clips, and why."""
    named = name_some(clips, CLIPS_NAMED, count_rest=False)
    names = " and ".join(writer.value.name for writer in writers)
    needs = " and ".join(dict.fromkeys(need for writer in writers for need in writer.value.needs))
    return (
        f"the format {names} was not written for {format_count(len(clips), 'clip')} ({named}): it needs the {needs} "
        "of every event, which is unknown there, as in a mono recording; leave it out with --formats json"
    )
