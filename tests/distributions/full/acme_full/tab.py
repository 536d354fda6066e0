"""A writer of segments, separated by tabs, as Audacity reads labels."""

from pathlib import Path

from seldfuse.sdk import Result, write_atomically


def write(result: Result, path: Path) -> None:
    rows = result.events.segments().to_dict("records")
    lines = [f"{row['start_s']:.1f}\t{row['end_s']:.1f}\t{row['class']}\n" for row in rows]
    with write_atomically(path) as draft:
        draft.write_text("".join(lines), encoding="utf-8")
