"""Results as one JSON document: events for people, active frames for scoring and other programs."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

import seldfuse
from seldfuse.core.events import Events, list_rows
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.result import Result
from seldfuse.errors import UsageError
from seldfuse.formats.label_ids import UNKNOWN, find_ids
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.read_json import read_json, read_object

FORMAT = "seldfuse-events"
FORMAT_VERSION = 1

DECIMALS = {
    "start_s": 3,
    "end_s": 3,
    "azimuth_deg": 1,
    "azimuth_low_deg": 1,
    "azimuth_high_deg": 1,
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
        text = json.dumps(to_document(result), allow_nan=False, ensure_ascii=False)
        # A name that is no UTF-8 is spelled as JSON spells such.
        draft.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


def to_document(result: Result) -> dict[str, Any]:
    """Convert a result to JSON values.

    `events` holds one object per event, `frames` one row per active frame, those of the CSV, under the names in
    `frames.columns`; `class_id` counts into `labels`. An event's azimuth is its mean, and moves from `azimuth_low_deg`
    to `azimuth_high_deg`; its `source` is the number of what sounds, which is not that of frames. What is unknown is
    null. `intervals` maps `azimuth` and `distance`, where their uncertainty was fitted, to half-widths by percent, in
    standard deviations; those of distance are of its logarithm, whose deviation is `distance_std_m` over `distance_m`.
    `detectors` names the engine of each detector that got pictures.
    """
    events = result.events
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": result.name,
        "duration_s": round(result.duration_s, 3),
        "hop_s": events.hop_s,
        "seldfuse": seldfuse.__version__,
        "backends": list(result.backends),
        "fusion": result.fusion,
        "device": result.device,
        "detectors": result.detectors,
        "intervals": {name: dict(widths) for name, widths in result.intervals.items()},
        "notes": list(result.notes),
        "labels": list(events.labels.names),
        "events": list_event_rows(events),
        "frames": _frames(result.frames),
    }


def list_event_rows(events: Events) -> list[dict[str, Any]]:
    """List an object of JSON values for each event, as in `to_document`, sorted by start."""
    rows = list_rows(events.list_segments())
    return [{"class": row.pop("class"), **_plain(row)} for row in rows]


def read_document(path: Path) -> dict[str, Any] | None:
    """Read what `write_result` wrote; None where a file is something else."""
    if path.suffix != ".json":
        return None
    try:
        found = read_json(path, MOST_DOCUMENT_BYTES)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def read_segments(path: Path, labels: LabelSet = DCASE2025) -> dict[str, np.ndarray]:
    """Read the `events` of a document: arrays `cls`, `start_s`, `end_s` and `azimuth_deg`, NaN where unknown.

    Ids are those of `labels`, whatever classes the file has; events of classes that `labels` do not know are left out.
    Raises UsageError where the file is no such document, or has none of the classes.
    """
    with _reading(path):
        document, ids = _load(path, labels)
        events = document["events"]
        values = [[event[name] for event in events] for name in ("class_id", "start_s", "end_s", "azimuth_deg")]
        cls, *others = (np.array(column, dtype=np.float64) for column in values)
        return _renumber(dict(zip(("cls", "start_s", "end_s", "azimuth_deg"), (cls, *others), strict=True)), ids)


def read_frame_scores(path: Path, labels: LabelSet = DCASE2025) -> dict[str, np.ndarray]:
    """Read of the active `frames` of a document arrays `frame`, `cls` and `score`, NaN where unknown.

    Ids and errors are those of `read_segments`.
    """
    with _reading(path):
        document, ids = _load(path, labels)
        frames = document["frames"]
        rows = np.array(frames["rows"], dtype=np.float64).reshape(-1, len(frames["columns"]))
        frame, cls, score = (rows[:, frames["columns"].index(name)] for name in ("frame", "class_id", "score"))
        return _renumber({"frame": frame.astype(np.int64), "cls": cls, "score": score}, ids)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"expected a JSON file of events that seldfuse wrote ({error}): {path}") from error


def _load(path: Path, labels: LabelSet) -> tuple[dict[str, Any], Int64[np.ndarray, "cls"]]:
    """A document, and the ids that `labels` have for its classes, of which it states the names alone."""
    document = read_object(path, MOST_DOCUMENT_BYTES)
    if document["format"] != FORMAT:
        raise ValueError(f"expected {FORMAT}")
    classes = LabelSet("json", tuple(Label(str(name), str(name)) for name in document["labels"]))
    ids = find_ids(classes, labels)
    if (ids == UNKNOWN).all():
        raise ValueError(f"expected some class of {labels.name}")
    return document, ids


def _renumber(columns: dict[str, np.ndarray], ids: Int64[np.ndarray, "cls"]) -> dict[str, np.ndarray]:
    """Give the classes of rows other ids, and leave out rows of classes that have none."""
    cls = ids[columns["cls"].astype(np.int64)]
    return {name: values[cls != UNKNOWN] for name, values in {**columns, "cls": cls}.items()}


def knows_onscreen(path: Path) -> bool | None:
    """Tell whether a document knows for any frame if its source is on-screen; None where the file is no document, or
    has no frame.
    """
    document = read_document(path)
    try:
        frames = (document or {})["frames"]
        column = frames["columns"].index("onscreen")
        flags = [row[column] for row in frames["rows"]]
    except (KeyError, ValueError, TypeError, IndexError):
        return None
    return any(flag is not None for flag in flags) if flags else None


def _frames(events: Events) -> dict[str, Any]:
    columns = [_list_numbers(values, DECIMALS.get(name)) for name, values in events.columns.items()]
    return {"columns": [_key(name) for name in events.columns], "rows": list(map(list, zip(*columns, strict=True)))}


def _list_numbers(values: np.ndarray, decimals: int | None) -> list[float | int | None]:
    """What `_number` makes of each value, column by column, for there are many frames."""
    if decimals is None:
        return values.astype(np.int64).tolist()  # type: ignore[no-any-return]
    return [None if value != value else round(value, decimals) for value in values.tolist()]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    return {_key(name): _number(value, DECIMALS.get(name)) for name, value in row.items()}


def _key(column: str) -> str:
    return "class_id" if column == "cls" else column


def _number(value: int | float, decimals: int | None) -> float | int | None:
    if decimals is None:
        return int(value)
    return None if math.isnan(value) else round(float(value), decimals)
