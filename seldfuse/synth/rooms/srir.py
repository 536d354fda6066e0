"""Measured first-order responses as they lie on disk: SOFA files, and folders of WAV files with a table."""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame
from jaxtyping import Float32, Float64

from seldfuse.errors import MediaError, UsageError
from seldfuse.limits import FARTHEST_M
from seldfuse.media.container import decode_stream, find_audio_stream, open_media, probe

TABLE = "positions.csv"
NEAREST_M = 0.01

MOST_ROWS = 1_000_000

COLUMNS = ("file", "azimuth_deg", "elevation_deg", "distance_m")

DIRECT_S = 0.0015
"""The direct sound lies so near to the onset, on either side."""

_ONSET = 0.1
"""The first sample of W within 20 dB of the strongest is the onset, as in ISO 3382-1."""

_LISTENED_TO = 8
_BESIDE_DEG = 30.0
_STRONGEST = 1.3
"""Beyond this, Y, Z and X are too strong beside W: N3D gives 1.7, FuMa 1.4."""

Report = Callable[[str], None]
Points = Float64[np.ndarray, "row 3"]


class SourcePosition(NamedTuple):
    """Where a source stood, seen from the microphone; azimuth is positive to the left."""

    azimuth_deg: float
    elevation_deg: float
    distance_m: float


class RoomRecording(NamedTuple):
    """W, Y, Z, X as they were measured."""

    foa: Float32[np.ndarray, "4 sample"]
    sample_rate_hz: float

    def direct(self) -> slice:
        """Cut out the samples of the direct sound."""
        reach = round(DIRECT_S * self.sample_rate_hz)
        return slice(max(0, self.find_onset() - reach), self.find_onset() + reach + 1)

    def find_onset(self) -> int:
        height = np.abs(self.foa[0])
        return int((height >= _ONSET * height.max()).argmax())


@dataclass(frozen=True)
class SofaEntry:
    """One measurement of a SOFA file, counted from 0, known but not read."""

    path: Path
    row: int
    place: SourcePosition

    def read(self) -> RoomRecording:
        """Read the response. Raises MediaError where it cannot be read, is silent, or holds NaN or Inf."""
        with _sofa(self.path) as file:
            foa = np.asarray(file["Data.IR"][self.row], dtype=np.float32)
            return _usable(RoomRecording(foa, _rate_hz(file, self.path)), f"{self.path}, measurement {self.row}")


@dataclass(frozen=True)
class WavEntry:
    """One file of four channels, known but not read."""

    path: Path
    place: SourcePosition

    def read(self) -> RoomRecording:
        """Read the response. Raises MediaError where it cannot be read, is silent, or holds NaN or Inf."""
        resampler = av.AudioResampler(format="fltp")
        damage: list[Exception] = []
        with open_media(self.path) as container:
            stream = find_audio_stream(container)
            frames = [] if stream is None else list(decode_stream(container, stream, AudioFrame, damage.append))
        if not frames or damage:
            raise MediaError(f"the response cannot be decoded; export it anew: {self.path}")
        parts = [part.to_ndarray() for frame in frames for part in resampler.resample(frame)]
        return _usable(RoomRecording(np.concatenate(parts, axis=1), float(frames[0].sample_rate)), str(self.path))


Entry = SofaEntry | WavEntry


def _usable(recording: RoomRecording, name: str) -> RoomRecording:
    if not np.isfinite(recording.foa).all():
        raise MediaError(f"the response holds NaN or Inf: {name}")
    if not recording.foa[0].any():
        raise MediaError(f"the response is silent in W, its first channel: {name}")
    return recording


@contextmanager
def report_and_skip(on_problem: Report | None) -> Iterator[None]:
    """Report an error that a user can correct and go on behind the block; raise it where there is no `on_problem`."""
    try:
        yield
    except (UsageError, MediaError) as error:
        if on_problem is None:
            raise
        on_problem(f"passed over: {error}")


def read_wav_room(table: Path, on_problem: Report | None) -> dict[str, Entry]:
    """List the files that a `positions.csv` names, by the names it gives them.

    Raises UsageError for the table and its lines, MediaError for a file; with `on_problem` a bad line is passed over.
    """
    entries: dict[str, Entry] = {}
    for line, row in _rows(table):
        with report_and_skip(on_problem):
            name, entry = _wav_entry(table, line, row)
            if name in entries:
                raise UsageError(f"line {line} names {name!r} a second time: {table}")
            entries[name] = entry
    if entries:
        _check(_measure(list(entries.values()), table, on_problem), table)
    return entries


def _rows(table: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            rows = [(reader.line_num, row) for row in islice(reader, MOST_ROWS)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"expected a table in UTF-8 ({error}): {table}") from error
    if missing:
        raise UsageError(f"the table lacks the columns {', '.join(missing)}: {table}")
    return rows


def _wav_entry(table: Path, line: int, row: Mapping[str, str | None]) -> tuple[str, WavEntry]:
    name = Path(row["file"] or "").as_posix()
    path = table.parent / name
    # No path has a zero in it, and most functions of paths raise for one.
    if "\0" in name or not path.resolve().is_relative_to(table.parent.resolve()):
        raise UsageError(f"line {line} names a file outside of the table's folder, {name!r}: {table}")
    if not path.is_file():
        raise UsageError(f"line {line} names a file that is not there, {row['file'] or ''!r}: {table}")
    place = _place(*(_number(row[column]) for column in COLUMNS[1:]))
    if place is None:
        found = ", ".join(row[column] or "nothing" for column in COLUMNS[1:])
        raise UsageError(
            f"line {line} should give azimuth, elevation and a distance from {NEAREST_M} to {FARTHEST_M:g} m, got "
            f"{found}: {table}"
        )
    channels = probe(path).channels
    if channels != 4:
        raise MediaError(f"expected 4 channels (W, Y, Z, X), got {channels or 'no sound'}: {path}")
    return name, WavEntry(path, place)


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _place(azimuth_deg: float, elevation_deg: float, distance_m: float) -> SourcePosition | None:
    """A place, if these numbers are one."""
    finite = all(map(math.isfinite, (azimuth_deg, elevation_deg, distance_m)))
    if not finite or abs(elevation_deg) > 90.0 or not NEAREST_M <= distance_m <= FARTHEST_M:
        return None
    return SourcePosition((azimuth_deg + 180.0) % 360.0 - 180.0, elevation_deg, distance_m)


def read_sofa_room(path: Path, on_problem: Report | None) -> dict[str, Entry]:
    """List the measurements of a SOFA file (AES69), by their numbers.

    The standard counts places from the origin; some files give the source's from the listener, and the listener's
    beside it. The direct sound says which of the two a file means. The listener is taken to stand upright. Raises
    UsageError without h5py, else MediaError; with `on_problem` a measurement without a place is passed over.
    """
    with _sofa(path) as file:
        shape = _variable(file, "Data.IR", path).shape
        if len(shape) != 3 or shape[1] != 4:
            raise MediaError(
                f"expected Data.IR of measurements × 4 receivers (W, Y, Z, X) × samples, got "
                f"{' × '.join(map(str, shape))}; encode other arrays to first order: {path}"
            )
        _rate_hz(file, path)
        readings = _readings(file, shape[0], path)
    rooms = [_sofa_entries(path, points_m, on_problem) for points_m in readings]
    rooms = [entries for entries in rooms if entries]
    if not rooms:
        return {}
    direct_sounds = [_measure(list(entries.values()), path, on_problem) for entries in rooms]
    nearest = min(range(len(rooms)), key=lambda number: direct_sounds[number].beside_deg)
    _check(direct_sounds[nearest], path)
    return rooms[nearest]


def _sofa_entries(path: Path, points_m: Points, on_problem: Report | None) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for row, (x, y, z) in enumerate(points_m.tolist()):
        with report_and_skip(on_problem):
            distance_m = math.hypot(x, y, z)
            place = _place(math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y))), distance_m)
            if place is None:
                raise MediaError(f"measurement {row} does not say where its source stood: {path}")
            entries[str(row)] = SofaEntry(path, row, place)
    return entries


def _readings(file: Any, rows: int, path: Path) -> list[Points]:
    """Places of the sources before a listener who faces x, by the standard and by the other habit."""
    source_m = _points_m(file, "SourcePosition", rows, path)
    listener_m = _points_m(file, "ListenerPosition", rows, path)
    views = (
        _points_m(file, "ListenerView", rows, path) if "ListenerView" in file else np.tile([1.0, 0.0, 0.0], (rows, 1))
    )
    yaw = np.arctan2(views[:, 1], views[:, 0])
    cos, sin = np.cos(yaw), np.sin(yaw)

    def from_microphone(points_m: Points) -> Points:
        x, y, z = points_m.T
        return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)

    return (
        [from_microphone(source_m - listener_m), from_microphone(source_m)]
        if listener_m.any()
        else [from_microphone(source_m)]
    )


def _points_m(file: Any, name: str, rows: int, path: Path) -> Points:
    """A variable of places as x, y, z for each measurement."""
    variable = _variable(file, name, path)
    values = np.asarray(variable, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 3 or values.shape[0] not in (1, rows):
        shape = " × ".join(map(str, values.shape))
        raise MediaError(f"expected {name} to be 1 or {rows} places of three numbers, got {shape}: {path}")
    if _text(variable.attrs.get("Type", "cartesian")) == "spherical":
        azimuth, elevation = np.radians(values[:, :2]).T
        flat = np.cos(elevation)
        unit = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
        values = unit * values[:, 2:]
    return np.broadcast_to(values, (rows, 3))


def _rate_hz(file: Any, path: Path) -> float:
    rates_hz = np.unique(np.asarray(_variable(file, "Data.SamplingRate", path), dtype=np.float64))
    if rates_hz.size != 1 or not 1_000.0 <= rates_hz[0] <= 1_000_000.0:
        raise MediaError(f"expected one Data.SamplingRate in Hz, got {', '.join(map(str, rates_hz))}: {path}")
    return float(rates_hz[0])


def _variable(file: Any, name: str, path: Path) -> Any:
    if name not in file:
        raise MediaError(f"the SOFA file lacks {name}: {path}")
    return file[name]


def _text(attribute: Any) -> str:
    """netCDF has two kinds of text, of which one arrives as a list of one."""
    text = np.asarray(attribute).reshape(-1)[0]
    return text.decode() if isinstance(text, bytes) else str(text)


@contextmanager
def _sofa(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            f"reading SOFA files takes h5py; install it with `pip install 'seldfuse[sofa]'`: {path}"
        ) from error
    try:
        with h5py.File(path) as file:
            yield file
    except OSError as error:
        raise MediaError(f"expected a SOFA file, which is netCDF-4 ({error}): {path}") from error


class _DirectSound(NamedTuple):
    """Measures of a direct sound: how far beside the stated direction it is, and how strong Y, Z, X are beside W."""

    beside_deg: float
    strength: float


def _measure(entries: Sequence[Entry], path: Path, on_problem: Report | None) -> _DirectSound:
    """Medians over a few responses, spread evenly."""
    direct_sounds: list[_DirectSound] = []
    for number in np.linspace(0, len(entries) - 1, min(len(entries), _LISTENED_TO)).astype(int):
        with report_and_skip(on_problem):
            direct_sounds.append(_measure_direct(entries[number]))
    if not direct_sounds:
        raise MediaError(f"none of the responses that were tried can be read: {path}")
    return _DirectSound(*np.median(direct_sounds, axis=0).tolist())


def _measure_direct(entry: Entry) -> _DirectSound:
    """By the intensity vector, the mean of W·(X, Y, Z), around the onset."""
    recording = entry.read()
    w, y, z, x = recording.foa[:, recording.direct()].astype(np.float64)
    intensity = np.array([w @ x, w @ y, w @ z]) / (w @ w)
    strength = float(np.linalg.norm(intensity))
    cosine = float(intensity @ _unit(entry.place)) / max(strength, 1e-9)
    return _DirectSound(math.degrees(math.acos(min(1.0, max(-1.0, cosine)))), strength)


def _unit(place: SourcePosition) -> Float64[np.ndarray, "3"]:
    azimuth, elevation = math.radians(place.azimuth_deg), math.radians(place.elevation_deg)
    flat = math.cos(elevation)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def _check(direct_sound: _DirectSound, path: Path) -> None:
    if direct_sound.strength > _STRONGEST:
        raise MediaError(
            f"in the direct sound Y, Z and X are {direct_sound.strength:.1f} times as strong as W, expected at most "
            f"1 (SN3D); if they are N3D, divide them by √3: {path}"
        )
    if direct_sound.beside_deg > _BESIDE_DEG:
        raise MediaError(
            f"the direct sound comes from {direct_sound.beside_deg:.0f}° beside the stated direction; expected the "
            f"channels W, Y, Z, X, and azimuths positive to the left: {path}"
        )
