"""Detections as a detector gave them, checked: those that are invalid are left out, and a note counts them."""

from collections.abc import Sequence

import numpy as np

from seldfuse.core.clip import Frame
from seldfuse.core.detections import UNTRACKED, Detections
from seldfuse.vision.track import BOX


def drop_invalid(found: Detections, frames: Sequence[Frame]) -> tuple[Detections, int]:
    """Drop invalid detections, sort the others by time and cut boxes at the picture's edges; with the number dropped.

    Left out is what has no box or score that are numbers, what lies outside of the picture, and what belongs to none of
    the frames. Keypoints outside of the picture, or of no place, get the score 0; those without a score stay so.
    """
    times_s = np.array([frame.time_s for frame in frames])
    sizes_px = np.array([frame.rgb.shape[1::-1] for frame in frames], dtype=float)  # (frame, 2): width, height
    row_s = found.table["time_s"].to_numpy(dtype=float)
    frame = np.abs(np.nan_to_num(row_s, nan=np.inf)[:, None] - times_s).argmin(axis=1)
    size_px = sizes_px[frame]
    box = found.table[BOX].to_numpy(dtype=float).reshape(-1, 2, 2)
    cut = box.clip(0.0, size_px[:, None])
    good = np.isfinite(box).all(axis=(1, 2)) & np.isfinite(found.table["score"].to_numpy(dtype=float))
    good &= (cut[:, 1] > cut[:, 0]).all(axis=1) & (np.abs(row_s - times_s[frame]) < 1e-3)

    points = found.keypoints.copy()
    inside = ((points[..., :2] >= 0) & (points[..., :2] < size_px[:, None])).all(axis=2)
    points[..., 2] = np.where(inside, points[..., 2].clip(0.0, 1.0), np.where(np.isnan(points[..., 2]), np.nan, 0.0))
    points[~np.isfinite(points)] = np.nan

    columns = dict(zip(BOX, cut.reshape(-1, 4).T, strict=True))
    table = found.table.assign(**columns, time_s=times_s[frame], track=UNTRACKED)
    return Detections.concat([Detections(table, points).select(good)]), int((~good).sum())
