"""From the network's output to a CSV file as the DCASE 2025 Task 3 baseline goes: cell by cell, line by line.

Written from the rules, which `seldfuse.nn.accddoa.decode_accddoa` states, in the manner of `DCASE2025_seld_baseline`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from seldfuse.core.grid import TRACKS
from seldfuse.core.labels import DCASE2025
from seldfuse_baseline.network import ELEMENTS

CLASSES = len(DCASE2025)
ACTIVE_ABOVE = 0.5
UNIFY_ANGLE_DEG = 15.0
PAIRS = ((0, 1), (1, 2), (2, 0))
HEADER = "frame,class,source,azimuth,distance,onscreen\n"


class Row(NamedTuple):
    frame: int
    cls: int
    azimuth_deg: float
    distance_m: float


def decode_cells(raw: Float32[np.ndarray, "frame 117"]) -> list[Row]:
    """Decode events of one clip, by frame and class."""
    x, y, distance_m = raw.reshape(-1, TRACKS, ELEMENTS, CLASSES).transpose(2, 0, 3, 1)  # each (frame, cls, track)
    active = np.sqrt(x**2 + y**2) > ACTIVE_ABOVE
    distance_m = distance_m.clip(min=0.0)
    rows = []
    for frame in range(len(raw)):
        for cls in range(CLASSES):
            cell = (frame, cls)
            for tracks in _events(x[cell], y[cell], active[cell]):
                azimuth_deg = np.degrees(np.arctan2(y[cell][tracks].mean(), x[cell][tracks].mean()))
                rows.append(Row(frame, cls, float(azimuth_deg), float(distance_m[cell][tracks].mean())))
    return rows


def write_csv(rows: Sequence[Row], path: Path) -> None:
    with path.open("w") as file:
        file.write(HEADER)
        for row in rows:
            file.write(f"{row.frame},{row.cls},0,{round(row.azimuth_deg)},{round(row.distance_m * 100)},0\n")


def _events(x: np.ndarray, y: np.ndarray, active: np.ndarray) -> Iterator[list[int]]:
    """The tracks of each event of a cell: one similar pair is one event, more of them make one of all tracks."""
    similar = [
        pair for pair in PAIRS if active[pair[0]] and active[pair[1]] and _angle_deg(x, y, *pair) < UNIFY_ANGLE_DEG
    ]
    if len(similar) > 1:
        yield [0, 1, 2]
        return
    paired = [track for pair in similar for track in pair]
    yield from ([track] for track in range(TRACKS) if active[track] and track not in paired)
    yield from (list(pair) for pair in similar)


def _angle_deg(x: np.ndarray, y: np.ndarray, one: int, other: int) -> float:
    lengths = np.sqrt(x[one] ** 2 + y[one] ** 2) * np.sqrt(x[other] ** 2 + y[other] ** 2)
    cosine = (x[one] * x[other] + y[one] * y[other]) / lengths
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
