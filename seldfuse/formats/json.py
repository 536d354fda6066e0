"""Events as one JSON document: segments for people, frames for programs."""

import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seldfuse.core.events import Events, list_rows
from seldfuse.core.result import Result
from seldfuse.storage.atomic import write_atomically

FORMAT = "seldfuse-events"
FORMAT_VERSION = 1

DECIMALS = {
    "start_s": 3,
    "end_s": 3,
    "azimuth_deg": 1,
    "distance_m": 2,
    "onscreen": 3,
    "score": 3,
    "azimuth_std_deg": 1,
    "distance_std_m": 2,
}
"""Finer than any model is right."""


def write_result(result: Result, path: Path) -> None:
    """Write `to_document(result)`. Raises UsageError where `path` cannot be written."""
    with write_atomically(path) as draft:
        draft.write_text(json.dumps(to_document(result), allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def to_document(result: Result) -> dict[str, Any]:
    """Convert a result to JSON values.

    `events` holds one object per uninterrupted stretch of a source, `frames` one row per source and frame under the
    names in `frames.columns`; `class_id` counts into `labels`. What is unknown is null. `intervals` maps `azimuth` and
    `distance`, where their uncertainty was fitted, to half-widths by percent, in standard deviations; those of distance
    are of its logarithm, whose deviation is `distance_std_m` over `distance_m`. `detectors` names the engine of each
    detector that got pictures.
    """
    events = result.events
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": result.name,
        "duration_s": round(result.duration_s, 3),
        "hop_s": events.hop_s,
        "seldfuse": version("seldfuse"),
        "backends": list(result.backends),
        "fusion": result.fusion,
        "device": result.device,
        "detectors": result.detectors,
        "intervals": {name: dict(widths) for name, widths in result.intervals.items()},
        "notes": list(result.notes),
        "labels": list(events.labels.names),
        "events": _segments(events),
        "frames": _frames(events),
    }


def read_document(path: Path) -> dict[str, Any] | None:
    """Read what `write_result` wrote; None where a file is something else."""
    if path.suffix != ".json":
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _segments(events: Events) -> list[dict[str, Any]]:
    rows = list_rows(events.list_segments())
    return [{"class": row.pop("class"), **_plain(row)} for row in rows]


def _frames(events: Events) -> dict[str, Any]:
    rows = [_plain(row) for row in list_rows(events.columns)]
    columns = [_key(column) for column in events.columns]
    return {"columns": columns, "rows": [list(row.values()) for row in rows]}


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {_key(name): _number(value, DECIMALS.get(name)) for name, value in row.items()}


def _key(column: str) -> str:
    return "class_id" if column == "cls" else column


def _number(value: int | float, decimals: int | None) -> float | int | None:
    if decimals is None:
        return int(value)
    return None if math.isnan(value) else round(float(value), decimals)
