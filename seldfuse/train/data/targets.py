"""From the rows of label files to what networks learn."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import TRACKS, WINDOW_FRAMES
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.formats.label_files import LabelFile, LabelFileError

TargetTracks = Float32[np.ndarray, "_ 6"]
"""Frame, class, track, azimuth folded to the front in degrees, distance in metres and on-screen, sorted by frame."""

FRAME, CLASS, TRACK, AZIMUTH, DISTANCE, ONSCREEN = range(6)

MOST_ZEROS = 0.5
"""The share of the distances of a file that may be 0."""


def convert_file(file: LabelFile, note: Callable[[str], None]) -> TargetTracks:
    """Convert the sources of a label file to tracks.

    Of a frame and class these are the first three in order of their numbers. On-screen is 0 where the file leaves it
    out, as in the files of audio-only systems. A source that for a moment has a distance of 0 gets the median of the
    file's others, and `note` is told so: errors relative to 0 have no bounds. Raises UsageError where it leaves out
    distances, or most of them are 0.
    """
    rows = file.rows.copy()
    if np.isnan(rows[:, DISTANCE]).any():
        raise UsageError(
            "expected the distance of every event, which networks learn, but the file has none; add a column, with the "
            f"header frame,class,source,azimuth,distance,onscreen: {file.path}"
        )
    rows[:, DISTANCE] = _fill_zeros(rows[:, DISTANCE], file, note)
    rows = rows[np.lexsort((rows[:, TRACK], rows[:, CLASS], rows[:, FRAME]))]
    position = np.arange(len(rows))
    another = np.ones(len(rows), dtype=bool)
    another[1:] = (rows[1:, : CLASS + 1] != rows[:-1, : CLASS + 1]).any(axis=1)
    rows[:, TRACK] = position - np.maximum.accumulate(np.where(another, position, 0))
    rows[:, AZIMUTH] = fold_azimuth(rows[:, AZIMUTH])
    rows[:, ONSCREEN] = np.nan_to_num(rows[:, ONSCREEN])
    return rows[rows[:, TRACK] < TRACKS].astype(np.float32)


def _fill_zeros(
    distance_m: Float64[np.ndarray, "row"], file: LabelFile, note: Callable[[str], None]
) -> Float64[np.ndarray, "row"]:
    zero = distance_m <= 0
    if not zero.any():
        return distance_m
    line = int(file.lines[zero.argmax()])
    if zero.mean() > MOST_ZEROS:
        raise LabelFileError(
            file.path,
            f"expected distances of more than 0, which networks learn, got 0 in {zero.sum()} of {len(zero)}, first",
            line,
            "write them in centimetres, or leave the file out",
        )
    median_m = float(np.median(distance_m[~zero]))
    note(
        f"a distance of 0 in {zero.sum()} of {len(zero)} lines, first in line {line}, was taken for the median of the "
        f"others, {median_m:.2f} m: {file.path}"
    )
    return np.where(zero, median_m, distance_m)


def cut_tracks(tracks: TargetTracks, start_frame: int, frames: int) -> TargetTracks:
    """Cut out so many frames of tracks, counted from `start_frame` on."""
    first, last = np.searchsorted(tracks[:, FRAME], [start_frame, start_frame + frames])
    found = tracks[first:last].copy()
    found[:, FRAME] -= start_frame
    return found


def build_target(
    windows: Sequence[TargetTracks], labels: LabelSet, labelled: Bool[np.ndarray, "window cls"] | None = None
) -> Posterior:
    """Build the targets of windows of 5 s: activity 0 or 1 on three tracks, filled from the first.

    It is NaN for classes that are not `labelled`: losses leave out their cells.
    """
    whose = np.repeat(np.arange(len(windows)), [len(tracks) for tracks in windows])
    tracks = np.concatenate([np.zeros((0, 6), np.float32), *windows])
    cell = (whose, *(tracks[:, column].astype(np.int64) for column in (FRAME, CLASS, TRACK)))
    shape = (len(windows), WINDOW_FRAMES, len(labels), TRACKS)
    activity, azimuth_deg, distance_m, onscreen = (torch.zeros(shape) for _ in range(4))
    for tensor, values in (
        (activity, np.ones(len(tracks), np.float32)),
        (azimuth_deg, tracks[:, AZIMUTH]),
        (distance_m, tracks[:, DISTANCE]),
        (onscreen, tracks[:, ONSCREEN]),
    ):
        tensor.numpy()[cell] = values
    if labelled is not None and not labelled.all():
        unknown = torch.from_numpy(~labelled)[:, None, :, None]
        activity = activity.masked_fill(unknown, torch.nan)
    return Posterior(activity, direction_from_azimuth(azimuth_deg), distance_m, onscreen, labels=labels)
