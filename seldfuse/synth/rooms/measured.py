"""Rooms that were measured: first-order ambisonic impulse responses, one for each place of a source.

A response has the channels W, Y, Z, X in the order of ACN, where Y points to the left, Z up and X to the front. Their
levels follow SN3D, as in the challenge's recordings: of a plane wave from azimuth θ at elevation 0, W takes the
pressure and Y takes sin θ of it. In N3D, Y, Z and X are √3 times as strong, which would spoil left and right; such
files are refused.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import soxr
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import MediaError, UsageError
from seldfuse.storage.walk import list_files
from seldfuse.synth.rooms.srir import (
    TABLE,
    Entry,
    Report,
    RoomRecording,
    read_sofa_room,
    read_wav_room,
    report_and_skip,
)

LONGEST_S = 2.0
SPEED_OF_SOUND_M_S = 343.0
REMEMBERED = 256
"""So many responses a process keeps in memory (at most 200 MB)."""


@dataclass(frozen=True)
class Response:
    """A room's answer to a pulse: W, Y, Z, X at 24 kHz, at most 2 s, beginning when the pulse leaves the source.

    The direct sound has in W the energy of a pulse of height 1 / distance.
    """

    foa: Float32[np.ndarray, "4 sample"]
    azimuth_deg: float
    elevation_deg: float
    distance_m: float


@dataclass(frozen=True, eq=False)
class ResponseSet:
    """Measured responses by their keys: `room.sofa#12`, or `room/file.wav`, inside the folder.

    A room is a SOFA file, or the folder of a table. Responses can be sent to another process if `on_problem` can be.
    """

    rooms: Mapping[str, Mapping[str, Entry]]
    on_problem: Report | None = None
    _reported: set[str] = field(default_factory=set, repr=False)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        return {key: entry for room in self.rooms.values() for key, entry in room.items()}

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.entries)

    @property
    def largest_room(self) -> int:
        """Count the most responses that `draw` can return at a time."""
        return max(len(room) for room in self.rooms.values())

    def get_response(self, key: str) -> Response:
        """Return the response of a key. Raises UsageError where there is none, MediaError where it cannot be read."""
        if key not in self.entries:
            raise UsageError(f"expected one of {len(self.entries)} measured responses, got {key!r}")
        return _response(self.entries[key])

    def draw(self, rng: np.random.Generator, count: int) -> tuple[str, ...]:
        """Draw the keys of different responses of one room; all rooms that have so many are equally likely.

        Each is read, to know that it can be. With `on_problem` one that cannot is reported once and passed over.
        Raises UsageError where no room has so many, MediaError where one cannot be read, or too few can.
        """
        rooms = [name for name, room in self.rooms.items() if len(room) >= count]
        if not rooms:
            raise UsageError(f"expected at most {self.largest_room} sources in a measured room, got {count}")
        room = rooms[rng.integers(len(rooms))]
        keys = [list(self.rooms[room])[number] for number in rng.permutation(len(self.rooms[room]))]
        readable = (key for key in keys if self._can_be_read(key))
        drawn = tuple(key for key, _ in zip(readable, range(count), strict=False))
        if len(drawn) < count:
            raise MediaError(f"expected {count} responses that can be read, got {len(drawn)}: {room}")
        return drawn

    def _can_be_read(self, key: str) -> bool:
        try:
            self.get_response(key)
        except MediaError as error:
            if self.on_problem is None:
                raise
            if key not in self._reported:
                self._reported.add(key)
                self.on_problem(f"passed over: {error}")
            return False
        return True


def load_responses(folder: Path, on_problem: Report | None = None) -> ResponseSet:
    """List the responses of a folder and its sub-folders.

    There are SOFA files (AES69, `TrainingData.IR` of four receivers), and WAV files of four channels with a
    `positions.csv` beside them (columns file, azimuth_deg, elevation_deg, distance_m; azimuth positive to the left). A
    few responses of each room are read: their direct sound must come from the stated direction. Raises UsageError or
    MediaError, which name file and line; with `on_problem` it is reported, and what it concerns passed over, as long as
    anything is left.
    """
    if not folder.is_dir():
        raise UsageError(f"--srir expects a folder of measured responses: {folder}")
    rooms: dict[str, Mapping[str, Entry]] = {}
    for path in list_files(folder, "*.sofa"):
        name = path.relative_to(folder).as_posix()
        with report_and_skip(on_problem):
            rooms[name] = {f"{name}#{row}": entry for row, entry in read_sofa_room(path, on_problem).items()}
    for table in list_files(folder, TABLE):
        place = table.parent.relative_to(folder)
        with report_and_skip(on_problem):
            rooms[str(place)] = {
                (place / file).as_posix(): entry for file, entry in read_wav_room(table, on_problem).items()
            }
    rooms = {name: room for name, room in rooms.items() if room}
    if not rooms:
        raise UsageError(
            f"there is no measured response; expected SOFA files, or WAV files of four channels and {TABLE}: {folder}"
        )
    return ResponseSet(rooms, on_problem)


def convert_to_mid_side(
    foa: Float32[np.ndarray, "4 sample"], yaw_deg: float
) -> tuple[Float32[np.ndarray, "sample"], Float32[np.ndarray, "sample"]]:
    """Compute W, and Y after `yaw_deg` was added to all azimuths: left is their sum, right their difference."""
    w, y, _, x = foa
    yaw = math.radians(yaw_deg)
    return w, math.sin(yaw) * x + math.cos(yaw) * y


@lru_cache(maxsize=REMEMBERED)
def _response(entry: Entry) -> Response:
    found = entry.read()
    foa = soxr.resample(np.ascontiguousarray(found.foa.T), found.sample_rate_hz, SAMPLE_RATE_HZ).T
    sound = RoomRecording(foa, SAMPLE_RATE_HZ)
    level = float(np.linalg.norm(foa[0, sound.direct()]))
    foa = foa / np.float32(level * entry.place.distance_m)
    # A file may begin at any time before the direct sound.
    missing = round(entry.place.distance_m / SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ) - sound.find_onset()
    foa = np.pad(foa, ((0, 0), (missing, 0))) if missing > 0 else foa[:, -missing:]
    return Response(np.ascontiguousarray(foa[:, : round(LONGEST_S * SAMPLE_RATE_HZ)]), *entry.place)
