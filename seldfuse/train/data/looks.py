"""What encoders see and hear in windows of recordings on disk, kept from epoch to epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path

from seldfuse.cache import cache_folder
from seldfuse.features.embedding import Embedding
from seldfuse.features.encoders.encoder import PictureEncoder
from seldfuse.features.encoders.reference import Encoder
from seldfuse.features.encoders.sound_encoder import SoundEncoder
from seldfuse.features.hearing import Hearing
from seldfuse.features.kept import EMBEDDINGS, Kept
from seldfuse.features.sight import PIECE_FRAMES, Sight
from seldfuse.geometry import Camera
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio
from seldfuse.media.windows import WINDOW_FRAMES
from seldfuse.train.data.windows import Window


class Looks:
    """Each window is a piece of its recording; it is heard once, and seen once as it is and once flipped."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders
        self.kept = Kept(cache_folder() / EMBEDDINGS)

    def read(self, window: Window, note: Callable[[str], None]) -> dict[str, Embedding]:
        """By the encoders' names, as a batch of one; NaN where the recording has no picture."""
        return {encoder.name: self._embedding(window, encoder, note) for encoder in self.encoders}

    def _embedding(self, window: Window, encoder: Encoder, note: Callable[[str], None]) -> Embedding:
        if isinstance(encoder, SoundEncoder):
            hearing = Hearing(FileAudio(window.pair.sound), encoder, self.kept, note)
            return Embedding(hearing.window(window.start_frame, WINDOW_FRAMES).unsqueeze(0))
        return self._seen(window, encoder, note)

    def _seen(self, window: Window, encoder: PictureEncoder, note: Callable[[str], None]) -> Embedding:
        path: Path | None = window.pair.video
        video = None if path is None else FileFrames(path)
        sides = [Sight(video, Camera(), path, encoder, self.kept, note, flipped) for flipped in (False, True)]
        plain, flipped = (side.piece(window.start_frame // PIECE_FRAMES).unsqueeze(0) for side in sides)
        return Embedding(plain, flipped)
