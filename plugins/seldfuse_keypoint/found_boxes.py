"""Top-down engines, with one that finds people where no detector did before."""

from collections.abc import Sequence
from dataclasses import dataclass

from seldfuse.sdk import Clip, Detections, Frame
from seldfuse_keypoint.engine import PoseEngine


@dataclass
class InFoundBoxes:
    """Poses by one engine, in the boxes of people by another where no earlier detector gave any."""

    poses: PoseEngine
    people: PoseEngine

    def __post_init__(self) -> None:
        self.engine_id = f"{self.poses.engine_id} in boxes by {self.people.engine_id}"

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:
        if seen is None:
            seen = self.people.detect(clip, frames, None)
        return self.poses.detect(clip, frames, seen)
