"""`recorded`: no network; people come from a file of detections beside the clip, or in a folder."""

from collections.abc import Sequence
from pathlib import Path

from seldfuse.sdk import PERSON, Clip, Detections, Frame, read_recorded


class RecordedPoses:
    """Recorded people."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.engine_id = f"recorded detections {f'in {folder}' if folder else 'beside the clip'}"

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        """Read the recording. Raises CheckpointError for a clip without one."""
        return read_recorded(clip, frames, (PERSON,), self.folder)
