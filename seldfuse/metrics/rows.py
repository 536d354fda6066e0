"""Events of many clips in one table of plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.core.events import Events

COLUMNS = ["frame", "cls", "source", "azimuth_deg", "distance_m", "onscreen"]

Scene = Events | Float64[np.ndarray, "_ 6"]
"""The events of one clip, or just their `COLUMNS`, NaN where unknown."""


@dataclass(frozen=True)
class EventRows:
    """One entry per active source and frame; `clip` counts the clips."""

    clip: Int64[np.ndarray, "row"]
    frame: Int64[np.ndarray, "row"]
    cls: Int64[np.ndarray, "row"]
    source: Int64[np.ndarray, "row"]
    azimuth_deg: Float64[np.ndarray, "row"]
    distance_m: Float64[np.ndarray, "row"]
    onscreen: Float64[np.ndarray, "row"]

    def take(self, chosen: Int64[np.ndarray, "chosen"] | Bool[np.ndarray, "row"]) -> "EventRows":
        return EventRows(*(column[chosen] for column in vars(self).values()))


def stack_rows(scenes: Sequence[Scene | None]) -> EventRows:
    """Stack the rows of all clips, in order; None stands for a clip without events."""
    tables = [to_rows(scene) for scene in scenes]
    clip = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    rows = np.concatenate([np.empty((0, len(COLUMNS))), *tables])
    return EventRows(clip, *rows[:, :3].astype(np.int64).T, *rows[:, 3:].T)


def to_rows(scene: Scene | None) -> Float64[np.ndarray, "row 6"]:
    """Take the `COLUMNS` alone: who counts the same events often saves the time to take them out."""
    if scene is None:
        return np.empty((0, len(COLUMNS)))
    return scene.table[COLUMNS].to_numpy(dtype=np.float64) if isinstance(scene, Events) else scene
