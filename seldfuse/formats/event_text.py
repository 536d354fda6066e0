"""Events in words, for files that people read, and text that no file format can mistake for something of its own."""

from collections.abc import Mapping
from typing import Any

from seldfuse.core.azimuth_text import MOVES_DEG, format_azimuth_range

FRONT_DEG = 10.0
"""A caption calls what is nearer to the front than this neither left nor right."""


def to_printable(text: str) -> str:
    """Replace characters that cannot be printed (tabs, line ends, control characters, halves of a character) and
    several blanks by one blank."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def format_class(name: str) -> str:
    """Format the name of a class for people: "female speech"."""
    return to_printable(name.replace("_", " "))


def describe_event(event: Mapping[str, Any]) -> str:
    """Describe where the event of a row of `list_event_rows` is: "24° left, 0.9 m, on-screen". What is unknown is
    left out, so that the text may be empty."""
    parts = []
    if event["azimuth_deg"] is not None:
        parts.append(format_azimuth_range(*(event[f"azimuth_{name}deg"] for name in ("", "low_", "high_"))))
    if event["distance_m"] is not None:
        parts.append(f"{event['distance_m']:.1f} m")
    if event["onscreen"] is not None:
        parts.append("on-screen" if event["onscreen"] > 0.5 else "off-screen")
    return ", ".join(parts)


def format_caption(event: Mapping[str, Any]) -> str:
    """Format a caption for the deaf and hard of hearing of a row of `list_event_rows`: "[door, left, 2 m]"."""
    parts = [format_class(event["class"]), _format_side(event)]
    if (distance_m := event["distance_m"]) is not None:
        parts.append(f"{distance_m:.0f} m" if distance_m >= 1 else f"{distance_m:.1f} m")
    return f"[{', '.join(filter(None, parts))}]"


def _format_side(event: Mapping[str, Any]) -> str:
    azimuth_deg = event["azimuth_deg"]
    if azimuth_deg is None:
        return ""
    if event["azimuth_high_deg"] - event["azimuth_low_deg"] > MOVES_DEG:
        return "moving"
    if abs(azimuth_deg) < FRONT_DEG:
        return "front"
    return "left" if azimuth_deg > 0 else "right"
