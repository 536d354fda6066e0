"""People as every engine gives them: in the pixels of their picture, nobody outside of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from seldfuse.sdk import DETECTION_COLUMNS, PERSON, UNTRACKED, Detections, Frame


def select_people(
    frames: Sequence[Frame],
    frame_indices: Int64[np.ndarray, " person"],
    boxes_px: Float[np.ndarray, "person 4"],
    scores: Float[np.ndarray, " person"],
    points: Float[np.ndarray, "person 17 3"],
) -> Detections:
    """Select people in the order of `frame_indices`, the indices of their frames, which rise.

    Boxes (left, top, right, bottom) are cut at the picture's edges, and people with nothing left are dropped. Points
    outside of the picture get the score 0, and no score passes 1. What is NaN stays: the engine names it.
    """
    sizes = np.array([frame.rgb.shape[1::-1] for frame in frames])[frame_indices]  # (person, 2): width, height
    boxes = boxes_px.reshape(-1, 2, 2).clip(0, sizes[:, None])
    outside = ((points[..., :2] < 0) | (points[..., :2] >= sizes[:, None])).any(axis=2)
    points = np.dstack([points[..., :2], np.where(outside, 0.0, points[..., 2].clip(0, 1))])
    times_s = np.array([frame.time_s for frame in frames])[frame_indices]
    columns = (times_s, PERSON, scores.clip(0, 1), *boxes.reshape(-1, 4).T, UNTRACKED)
    table = pd.DataFrame(dict(zip(DETECTION_COLUMNS, columns, strict=True))).astype(DETECTION_COLUMNS)
    gone = np.any(boxes[:, 1] <= boxes[:, 0], axis=1)
    return Detections(table, points).select(np.logical_not(gone))
