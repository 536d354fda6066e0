"""The CSV files of the DCASE challenges: one row per active source and frame of 100 ms.

Written is the layout of 2025, which has a header line and counts distances in centimetres; read is every layout that
`label_files` knows. What is here for reading is for who wants the rows alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from seldfuse.core.events import Events
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.result import Result
from seldfuse.errors import UsageError
from seldfuse.formats.label_files import LabelFile, read_label_file, read_label_files
from seldfuse.formats.label_ids import describe_unknown_classes, renumber_events
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.text import format_count

PLACE = ("frame", "class", "source", "azimuth", "elevation", "distance")
"""The columns of `read_positions`."""


def read_events(path: Path, labels: LabelSet = DCASE2025) -> Events:
    """Read the events of one file (`LabelFile.to_events`). Raises LabelFileError."""
    return read_label_file(path, labels).to_events(labels)


def read_rows(path: Path, labels: LabelSet = DCASE2025) -> Float64[np.ndarray, "row 6"]:
    """Read the rows of one file (`LabelFile.rows`). Raises LabelFileError."""
    return read_label_file(path, labels).rows


def read_many(paths: Sequence[Path], labels: LabelSet = DCASE2025) -> list[Float64[np.ndarray, "row 6"]]:
    """Read the rows of every file. Raises LabelFileError."""
    return [file.rows for file in read_label_files(paths, labels)]


def list_positions(file: LabelFile) -> Float64[np.ndarray, "row 6"]:
    """List the positions of a file's sources: frame, class, source, azimuth and elevation in degrees, distance in
    metres; NaN for columns that the file leaves out.
    """
    frame, cls, _, azimuth_deg, distance_m, _ = file.rows.T
    return np.stack([frame, cls, file.number_sources(), azimuth_deg, file.elevation_deg, distance_m], axis=1)


def read_positions(path: Path, labels: LabelSet = DCASE2025) -> Float64[np.ndarray, "row 6"]:
    """Read the positions of one file's sources (`list_positions`), line by line, as the challenge counts. Raises
    LabelFileError.
    """
    return list_positions(read_label_file(path, labels, counting="official"))


def write_result(result: Result, path: Path) -> None:
    """Write a result's active frames as a file of 2025, by the ids of the result's `numbering`.

    Frames of classes that it does not know are left out, and those without a direction where others have one. Raises as
    `write_events` does.
    """
    write_events(_drop_placeless(renumber_events(result.frames, result.numbering)), path)


def write_events(events: Events, path: Path) -> None:
    """Write a file of 2025: azimuth folded to the front in whole degrees, distance in whole centimetres.

    An unknown on-screen flag is written as 0, as audio-only systems of the challenge do. Raises UsageError where
    an event has no direction or no distance, or frames are not 100 ms long, for which the format has no place.
    """
    table = events.columns
    if np.isnan(table["azimuth_deg"]).any():
        raise UsageError(
            "a DCASE file needs the direction of every event, and some here have none; add a backend that gives "
            f"directions (`seldfuse plugins` lists what each gives) or write another format, --formats json: {path}"
        )
    if np.isnan(table["distance_m"]).any():
        raise UsageError(
            "a DCASE file needs the distance of every event, and some here have none; add a backend that gives "
            f"distances (`seldfuse plugins` lists what each gives) or write another format, --formats json: {path}"
        )
    if not np.isclose(events.hop_s, FRAME_S):
        raise UsageError(
            f"a DCASE file counts frames of {FRAME_S} s, these events have frames of {events.hop_s} s; "
            f"write another format, --formats json: {path}"
        )
    columns = {
        "frame": table["frame"],
        "class": table["cls"],
        "source": table["source"],
        "azimuth": np.rint(fold_azimuth(table["azimuth_deg"])),
        "distance": np.rint(table["distance_m"] * 100),
        "onscreen": np.nan_to_num(table["onscreen"]),
    }
    rows = zip(*(values.astype(np.int64).tolist() for values in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    with write_atomically(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def list_left_out(result: Result) -> list[str]:
    """List what `write_result` leaves out of a result, one note each: how much, and why."""
    notes = []
    if nameless := describe_unknown_classes(result.frames.columns["cls"], result.frames.labels, result.numbering):
        notes.append(f"{nameless}: left out of formats with ids of classes, as DCASE CSV; JSON has them")
    placeless = np.isnan(result.frames.columns["azimuth_deg"])
    if placeless.any() and not placeless.all():
        frames = format_count(int(placeless.sum()), "active frame")
        notes.append(f"{frames} without a direction: left out of DCASE CSV; JSON has them")
    return notes


def _drop_placeless(events: Events) -> Events:
    """Leave out what has no direction, as from a backend that gives none, unless nothing has one."""
    known = ~np.isnan(events.columns["azimuth_deg"])
    if known.all() or not known.any():
        return events
    columns = {name: values[known] for name, values in events.columns.items()}
    return Events.from_batch(columns, [int(known.sum())], events.labels, events.hop_s)[0]
