"""What encoders see in windows of recordings on disk, kept from epoch to epoch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from seldfuse.cache import cache_folder
from seldfuse.features.embedding import Embedding
from seldfuse.features.encoders.encoder import PictureEncoder
from seldfuse.features.kept import EMBEDDINGS, Kept
from seldfuse.features.sight import PIECE_FRAMES, Sight
from seldfuse.geometry import Camera
from seldfuse.media.picture import FileFrames
from seldfuse.train.data.windows import Window


class Looks:
    """Each window is a piece of its recording's video; each is encoded once, as it is and flipped."""

    def __init__(self, encoders: Mapping[str, PictureEncoder]) -> None:
        self.encoders = encoders
        self.kept = Kept(cache_folder() / EMBEDDINGS)

    def read(self, window: Window, note: Callable[[str], None]) -> dict[str, Embedding]:
        """By the encoders' names, as a batch of one; NaN where the recording has no picture."""
        return {name: self._embedding(window, encoder, note) for name, encoder in self.encoders.items()}

    def _embedding(self, window: Window, encoder: PictureEncoder, note: Callable[[str], None]) -> Embedding:
        path: Path | None = window.pair.video
        video = None if path is None else FileFrames(path)
        sides = [Sight(video, Camera(), path, encoder, self.kept, note, flipped) for flipped in (False, True)]
        plain, flipped = (side.piece(window.start_frame // PIECE_FRAMES).unsqueeze(0) for side in sides)
        return Embedding(plain, flipped)
