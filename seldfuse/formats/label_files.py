"""The one reader of label files, for scoring, fusing, tuning and training: one row per active source and frame.

A header says what the columns are; without one the numbers do (`label_layouts`). What no frame, angle or distance can
be is refused with its line; what is probably meant otherwise is noted.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.core.events import Events
from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.formats.label_layouts import (
    GREATEST_ELEVATION_DEG,
    OFFICIAL,
    ROW,
    UNREAD,
    VECTOR,
    Layout,
    UnknownLayoutError,
    read_header,
    recognize,
)
from seldfuse.limits import MOST_LABEL_BYTES
from seldfuse.storage.impostors import recognize_impostor
from seldfuse.storage.read_bytes import read_bytes

Counting = Literal["official", "strict"]
"""`official` takes what the challenge's scorer of 2025 takes of a file in its layout, `strict` what can be true."""

FRAMES_OF_A_DAY = 864_000
GREATEST_AZIMUTH_DEG = 360.0
FULL_TURN_RAD = 6.29
GREATEST_DISTANCE_CM = 100_000.0
"""A kilometre."""

NEAREST_CM = 30.0
"""Fractions that all lie below are metres: centimetres of sources so near are no fractions."""
HAND_CM = 10.0
"""Whole numbers that none exceeds are metres."""
FARTHEST_USUAL_CM = 1500.0
"""Half of the sources farther away than this are probably given in millimetres."""

COARSEST_STEP = 80
"""A greater step between all frames is one of samples or milliseconds."""
FINER_STEP, STEPPED_FRAMES = 2, 20
"""So many frames at multiples of a smaller step are worth a note."""

_PLAIN = b"-+.0123456789eE,\n\r "
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_ANY_NUMBER = re.compile(r"\d+(\.\d+)?")
_FLAGS = {"true": 1.0, "false": 0.0}
_HEADER = ",".join(ROW).encode()


class LabelFileError(UsageError):
    """A label file that cannot be believed: `path`, `line` (None where it is about all) and `reason`."""

    def __init__(self, path: Path, reason: str, line: int | None = None, hint: str = "") -> None:
        self.path, self.line, self.reason = path, line, reason
        where = "" if line is None else f" in line {line}"
        super().__init__(f"{reason}{where}{hint and '; '}{hint}: {path}")


@dataclass(frozen=True)
class LabelFile:
    """The rows of one file in their order, which settles ties in scoring.

    `rows` are frame, class, source, azimuth in degrees, distance in metres and on-screen, NaN where the file does not
    say it, `elevation_deg` likewise, `lines` the number of each row's line. `notes` say what was assumed and what is
    odd, without the path.
    """

    path: Path
    layout: Layout
    rows: Float64[np.ndarray, "row 6"]
    elevation_deg: Float64[np.ndarray, "row"]
    lines: Int64[np.ndarray, "row"]
    notes: tuple[str, ...] = ()

    def to_events(self, labels: LabelSet = DCASE2025) -> Events:
        """Convert to events. A source number that a frame and class use twice (the challenge's baseline writes 0
        everywhere) is replaced by the lowest free one, as the official scorer does.
        """
        names = ("frame", "cls", "source", "azimuth_deg", "distance_m", "onscreen")
        columns = {**dict(zip(names, self.rows.T, strict=True)), "source": self.number_sources()}
        return Events.from_batch(columns, [len(self.rows)], labels, FRAME_S)[0]

    def number_sources(self) -> Int64[np.ndarray, "row"]:
        """Number the sources of each frame and class; repeated numbers give way to the lowest free one."""
        keys = self.rows[:, :3].astype(np.int64)
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


def read_label_file(path: Path, labels: LabelSet = DCASE2025, counting: Counting = "strict") -> LabelFile:
    """Read one file. Raises LabelFileError that names the first line that is no event, or what the file is instead."""
    return _check(_read(path, counting), labels, counting)


def read_label_files(
    paths: Sequence[Path], labels: LabelSet = DCASE2025, counting: Counting = "strict"
) -> list[LabelFile]:
    """Read every file as `read_label_file` does; of many whole files of 2025 it looks closer at the odd ones alone.
    Raises LabelFileError.
    """
    tables = [_read(path, counting) for path in paths]
    sound = _find_sound(tables, labels)
    return [
        _take_over(table) if good else _check(table, labels, counting)
        for table, good in zip(tables, sound, strict=True)
    ]


def is_label_header(line: str) -> bool:
    """Tell whether a first line is one of a label file: numbers, or names of its columns and of no others."""
    cells = _split(line, _find_separator(line))
    layout = read_header(cells)
    return (
        not line.strip() or bool(_NUMBER.fullmatch(cells[0])) or (layout is not None and UNREAD not in layout.columns)
    )


def list_notes(files: Iterable[LabelFile]) -> list[str]:
    """List the notes of many files, each once, numbers aside, with the first file of which it is true."""
    found: defaultdict[str, list[tuple[str, Path]]] = defaultdict(list)
    for file in files:
        for note in file.notes:
            found[_ANY_NUMBER.sub("0", note)].append((note, file.path))
    return [
        f"{some[0][0]}: {some[0][1]}"
        if len(some) == 1
        else f"{some[0][0]} ({len(some)} files, such as this): {some[0][1]}"
        for some in found.values()
    ]


# --- from bytes to numbers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    path: Path
    layout: Layout
    values: Float64[np.ndarray, "row column"]
    lines: Int64[np.ndarray, "row"]
    notes: tuple[str, ...] = ()


def _read(path: Path, counting: Counting) -> _Table:
    try:
        data = read_bytes(path, MOST_LABEL_BYTES)
    except OSError as error:
        raise LabelFileError(
            path, f"expected a CSV file of events, but it cannot be read ({error.strerror})"
        ) from error
    except ValueError as error:
        raise LabelFileError(path, f"expected a CSV file of the events of a day at most, but {error}") from error
    if impostor := recognize_impostor(data, "a label file"):
        raise LabelFileError(path, impostor)
    header, _, body = data.partition(b"\n")
    body = body.rstrip()
    # Most files are whole files of 2025, of plain numbers; what follows reads them in the same way, but line by line.
    if (
        header.strip() == _HEADER
        and not body.translate(None, _PLAIN)
        and b"\n\n" not in body
        and not body[:1].isspace()
    ):
        lines = body.count(b"\n") + 1 if body else 0
        if body.count(b",") == lines * (len(ROW) - 1) and (table := _read_plain(path, body, lines)) is not None:
            return table
    return _read_lines(path, _decode(data, path), counting)


def _read_plain(path: Path, body: bytes, lines: int) -> _Table | None:
    cells = body.replace(b"\n", b",").split(b",") if body else []
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells)).reshape(lines, len(ROW))
    except ValueError:
        return None
    return _Table(path, OFFICIAL, values, np.arange(lines) + 2)


def _decode(data: bytes, path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or Latin-1, in which programs for tables save them."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif data[1:2] == b"\0":
        encoding = "utf-16-le"
    elif data[:1] == b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text):
        raise LabelFileError(
            path, "expected a text file of events, got one of bytes that are no text", hint="save the table as CSV"
        )
    return text


def _read_lines(path: Path, text: str, counting: Counting) -> _Table:
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not numbered:
        return _Table(path, OFFICIAL, np.empty((0, len(ROW))), np.empty(0, np.int64))
    mark = _find_separator(numbered[0][1])
    numbers = np.array([number for number, _ in numbered], dtype=np.int64)
    rows = [_split(line, mark) for _, line in numbered]
    if _NUMBER.fullmatch(rows[0][0]):
        values = _to_numbers(rows, numbers, None, path)
        try:
            layout = recognize(values)
        except UnknownLayoutError as error:
            hint = f"write the header that is meant, such as {','.join(ROW)}, as the first line"
            raise LabelFileError(path, str(error), int(numbers[error.row]), hint) from error
        return _Table(path, layout, values, numbers, _describe_assumed(layout))
    header, rows, numbers = rows[0], rows[1:], numbers[1:]
    layout, notes = _read_header(header, rows, numbered[0], counting, path)
    if counting == "official" and layout.official:
        # The official scorer takes the first six cells of every line.
        rows = [row[: len(layout.columns)] for row in rows]
    return _Table(path, layout, _to_numbers(rows, numbers, layout, path), numbers, notes)


def _find_separator(line: str) -> str:
    return next((mark for mark in (",", ";", "\t") if mark in line), ",")


def _split(line: str, mark: str) -> list[str]:
    """The cells of a line; programs for tables put quotes around some."""
    return [cell.strip().strip("\"'").strip() for cell in line.split(mark)]


def _read_header(
    header: list[str], rows: list[list[str]], first: tuple[int, str], counting: Counting, path: Path
) -> tuple[Layout, tuple[str, ...]]:
    layout = read_header(header)
    wide = all(len(row) >= len(ROW) for row in rows)
    if layout is None and counting == "official" and rows and wide:
        note = (
            f"the header is none that is known ({','.join(header)}), and is passed over, as the challenge's scorer does"
        )
        return OFFICIAL, (note,)
    if layout is None:
        raise LabelFileError(
            path,
            f"expected the header {','.join(ROW)}, or the names of other columns with frame, class and azimuth, "
            f"got {first[1].strip()!r}",
        )
    unread = [word for word, column in zip(header, layout.columns, strict=True) if column == UNREAD]
    notes = (f"the columns {', '.join(unread)} are passed over",) if unread else ()
    if counting == "official" and layout.official and rows and any(len(row) > len(ROW) for row in rows) and not unread:
        notes = (
            "lines have more than six cells; those behind the sixth are passed over, as by the challenge's scorer",
        )
    return layout, notes


def _describe_assumed(layout: Layout) -> tuple[str, ...]:
    if layout.certain:
        return ()
    columns = ",".join(layout.columns)
    note = f"it has no header; taken for the layout of {layout.name} ({columns}), for {layout.why}"
    if layout.name == "2019":
        note += "; frames are taken for 100 ms, and were 20 ms in 2019"
    return (note,)


def _to_numbers(
    rows: list[list[str]], numbers: Int64[np.ndarray, "row"], layout: Layout | None, path: Path
) -> Float64[np.ndarray, "row column"]:
    width = len(rows[0]) if layout is None and rows else len(ROW if layout is None else layout.columns)
    flag = width - 1 if layout is None else layout.find("onscreen")
    unread = set() if layout is None else {place for place, name in enumerate(layout.columns) if name == UNREAD}
    names = layout.columns if layout else tuple(f"column {place + 1}" for place in range(width))
    values = np.full((len(rows), width), np.nan)
    for row, (cells, number) in enumerate(zip(rows, numbers.tolist(), strict=True)):
        if len(cells) != width:
            listed = f" ({','.join(names)})" if layout else ""
            raise LabelFileError(path, f"expected {width} columns{listed}, got {len(cells)}", number)
        for place, cell in enumerate(cells):
            if _NUMBER.fullmatch(cell):
                values[row, place] = float(cell)
            elif place == flag and cell.lower() in _FLAGS:
                values[row, place] = _FLAGS[cell.lower()]
            elif cell.lower().lstrip("+-") in ("nan", "inf", "infinity"):
                values[row, place] = float(cell)
            elif place not in unread:
                raise LabelFileError(path, f"expected a number for {names[place]}, got {cell!r}", number)
    return values


# --- from numbers to what they can be -------------------------------------------------------------------------------


def _check(table: _Table, labels: LabelSet, counting: Counting) -> LabelFile:
    """Refuse what cannot be, and note what is odd."""
    layout, values = table.layout, table.values
    official = counting == "official" and layout.official
    places = {name: place for place, name in enumerate(layout.columns) if name != UNREAD}
    columns = {name: values[:, place] for name, place in places.items()}
    notes = list(table.notes)
    notes += _check_frames(table, columns["frame"], official)
    _refuse_impossible(table, columns, labels, official)
    if "azimuth" in columns:
        azimuth_deg = columns["azimuth"]
        elevation_deg = columns.get("elevation", np.full(len(values), np.nan))
        notes += _note_radians(azimuth_deg)
    else:
        azimuth_deg, elevation_deg = _to_angles(table, columns)
    distance_m, more = _to_metres(columns, len(values), official)
    unknown, zeros = np.full(len(values), np.nan), np.zeros(len(values))
    cells = [columns["frame"], columns["class"], columns.get("source", zeros), azimuth_deg, distance_m]
    rows = np.stack([*cells, columns.get("onscreen", unknown)], axis=1)
    kept, doubles = _drop_doubles(rows, elevation_deg, counting == "official")
    found = (rows[kept], elevation_deg[kept], table.lines[kept])
    return LabelFile(table.path, layout, *found, (*notes, *more, *doubles))


def _find_sound(tables: Sequence[_Table], labels: LabelSet) -> list[bool]:
    """Tell the tables, in the layout of 2025, of which `_check` would neither refuse nor note anything."""
    plain = [n for n, table in enumerate(tables) if table.layout == OFFICIAL and not table.notes and len(table.values)]
    found = [False] * len(tables)
    if not plain:
        return found
    values = np.concatenate([tables[n].values for n in plain])
    lengths = np.array([len(tables[n].values) for n in plain])
    first, owner = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(plain)), lengths)
    frame, cls, source, azimuth_deg, distance_cm, onscreen = values.T
    possible = np.isfinite(values).all(axis=1) & (values[:, :3] % 1 == 0).all(axis=1) & np.isin(onscreen, (0, 1))
    possible &= (frame >= 0) & (frame < FRAMES_OF_A_DAY) & (cls >= 0) & (cls < len(labels)) & (source >= 0)
    possible &= (np.abs(azimuth_deg) <= GREATEST_AZIMUTH_DEG) & (distance_cm > 0) & (distance_cm <= FARTHEST_USUAL_CM)
    keys = np.column_stack([owner, frame, cls, source])[np.lexsort((source, cls, frame, owner))]
    repeated = (keys[1:] == keys[:-1]).all(axis=1)
    good = np.logical_and.reduceat(possible, first)
    good[keys[1:][repeated, 0].astype(np.int64)] = False
    good &= np.maximum.reduceat(distance_cm, first) >= NEAREST_CM
    turned = np.maximum.reduceat(np.abs(azimuth_deg), first) > FULL_TURN_RAD
    good &= turned | np.logical_and.reduceat(azimuth_deg % 1 == 0, first)
    whole = np.where(possible, frame, 1).astype(np.int64)
    few = np.maximum.reduceat(whole, first) < FINER_STEP * (STEPPED_FRAMES - 1)
    good &= (np.gcd.reduceat(whole, first) == 1) | few
    for n, fine in zip(plain, good.tolist(), strict=True):
        found[n] = fine
    return found


def _take_over(table: _Table) -> LabelFile:
    rows = table.values
    rows[:, ROW.index("distance")] /= 100
    return LabelFile(table.path, table.layout, rows, np.full(len(rows), np.nan), table.lines)


def _refuse_impossible(
    table: _Table, columns: dict[str, Float64[np.ndarray, "row"]], labels: LabelSet, official: bool
) -> None:
    """Raise for the first value that no event can have."""
    for column, cells in columns.items():
        bad, expected = ~np.isfinite(cells), "a finite number"
        if column in ("frame", "class", "source", "onscreen"):
            bad, expected = bad | (cells % 1 != 0), "a whole number"
        if column == "frame":
            bad, expected = bad | (cells < 0), "a whole number from 0 on"
        if column == "class":
            bad, expected = bad | (cells < 0) | (cells >= len(labels)), f"0 to {len(labels) - 1} ({labels.name})"
        if column == "source" and not official:
            bad, expected = bad | (cells < -1), "a whole number from 0 on, or -1"
        if column == "azimuth" and not official:
            bad, expected = bad | (np.abs(cells) > GREATEST_AZIMUTH_DEG), "degrees from -180 to 180"
        if column == "elevation":
            bad, expected = bad | (np.abs(cells) > GREATEST_ELEVATION_DEG), "degrees from -90 to 90"
        if column in ("distance", "distance_m") and not official:
            unit, farthest = ("centimetres", GREATEST_DISTANCE_CM) if column == "distance" else ("metres", 1000.0)
            bad, expected = bad | (cells < 0) | (cells > farthest), f"{unit} from 0 to {farthest:.0f}"
        if column == "onscreen" and not official:
            bad, expected = bad | ((cells != 0) & (cells != 1)), "0 or 1"
        if bad.any():
            row = int(bad.argmax())
            expected = expected if np.isfinite(cells[row]) else "a finite number"
            raise LabelFileError(
                table.path, f"expected {expected} for {column}, got {cells[row]:.10g}", int(table.lines[row])
            )


def _check_frames(table: _Table, frames: Float64[np.ndarray, "row"], official: bool) -> list[str]:
    """Refuse frames beyond a day and frames that count something else; note the same where counting is official."""
    finite = frames[np.isfinite(frames) & (frames % 1 == 0) & (frames >= 0) & (frames < 2**53)]
    distinct = np.unique(finite.astype(np.int64))
    step = int(np.gcd.reduce(distinct)) if len(distinct) else 0
    reason = ""
    row = int(frames.argmax()) if len(frames) else 0
    if step >= COARSEST_STEP and len(distinct) >= 3:
        row = int((frames > 0).argmax())
        reason = (
            f"expected frames of 100 ms, counted one by one, got multiples of {step} alone, which look like samples "
            f"{'or milliseconds' if step % 10 == 0 and step < 1000 else f'at {10 * step} Hz'}"
        )
    elif len(finite) and finite.max() >= FRAMES_OF_A_DAY:
        reason = f"expected frames of 100 ms, fewer than a day has ({FRAMES_OF_A_DAY}), got {frames[row]:.0f}"
    if reason and not official:
        raise LabelFileError(table.path, reason, int(table.lines[row]))
    if reason:
        return [reason]
    if step >= FINER_STEP and len(distinct) >= STEPPED_FRAMES:
        return [f"all frames are multiples of {step}; frames of 100 ms are expected, counted one by one"]
    return []


def _note_radians(azimuth_deg: Float64[np.ndarray, "row"]) -> list[str]:
    # Degrees are written whole or with one decimal.
    fine = np.abs(azimuth_deg * 10 - np.rint(azimuth_deg * 10)) > 1e-9
    if not len(azimuth_deg) or np.abs(azimuth_deg).max() > FULL_TURN_RAD or fine.mean() <= 0.5:
        return []
    return ["no azimuth is beyond 6.29, so that they look like radians; they are taken for degrees"]


def _to_angles(
    table: _Table, columns: dict[str, Float64[np.ndarray, "row"]]
) -> tuple[Float64[np.ndarray, "row"], Float64[np.ndarray, "row"]]:
    """Azimuth and elevation of vectors."""
    x, y = columns["x"], columns["y"]
    z = columns.get(VECTOR[2], np.zeros(len(x)))
    none = (x == 0) & (y == 0) & (z == 0)
    if none.any():
        raise LabelFileError(
            table.path, "expected a direction x, y, z, got a vector of length 0", int(table.lines[none.argmax()])
        )
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _to_metres(
    columns: dict[str, Float64[np.ndarray, "row"]], rows: int, official: bool
) -> tuple[Float64[np.ndarray, "row"], list[str]]:
    """Distances in metres; what is in the column in metres already, where no source could be so near, stays."""
    if "distance_m" in columns:
        return columns["distance_m"], []
    if "distance" not in columns:
        return np.full(rows, np.nan), []
    distance = columns["distance"]
    known = distance[distance > 0]
    if not len(known):
        return distance / 100, []
    near = known.max() < NEAREST_CM and (known % 1 != 0).any()
    if near or known.max() <= HAND_CM:
        seen = f"distances of {known.min():g} to {known.max():g} look like metres, and centimetres are expected"
        if official:
            return distance / 100, [f"{seen}; they are taken for centimetres, as by the challenge's scorer"]
        return distance.copy(), [f"{seen}; they are taken for metres"]
    if np.median(known) > FARTHEST_USUAL_CM:
        seen = f"half of the sources would be farther than {FARTHEST_USUAL_CM / 100:.0f} m"
        return distance / 100, [f"{seen}, so that distances look like millimetres; they are taken for centimetres"]
    return distance / 100, []


def _drop_doubles(
    rows: Float64[np.ndarray, "row 6"], elevation_deg: Float64[np.ndarray, "row"], official: bool
) -> tuple[Bool[np.ndarray, "row"], list[str]]:
    """Drop lines that say again what another said, and note numbers that several sources share in a file that tells
    sources apart; the challenge's scorer counts every line.
    """
    kept = np.ones(len(rows), dtype=bool)
    if len(np.unique(rows[:, :3], axis=0)) == len(rows):
        return kept, []
    whole = np.nan_to_num(np.column_stack([rows, elevation_deg]), nan=-1e9)
    first = np.unique(whole, axis=0, return_index=True)[1]
    if len(first) < len(rows):
        again = f"{len(rows) - len(first)} lines say again what another one says, and count"
        if official:
            return kept, [f"{again} as sources of their own, as by the challenge's scorer"]
        kept[:] = False
        kept[first] = True
        return kept, [f"{again} once"]
    if (rows[:, 2] != rows[0, 2]).any():
        return kept, ["several lines have one frame, class and source; they are taken for several sources"]
    return kept, []
