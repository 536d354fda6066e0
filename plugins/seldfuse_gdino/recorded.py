"""`recorded`: nothing looks; things come from a file of detections beside the clip, or in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seldfuse.clip import Clip, Frame
from seldfuse.detections import POINTS, Detections
from seldfuse.errors import CheckpointError
from seldfuse.vision.recorded import recorded
from seldfuse_gdino.vocabulary import Vocabulary


class Recorded:
    """Recorded things, whatever they were called. `otherwise` is why nothing better is there."""

    def __init__(self, vocabulary: Vocabulary, folder: Path | None, otherwise: str = "") -> None:
        self.folder, self.vocabulary, self.otherwise = folder, vocabulary, otherwise
        self.looks_with = f"recorded detections {f'in {folder}' if folder else 'beside the clip'}"

    def look(self, clip: Clip, frames: Sequence[Frame]) -> Detections:
        """Without keypoints, which are not looked for here. Raises CheckpointError for a clip without a recording."""
        try:
            seen = recorded(clip, frames, folder=self.folder)
        except CheckpointError as error:
            raise CheckpointError("; ".join(filter(None, (str(error), self.otherwise)))) from error
        meant = {said: self.vocabulary.match(said) for said in seen.table["phrase"].unique()}
        seen = seen.only(seen.table["phrase"].map(meant).notna().to_numpy())
        phrases = seen.table["phrase"].map(meant)
        return Detections(seen.table.assign(phrase=phrases), np.full((len(seen), len(POINTS), 3), np.nan))
