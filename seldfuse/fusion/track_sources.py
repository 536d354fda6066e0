"""Which stretches of activity belong to one source: found before anything is dropped, so that nothing leaks.

Networks put a source on any of their tracks, on another one in the next frame, and two sources of a class on each
other's. So what is active is first cut into runs, in which one track goes on without a jump, and runs are then linked
to sources by where they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

ENDS_FRAMES = 5
"""Where a run begins and ends is the mean of so many of its frames."""
DEG_PER_PAUSED_FRAME = 1.0
"""A source that has paused for a frame is as likely to go on as one that is so much farther away."""


def track_sources(
    columns: Mapping[str, np.ndarray], clip: Int64[np.ndarray, "row"], jump_deg: float
) -> Int64[np.ndarray, "row"]:
    """Number the source of each active frame of many clips, from 0 in each clip and class.

    `columns` are `frame`, `cls`, `source` (the track) and, where it is known, `azimuth_deg`. A run goes on with the
    silent source that was last nearest to where it begins, where that is at most `jump_deg` away; else it is a new
    source.
    """
    azimuth_deg = columns.get("azimuth_deg", np.zeros(len(clip))).astype(np.float64)
    lane = _rank_in_cell(columns, clip)
    order = np.lexsort((columns["frame"], lane, columns["cls"], clip))
    frame, azimuth_deg = columns["frame"][order], azimuth_deg[order]
    new = differs(clip[order], columns["cls"][order], lane[order])
    new[1:] |= (np.diff(frame) != 1) | (_apart(azimuth_deg[1:], azimuth_deg[:-1]) > jump_deg)
    runs = _list_runs(clip[order], columns["cls"][order], frame, azimuth_deg, np.flatnonzero(new))
    source = np.zeros(len(runs), dtype=np.int64)
    here, sources = (-1, -1), _Sources(jump_deg)
    for run in sorted(runs):
        if (run.clip, run.cls) != here:
            here, sources = (run.clip, run.cls), _Sources(jump_deg)
        source[run.number] = sources.find(run)
    found = np.empty(len(order), dtype=np.int64)
    found[order] = source[np.cumsum(new) - 1]
    return found


def differs(*keys: np.ndarray) -> Bool[np.ndarray, "row"]:
    """Mark the rows that differ from the row before in one of the keys, and the first."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = False
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return new


class _Run(NamedTuple):
    """A stretch of one track without a jump: its frames up to `end`, which is silent, and where it begins and ends."""

    clip: int
    cls: int
    begin: int
    end: int
    begins_deg: float
    ends_deg: float
    number: int


@dataclass
class _Sources:
    """The sources of a class in a clip: the frame after the last one of each, and where it was then."""

    jump_deg: float
    ended: list[int] = field(default_factory=list)
    azimuth_deg: list[float] = field(default_factory=list)

    def find(self, run: _Run) -> int:
        """Find the source that a run goes on with, or make one."""
        least, chosen = np.inf, len(self.ended)
        for number, (ended, azimuth_deg) in enumerate(zip(self.ended, self.azimuth_deg, strict=True)):
            apart_deg = abs((run.begins_deg - azimuth_deg + 180) % 360 - 180)
            cost = apart_deg + DEG_PER_PAUSED_FRAME * (run.begin - ended)
            if ended <= run.begin and apart_deg <= self.jump_deg and cost < least:
                least, chosen = cost, number
        self.ended[chosen : chosen + 1] = [run.end]
        self.azimuth_deg[chosen : chosen + 1] = [run.ends_deg]
        return chosen


def _list_runs(
    clip: Int64[np.ndarray, "row"],
    cls: Int64[np.ndarray, "row"],
    frame: Int64[np.ndarray, "row"],
    azimuth_deg: Float64[np.ndarray, "row"],
    first: Int64[np.ndarray, "run"],
) -> list[_Run]:
    number = np.diff(np.r_[first, len(frame)])
    begins_deg, ends_deg = _find_ends(azimuth_deg, first, number)
    columns = (clip[first], cls[first], frame[first], frame[first] + number, begins_deg, ends_deg)
    return [_Run(*run) for run in zip(*(column.tolist() for column in columns), range(len(first)), strict=True)]


def _rank_in_cell(columns: Mapping[str, np.ndarray], clip: Int64[np.ndarray, "row"]) -> Int64[np.ndarray, "row"]:
    """Number the active tracks of a class in a frame: what is alone has the number 0, whichever track it is on."""
    order = np.lexsort((columns["source"], columns["frame"], columns["cls"], clip))
    first = np.flatnonzero(differs(clip[order], columns["cls"][order], columns["frame"][order]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    return rank


def _find_ends(
    azimuth_deg: Float64[np.ndarray, "row"], first: Int64[np.ndarray, "run"], number: Int64[np.ndarray, "run"]
) -> tuple[Float64[np.ndarray, "run"], Float64[np.ndarray, "run"]]:
    """Where each run is in its first and in its last `ENDS_FRAMES` frames: the mean direction."""
    some = np.minimum(number, ENDS_FRAMES)
    sums = [np.r_[0.0, np.cumsum(function(np.radians(azimuth_deg)))] for function in (np.sin, np.cos)]

    def mean(begin: Int64[np.ndarray, "run"]) -> Float64[np.ndarray, "run"]:
        sine, cosine = (total[begin + some] - total[begin] for total in sums)
        return np.asarray(np.degrees(np.arctan2(sine, cosine)))

    return mean(first), mean(first + number - some)


def _apart(one_deg: Float64[np.ndarray, "row"], other_deg: Float64[np.ndarray, "row"]) -> Float64[np.ndarray, "row"]:
    return np.asarray(np.abs((one_deg - other_deg + 180) % 360 - 180))
