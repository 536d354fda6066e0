"""Events and active frames as Parquet files: typed columns, with unit and meaning in each field's metadata.

What is unknown is null. Files of several clips can be read as one table.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.core.result import Result
from seldfuse.storage.atomic import write_atomically

Column = tuple[str, str, str, str]
"""Name, type, unit and meaning."""

PLACE: Sequence[Column] = (
    ("distance_m", "float32", "m", "distance from the microphone"),
    ("score", "float32", "1", "probability that the class sounds there"),
    ("azimuth_std_deg", "float32", "degree", "standard deviation of the azimuth"),
    ("distance_std_m", "float32", "m", "standard deviation of the distance"),
)

EVENTS: Sequence[Column] = (
    ("clip", "text", "", "name of the clip"),
    ("class", "text", "", "name of the class"),
    ("class_id", "int16", "", "number of the class, from 0"),
    ("source", "int16", "", "tells sources of one class apart"),
    ("start_s", "float64", "s", "begin"),
    ("end_s", "float64", "s", "end"),
    ("azimuth_deg", "float32", "degree", "mean azimuth, positive to the left of the front"),
    ("azimuth_low_deg", "float32", "degree", "least azimuth"),
    ("azimuth_high_deg", "float32", "degree", "greatest azimuth"),
    ("onscreen", "float32", "1", "share of the event that is on-screen"),
    *PLACE,
)

FRAMES: Sequence[Column] = (
    ("clip", "text", "", "name of the clip"),
    ("frame", "int32", "", "number of the frame, from 0"),
    ("time_s", "float64", "s", "begin of the frame"),
    ("class", "text", "", "name of the class"),
    ("class_id", "int16", "", "number of the class, from 0"),
    ("source", "int16", "", "tells sources of one class apart; not the number that events have"),
    ("azimuth_deg", "float32", "degree", "azimuth, positive to the left of the front"),
    ("onscreen", "bool", "", "whether the source is on-screen"),
    *PLACE,
)


def write_events(result: Result, path: Path) -> None:
    """Write a row for each event. Raises UsageError where that fails."""
    columns = result.events.list_segments()
    _write(result, path, EVENTS, {**columns, "class_id": columns["cls"]})


def write_frames(result: Result, path: Path) -> None:
    """Write a row for each active frame of each source. Raises UsageError where that fails."""
    columns, hop_s = result.frames.columns, result.frames.hop_s
    names = np.array(result.frames.labels.names, dtype=object)[columns["cls"]]
    times_s = columns["frame"] * hop_s
    _write(result, path, FRAMES, {**columns, "class_id": columns["cls"], "class": names, "time_s": times_s})


def _write(result: Result, path: Path, wanted: Sequence[Column], columns: Mapping[str, np.ndarray]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {"text": pa.dictionary(pa.int32(), pa.string()), "bool": pa.bool_()}
    fields = [
        pa.field(name, types.get(kind) or getattr(pa, kind)(), metadata={"unit": unit, "description": meaning})
        for name, kind, unit, meaning in wanted
    ]
    about = {
        "seldfuse": version("seldfuse"),
        "clip": _to_utf8(result.name),
        "duration_s": str(round(result.duration_s, 3)),
        "hop_s": str(result.frames.hop_s),
    }
    rows = len(columns["cls"])
    given = {**columns, "clip": np.full(rows, _to_utf8(result.name), dtype=object)}
    schema = pa.schema(fields, metadata=about)
    table = pa.Table.from_arrays([_convert(given[one.name], one.type) for one in fields], schema=schema)
    # A file's name need not be Unicode, which pyarrow would have it be.
    with write_atomically(path) as draft, draft.open("wb") as file:
        parquet.write_table(table, file)


def _convert(values: np.ndarray, kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    if values.dtype.kind != "f":
        return pa.array(values, kind)
    unknown = np.isnan(values)
    return pa.array(np.where(unknown, 0, values), mask=unknown).cast(kind, safe=False)


def _to_utf8(text: str) -> str:
    return text.encode(errors="replace").decode()
