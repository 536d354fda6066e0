"""`recorded`: no network; things come from a file of detections beside the clip, or in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seldfuse.sdk import KEYPOINTS, Clip, Detections, Frame, read_recorded
from seldfuse_gdino.vocabulary import Vocabulary


class RecordedBoxes:
    """Recorded things, whatever they were called."""

    def __init__(self, vocabulary: Vocabulary, folder: Path | None) -> None:
        self.folder, self.vocabulary = folder, vocabulary
        self.engine_id = f"recorded detections {f'in {folder}' if folder else 'beside the clip'}"

    def detect(self, clip: Clip, frames: Sequence[Frame]) -> Detections:
        """Read the recording, without keypoints, which have no use here. Raises CheckpointError for a clip without a
        recording."""
        found = read_recorded(clip, frames, folder=self.folder)
        meant = {words: self.vocabulary.match(words) for words in found.table["phrase"].unique()}
        found = found.select(found.table["phrase"].map(meant).notna().to_numpy())
        phrases = found.table["phrase"].map(meant)
        return Detections(found.table.assign(phrase=phrases), np.full((len(found), len(KEYPOINTS), 3), np.nan))
