"""What every engine does."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from seldfuse.sdk import Clip, Detections, Frame


@runtime_checkable
class PoseEngine(Protocol):
    """A network that finds people in pictures. `engine_id` names the network, its weights and the device."""

    engine_id: str

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:
        """Detect the people in each of `frames`, which are in order of time; `seen` holds boxes of people."""
        ...
