"""Events as a label track of Audacity (File > Import > Labels): begin, end and text, with tabs between."""

from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.formats.event_text import describe_event, format_class
from seldfuse.formats.json import list_event_rows
from seldfuse.storage.atomic import write_atomically


def write_result(result: Result, path: Path) -> None:
    """Write a line for each event, such as "0.700 1.900 door, 24° left, 2.0 m". Raises UsageError where that fails."""
    lines = []
    for event in list_event_rows(result.events):
        text = ", ".join(filter(None, [format_class(event["class"]), describe_event(event)]))
        lines.append(f"{event['start_s']:.3f}\t{event['end_s']:.3f}\t{text}\n")
    with write_atomically(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8", newline="\n")
