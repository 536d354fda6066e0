"""Events as JSON Lines: an object for each, of the same keys, so that files of many clips can be joined."""

from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.formats.json import list_event_rows
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.json_lines import format_json_line


def write_result(result: Result, path: Path) -> None:
    """Write a line for each event: the name of the clip, and what stands in `events` of the JSON document.

    Raises UsageError where that fails.
    """
    lines = [format_json_line({"clip": result.name, **row}) for row in list_event_rows(result.events)]
    with write_atomically(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8", errors="replace", newline="\n")
