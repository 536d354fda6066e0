"""Events as captions in a WebVTT file, which players show over the picture (W3C, WebVTT: The Web Video Text Tracks
Format)."""

import html
from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.formats.event_text import format_caption
from seldfuse.formats.json import list_event_rows
from seldfuse.storage.atomic import write_atomically


def write_result(result: Result, path: Path) -> None:
    """Write a cue for each event, such as "[door, left, 2 m]". Raises UsageError where that fails."""
    cues = ["WEBVTT\n"]
    for event in list_event_rows(result.events):
        # In the text of a cue "<" begins a tag, "&" a character, and "-->" would be taken for times.
        text = html.escape(format_caption(event), quote=False)
        cues.append(f"{_format_time(event['start_s'])} --> {_format_time(event['end_s'])}\n{text}\n")
    with write_atomically(path) as draft:
        draft.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _format_time(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds:03d}"
