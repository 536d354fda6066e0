"""Label tables cut into windows as long as a scene: who sounds in them, in which frames, from where."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.formats.dcase import PLACE
from seldfuse.synth.scene import SCENE_FRAMES

STEP_FRAMES = 21
"""From one window's start to the next. Many annotations stand on a grid of half seconds; this step walks over it."""

FRAME, CLS, SOURCE, AZIMUTH = range(4)

Table = Float64[np.ndarray, "_ 6"]
"""One recording as `dcase.read_positions` gives it: frame, class, source, azimuth and elevation in °, distance in m."""


@dataclass(frozen=True)
class WindowTracks:
    """One entry per source and window in which it sounds, sorted by window and class; NaN where it is silent.

    `windows` counts the windows with and without sources, `window` says which one a track belongs to. Places are NaN
    too where the files say nothing. `whole` and `pause` know nothing of the window's ends: frames of the stretch that
    sounds, and of the source's silence after it, which is infinite after its last stretch.
    """

    windows: int
    window: Int64[np.ndarray, "track"]
    cls: Int64[np.ndarray, "track"]
    active: Bool[np.ndarray, "track frame"]
    azimuth_deg: Float64[np.ndarray, "track frame"]
    elevation_deg: Float64[np.ndarray, "track frame"]
    distance_m: Float64[np.ndarray, "track frame"]
    whole: Float64[np.ndarray, "track frame"]
    pause: Float64[np.ndarray, "track frame"]

    @property
    def alone(self) -> Bool[np.ndarray, "track"]:
        """Whether nothing else sounds in the track's window."""
        return np.asarray(np.bincount(self.window, minlength=self.windows)[self.window] == 1)


@dataclass(frozen=True)
class ActiveStretches:
    """Uninterrupted stretches of sound in windows: the track, its first frame and the frame after its last."""

    track: Int64[np.ndarray, "stretch"]
    begin: Int64[np.ndarray, "stretch"]
    end: Int64[np.ndarray, "stretch"]

    @property
    def length(self) -> Int64[np.ndarray, "stretch"]:
        return np.asarray(self.end - self.begin)


def cut_recordings(tables: Sequence[Table]) -> WindowTracks:
    """Cut the windows of recordings of any length, at every `STEP_FRAMES`.

    A recording ends with its last row, since label files do not say how long they are; one that is shorter than a
    window, or empty, is one window.
    """
    pieces, windows = [np.empty((0, len(PLACE) + 3))], 0
    for table in tables:
        rows = np.column_stack([table, _lifetimes(table)])[np.argsort(table[:, FRAME], kind="stable")]
        last_start = max(int(table[:, FRAME].max(initial=0)) + 1 - SCENE_FRAMES, 0)
        starts = np.arange(0, last_start + 1, STEP_FRAMES)
        firsts, ends = np.searchsorted(rows[:, FRAME], [starts, starts + SCENE_FRAMES])
        for start, first, end in zip(starts, firsts, ends, strict=True):
            piece = np.column_stack([rows[first:end], np.full(end - first, windows)])
            piece[:, FRAME] -= start
            pieces.append(piece)
            windows += 1
    return _tracks(np.concatenate(pieces), windows)


def find_stretches(active: Bool[np.ndarray, "track frame"]) -> ActiveStretches:
    """Find where tracks sound without a break, in the order of tracks and time."""
    edges = np.diff(np.pad(active.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    track, begin = np.nonzero(edges == 1)
    return ActiveStretches(track, begin, np.nonzero(edges == -1)[1])


def _lifetimes(table: Table) -> Float64[np.ndarray, "row 2"]:
    """Frames of the stretch that a row is part of, and of the silence after it."""
    if not len(table):
        return np.empty((0, 2))
    frame, cls, source = table[:, :3].T
    order = np.lexsort((frame, source, cls))
    step = np.diff(frame[order])
    other = (np.diff(cls[order]) != 0) | (np.diff(source[order]) != 0)
    breaks = np.flatnonzero(other | (step != 1))
    length = np.diff(np.r_[-1, breaks, len(table) - 1])
    pause = np.r_[np.where(other[breaks], np.inf, step[breaks] - 1), np.inf]
    found = np.empty((len(table), 2))
    found[order] = np.repeat(np.stack([length, pause], axis=1), length, axis=0)
    return found


def _tracks(rows: Float64[np.ndarray, "row 9"], windows: int) -> WindowTracks:
    """Tracks of rows: the columns of a table, two lifetimes, the number of the window."""
    frame, cls, source, window = rows[:, [FRAME, CLS, SOURCE, -1]].astype(np.int64).T
    sources, classes = source.max(initial=0) + 1, cls.max(initial=0) + 1
    keys, track = np.unique((window * classes + cls) * sources + source, return_inverse=True)
    active = np.zeros((len(keys), SCENE_FRAMES), dtype=bool)
    active[track, frame] = True
    values = np.full((5, len(keys), SCENE_FRAMES), np.nan)
    values[:, track, frame] = rows[:, AZIMUTH:-1].T
    return WindowTracks(windows, keys // sources // classes, keys // sources % classes, active, *values)
