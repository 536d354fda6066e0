"""Detections that somebody recorded before: a file beside the clip, or one in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from seldfuse.core.clip import Clip, Frame
from seldfuse.core.detections import UNTRACKED, Detections
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.vision.recorded_units import describe_wrong_units

SUFFIX = ".detections.parquet"

SHORTEST_STEP_S = 0.1
"""Of a recording whose times lie closer, or that has one time only, a look still stands for this long: a frame of the
labels."""


def read_recorded(
    clip: Clip, frames: Sequence[Frame], phrases: Sequence[str] | None = None, folder: Path | None = None
) -> Detections:
    """Read what was recorded of `clip` at the times of `frames`, untracked; of things called one of `phrases` where
    given.

    The file is `CLIP.detections.parquet` beside the clip's video or sound, or in `folder` under the clip's name. A
    frame gets the rows of the recorded time that is nearest, where it is no further than half the recording's step; a
    file knows no time at which nothing was seen. Raises CheckpointError where there is no such file, or its boxes or
    times are in other units, and UsageError where it is something else.
    """
    path = find_recording(clip, folder)
    recorded = Detections.load(path)
    if not np.isfinite(recorded.table["time_s"]).all():
        raise UsageError(f"expected a time in every row of recorded detections, some have none: {path}")
    _check_units(recorded, clip, frames, path)
    if phrases is not None:
        recorded = recorded.select(recorded.table["phrase"].isin(list(phrases)).to_numpy())
    if len(recorded) == 0 or not frames:
        return Detections.from_rows([])
    times_s = np.array([frame.time_s for frame in frames])
    rows, frame_rows = _nearest(recorded.table["time_s"].to_numpy(), times_s)
    table = recorded.table.iloc[rows].reset_index(drop=True).assign(time_s=times_s[frame_rows], track=UNTRACKED)
    return Detections(table, recorded.keypoints[rows])


def _check_units(recorded: Detections, clip: Clip, frames: Sequence[Frame], path: Path) -> None:
    if not frames or clip.audio.duration_s is None:
        return
    height_px, width_px = frames[0].rgb.shape[:2]
    ends_s = max(clip.audio.duration_s, frames[-1].time_s)
    if wrong := describe_wrong_units(recorded, width_px, height_px, ends_s):
        raise CheckpointError(f"{wrong[1]} (boxes are left, top, right, bottom in pixels, times seconds): {path}")


def find_recording_folder(folder: str | None) -> Path | None:
    """Find the folder that a user named, if any. Raises CheckpointError where there is none of that name."""
    if folder is not None and not Path(folder).is_dir():
        raise CheckpointError(f"there is no such folder of recorded detections: {folder}")
    return Path(folder) if folder is not None else None


def find_recording(clip: Clip, folder: Path | None = None) -> Path:
    """Find the file that `read_recorded` reads. Raises CheckpointError that names the places where it was looked
    for."""
    if folder is not None:
        places = [folder / f"{clip.name}{SUFFIX}"]
    else:
        places = [path.with_name(f"{path.stem}{SUFFIX}") for path in (clip.video_path, clip.path) if path is not None]
    for place in places:
        if place.is_file():
            return place
    if not places:
        raise CheckpointError(
            f"there are no recorded detections of {clip.name}: a clip that is no file has none beside it"
        )
    where = " or ".join(map(str, dict.fromkeys(places)))
    raise CheckpointError(f"there are no recorded detections of {clip.name}; expected {where}")


def _nearest(
    recorded_s: Float[np.ndarray, " row"], times_s: Float[np.ndarray, " time"]
) -> tuple[Int64[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
    """Rows of the recording, which is sorted by time, and for each the index of the time it belongs to."""
    times_recorded_s, first, counts = np.unique(recorded_s, return_index=True, return_counts=True)
    middles_s = (times_recorded_s[1:] + times_recorded_s[:-1]) / 2
    nearest = np.searchsorted(middles_s, times_s)
    step_s = max(np.diff(times_recorded_s).min() if len(times_recorded_s) > 1 else 0.0, SHORTEST_STEP_S)
    counts = np.where(np.abs(times_recorded_s[nearest] - times_s) <= step_s / 2, counts[nearest], 0)
    within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return np.repeat(first[nearest], counts) + within, np.repeat(np.arange(len(times_s)), counts)
