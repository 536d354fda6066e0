"""The CSV files of the DCASE challenges: one row per active source and frame of 100 ms.

The stereo task of 2025 has a header line and counts distances in centimetres; the challenges before it have no header,
an elevation column, and a distance only from 2023 on (task pages of the DCASE Challenges 2019 to 2025).
"""

from collections import defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from seldfuse.core.events import Events
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.result import Result
from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically

ROW = ("frame", "class", "source", "azimuth", "distance", "onscreen")
"""The columns of a 2025 file, which are those of `read_rows` too."""

WITHOUT_HEADER = {
    4: ("frame", "class", "azimuth", "elevation"),
    5: ("frame", "class", "source", "azimuth", "elevation"),
    6: ("frame", "class", "source", "azimuth", "elevation", "distance"),
}
"""Columns of the files of 2019, of 2020 to 2022, and of 2023 and 2024, by their number."""

PLACE = ("frame", "class", "source", "azimuth", "elevation", "distance")
"""The columns of `read_positions`."""

WHOLE = ("frame", "class", "source")


def read_events(path: Path, labels: LabelSet = DCASE2025) -> Events:
    """Read the events of one file; azimuth as the file has it, distance in metres, what the file leaves out as unknown.

    A source number that a frame and class use twice (the challenge's baseline writes 0 everywhere) is replaced by the
    lowest free one, as the official scorer does. Raises UsageError that names the first line that is no event.
    """
    rows = read_rows(path, labels)
    names = ("frame", "cls", "source", "azimuth_deg", "distance_m", "onscreen")
    columns = {**dict(zip(names, rows.T, strict=True)), "source": _distinct_sources(rows[:, :3].astype(np.int64))}
    return Events.from_batch(columns, [len(rows)], labels, FRAME_S)[0]


def read_rows(path: Path, labels: LabelSet = DCASE2025) -> Float64[np.ndarray, "row 6"]:
    """Read the rows of one file in their order, which settles ties in scoring: frame, class, source, azimuth in
    degrees, distance in metres, on-screen; NaN for columns that the file leaves out. Raises UsageError as `read_events`
    does.
    """
    return _pick(path, labels, ROW)


def read_positions(path: Path, labels: LabelSet = DCASE2025) -> Float64[np.ndarray, "row 6"]:
    """Read the positions of sources: frame, class, source, azimuth and elevation in degrees, distance in metres; NaN
    for columns that the file leaves out. Source numbers and errors are those of `read_events`.
    """
    rows = _pick(path, labels, PLACE)
    rows[:, PLACE.index("source")] = _distinct_sources(rows[:, :3].astype(np.int64))
    return rows


def read_many(paths: Sequence[Path], labels: LabelSet = DCASE2025) -> list[Float64[np.ndarray, "row 6"]]:
    """Read the rows of every file as `read_rows` does, many times as fast where all are whole files of 2025, which are
    parsed together.
    """
    found = [_body(path) for path in paths]
    bodies = [body for body in found if body is not None]
    lengths = [body.count(b"\n") for body in bodies]
    values = _parse(b"".join(bodies))
    whole = all(body.count(b",") == length * (len(ROW) - 1) for body, length in zip(bodies, lengths, strict=True))
    if len(bodies) < len(paths) or len(values) != sum(lengths) or not whole or _problem(values, ROW, labels):
        return [read_rows(path, labels) for path in paths]
    values[:, ROW.index("distance")] /= 100
    return np.split(values, np.cumsum(lengths)[:-1]) if bodies else []


def write_result(result: Result, path: Path) -> None:
    """Write a result's active frames as a file of 2025; raises as `write_events` does."""
    write_events(result.frames, path)


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


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that hold something, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a CSV file of events, but it cannot be read ({error}): {path}") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _columns(lines: list[tuple[int, str]], path: Path) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
    """What the columns are, and the lines below the header."""
    if not lines:
        return ROW, lines
    first = tuple(cell.strip().lower() for cell in lines[0][1].split(","))
    if not _is_number(first[0]):
        if first not in (ROW, ROW[:-1]):
            raise UsageError(f"expected the header {','.join(ROW)}, got {lines[0][1]!r}: {path}")
        return first, lines[1:]
    if len(first) not in WITHOUT_HEADER:
        raise UsageError(
            f"expected the header {','.join(ROW)}, or 4 to 6 numbers (the challenges before 2025), "
            f"got {len(first)} in line {lines[0][0]}: {path}"
        )
    return WITHOUT_HEADER[len(first)], lines


def _pick(path: Path, labels: LabelSet, wanted: tuple[str, ...]) -> Float64[np.ndarray, "row wanted"]:
    """These columns of one file's rows, distance in metres; source 0 and else NaN where the file leaves one out."""
    columns, lines = _columns(_lines(path), path)
    values = _values(lines, columns, path)
    problem = _problem(values, columns, labels)
    if problem:
        row, column, expected = problem
        number, line = lines[row]
        got = line.split(",")[columns.index(column)].strip()
        raise UsageError(f"expected {expected} for {column}, got {got} in line {number}: {path}")
    rows = np.full((len(values), len(wanted)), np.nan)
    rows[:, wanted.index("source")] = 0
    for position, column in enumerate(columns):
        if column in wanted:
            rows[:, wanted.index(column)] = values[:, position]
    rows[:, wanted.index("distance")] /= 100
    return rows


def _values(lines: list[tuple[int, str]], columns: tuple[str, ...], path: Path) -> Float64[np.ndarray, "row column"]:
    separators = len(columns) - 1
    try:
        if any(line.count(",") != separators for _, line in lines):
            raise ValueError("a line is too long or too short")
        cells = ",".join([line for _, line in lines]).split(",") if lines else []
        return np.array([float(cell) for cell in cells], dtype=np.float64).reshape(-1, len(columns))
    except ValueError as error:
        raise UsageError(_unreadable(lines, columns, path)) from error


def _unreadable(lines: list[tuple[int, str]], columns: tuple[str, ...], path: Path) -> str:
    """Where the first line stands that is not as many numbers as there are columns."""
    for number, line in lines:
        cells = line.split(",")
        if len(cells) != len(columns):
            return f"expected {len(columns)} columns ({','.join(columns)}), got {len(cells)} in line {number}: {path}"
        for column, cell in zip(columns, cells, strict=True):
            if not _is_number(cell):
                return f"expected a number for {column}, got {cell.strip()!r} in line {number}: {path}"
    raise AssertionError("every line is readable")


def _problem(
    values: Float64[np.ndarray, "row column"], columns: tuple[str, ...], labels: LabelSet
) -> tuple[int, str, str] | None:
    """Row, column and what was expected there, for the first value that no event can have."""
    for column, cells in zip(columns, values.T, strict=True):
        bad, expected = ~np.isfinite(cells), "a finite number"
        if column in WHOLE:
            bad, expected = bad | (cells < 0) | (cells % 1 != 0), "a whole number from 0 on"
        if column == "class":
            bad, expected = bad | (cells >= len(labels)), f"0 to {len(labels) - 1} ({labels.name})"
        if column == "distance":
            bad, expected = bad | (cells < 0), "centimetres from 0 on"
        if column == "onscreen":
            bad, expected = (cells != 0) & (cells != 1), "0 or 1"
        if bad.any():
            return int(bad.argmax()), column, expected
    return None


def _body(path: Path) -> bytes | None:
    """The lines below the header of 2025; None where the file begins otherwise or cannot be read."""
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if header.strip() != ",".join(ROW).encode():
        return None
    body = body.strip()
    return body + b"\n" if body else b""


def _parse(text: bytes) -> Float64[np.ndarray, "row 6"]:
    """All lines at once; no rows where one of them is malformed."""
    import pandas as pd

    try:
        table = pd.read_csv(BytesIO(text), header=None, names=list(ROW), index_col=False, dtype=np.float64)
    except ValueError:
        return np.empty((0, len(ROW)))
    return table.to_numpy(copy=True)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _distinct_sources(keys: Int64[np.ndarray, "row 3"]) -> Int64[np.ndarray, "row"]:
    """Source numbers of rows `frame, class, source`; repeated ones give way to the lowest free number."""
    sources = keys[:, 2].copy()
    if len(np.unique(keys, axis=0)) == len(keys):
        return sources
    taken: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for row, (frame, cls, source) in enumerate(keys.tolist()):
        used = taken[frame, cls]
        if source in used:
            source = next(number for number in range(len(used) + 1) if number not in used)
        used.add(source)
        sources[row] = source
    return sources
