"""What every engine does."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from seldfuse.clip import Clip, Frame
from seldfuse.detections import Detections


@runtime_checkable
class Engine(Protocol):
    """Finds people in pictures. `looks_with` names the network, its weights and the device."""

    looks_with: str

    def look(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:
        """The people in each of `frames`, which are in order of time; what is `seen` says where people are."""
        ...
