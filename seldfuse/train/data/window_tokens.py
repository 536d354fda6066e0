"""What encoders see and hear in windows of recordings on disk, kept from epoch to epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path

from seldfuse.core.geometry import Camera
from seldfuse.core.grid import WINDOW_FRAMES
from seldfuse.encoders.audio_models import AudioEncoderModel
from seldfuse.encoders.audio_reader import AudioTokenReader
from seldfuse.encoders.load import EncoderModel
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.encoders.token_cache import EMBEDDINGS, TokenCache
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.encoders.video_reader import PIECE_FRAMES, VideoTokenReader
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio
from seldfuse.storage.cache import cache_folder
from seldfuse.train.data.file_windows import FileWindow


class WindowTokens:
    """Each window is a piece of its recording; it is heard once, and seen once as it is and once flipped."""

    def __init__(self, encoders: Sequence[EncoderModel]) -> None:
        self.encoders = encoders
        self.kept = TokenCache(cache_folder() / EMBEDDINGS)

    def read(self, window: FileWindow, note: Callable[[str], None]) -> dict[str, EncoderTokens]:
        """By the encoders' names, as a batch of one; NaN where the recording has no picture."""
        return {encoder.name: self._embedding(window, encoder, note) for encoder in self.encoders}

    def _embedding(self, window: FileWindow, encoder: EncoderModel, note: Callable[[str], None]) -> EncoderTokens:
        if isinstance(encoder, AudioEncoderModel):
            hearing = AudioTokenReader(FileAudio(window.pair.sound), encoder, self.kept, note)
            return EncoderTokens(hearing.read_window(window.start_frame, WINDOW_FRAMES).unsqueeze(0))
        return self._encode_pictures(window, encoder, note)

    def _encode_pictures(
        self, window: FileWindow, encoder: ImageEncoderModel, note: Callable[[str], None]
    ) -> EncoderTokens:
        path: Path | None = window.pair.video
        video = None if path is None else FileFrames(path)
        sides = [
            VideoTokenReader(video, Camera(), path, encoder, self.kept, note, flipped) for flipped in (False, True)
        ]
        plain, flipped = (side.read_piece(window.start_frame // PIECE_FRAMES).unsqueeze(0) for side in sides)
        return EncoderTokens(plain, flipped)
