"""Events as an HTML table, for notebooks."""

from html import escape
from typing import Any

from seldfuse.core.azimuth_text import format_azimuth_range
from seldfuse.core.result import Result
from seldfuse.formats.event_text import to_printable
from seldfuse.formats.json import list_event_rows

SHOWN = 40
"""Events that a table shows before it counts the rest."""

HEADINGS = ("begin (s)", "end (s)", "class", "azimuth", "distance", "on-screen", "score")


def format_result(result: Result) -> str:
    """Format a result as HTML: its name, its events and its notes, whose text can be no markup."""
    events = list_event_rows(result.events)
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    rows = ["".join(f"<td>{_text(cell)}</td>" for cell in _list_cells(event)) for event in events[:SHOWN]]
    body = "".join(f"<tr>{row}</tr>" for row in rows) or f'<tr><td colspan="{len(HEADINGS)}">no events</td></tr>'
    rest = f"<p>… and {len(events) - SHOWN} more</p>" if len(events) > SHOWN else ""
    notes = "".join(f"<p><small>{_text(note)}</small></p>" for note in result.notes)
    title = f"{result.name}, {result.duration_s:.1f} s, by {', '.join(result.backends)}"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<p><b>{_text(title)}</b></p>{table}{rest}{notes}"


def _list_cells(event: dict[str, Any]) -> list[str]:
    azimuths_deg = [event[f"azimuth_{name}deg"] for name in ("", "low_", "high_")]
    return [
        f"{event['start_s']:.1f}",
        f"{event['end_s']:.1f}",
        event["class"],
        "–" if azimuths_deg[0] is None else format_azimuth_range(*azimuths_deg),
        "–" if event["distance_m"] is None else f"{event['distance_m']:.1f} m",
        "–" if event["onscreen"] is None else {True: "yes", False: "no"}[event["onscreen"] > 0.5],
        "–" if event["score"] is None else f"{event['score']:.2f}",
    ]


def _text(text: str) -> str:
    return escape(to_printable(text))
