"""Boxes for networks that find the points of one person at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from seldfuse.sdk import PERSON, Detections, Frame
from seldfuse_keypoint.people import select_people

SAME_TIME_S = 1e-3

FLOOR = 0.3
"""Such a network always gives 17 points. Where it was shown a whole picture and they score less than this on average,
there is nobody, and points that score less are no evidence of where somebody is."""


@dataclass(frozen=True)
class PersonBoxes:
    """One box for each person whose points are to be found: the index of its frame, its sides in pixels, its score.

    `whole` marks frames without known people, where the box is the whole picture.
    """

    frame_indices: Int64[np.ndarray, " place"]
    boxes_px: Float[np.ndarray, "place 4"]
    scores: Float[np.ndarray, " place"]
    whole: Bool[np.ndarray, " place"]

    @classmethod
    def from_detections(cls, frames: Sequence[Frame], seen: Detections | None) -> "PersonBoxes":
        """Take the people of each of `frames`, which are in order of time; the whole picture where there are none."""
        boxes_px, scores, times_s = _visible_points(Detections.from_rows([]) if seen is None else seen)
        frames_s = np.array([frame.time_s for frame in frames])
        frame_indices = np.searchsorted((frames_s[1:] + frames_s[:-1]) / 2, times_s)
        same = np.abs(frames_s[frame_indices] - times_s) < SAME_TIME_S
        empty = np.setdiff1d(np.arange(len(frames)), frame_indices[same])
        sizes = np.array([frame.rgb.shape[1::-1] for frame in frames], dtype=float)[empty]
        frame_indices = np.concatenate([frame_indices[same], empty])
        boxes_px = np.concatenate([boxes_px[same], np.hstack([np.zeros_like(sizes), sizes])])
        scores = np.concatenate([scores[same], np.ones(len(empty))])
        whole = np.repeat([False, True], [same.sum(), len(empty)])
        order = np.argsort(frame_indices, kind="stable")
        return cls(frame_indices[order], boxes_px[order], scores[order], whole[order])

    def people(self, frames: Sequence[Frame], points: Float[np.ndarray, "place 17 3"]) -> Detections:
        """Make detections of the people that were found. A score is the place's times the mean of the points', as COCO
        has it."""
        sure = points[..., 2].clip(0, 1).mean(axis=1)
        boxes_px = np.where(self.whole[:, None], _hulls(points), self.boxes_px)
        there = ~(self.whole & (sure < FLOOR))
        return select_people(
            frames, self.frame_indices[there], boxes_px[there], (self.scores * sure)[there], points[there]
        )


def _visible_points(
    seen: Detections,
) -> tuple[Float[np.ndarray, "person 4"], Float[np.ndarray, " person"], Float[np.ndarray, " person"]]:
    """Boxes, scores and times of those people whose box is one."""
    boxes_px = seen.table[["left_px", "top_px", "right_px", "bottom_px"]].to_numpy()
    good = (seen.table["phrase"] == PERSON).to_numpy() & (boxes_px[:, 2:] > boxes_px[:, :2]).all(axis=1)
    return boxes_px[good], seen.table["score"].to_numpy()[good], seen.table["time_s"].to_numpy()[good]


def _hulls(points: Float[np.ndarray, "person 17 3"]) -> Float[np.ndarray, "person 4"]:
    """Boxes about the points that were found; NaN where there is none."""
    faint = points[..., 2:] < FLOOR
    first = np.where(faint, np.inf, points[..., :2]).min(axis=1)
    last = np.where(faint, -np.inf, points[..., :2]).max(axis=1)
    return np.hstack([first, last])
