"""Tokens of windows of recordings on disk, stored from epoch to epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path

from seldfuse.core.geometry import Camera
from seldfuse.core.grid import WINDOW_FRAMES
from seldfuse.encoders.audio_reader import AudioTokenReader
from seldfuse.encoders.load import LoadedEncoder
from seldfuse.encoders.models import AudioEncoderModel, ImageEncoderModel
from seldfuse.encoders.token_cache import EMBEDDINGS, TokenCache
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.encoders.video_reader import PIECE_FRAMES, VideoTokenReader
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio
from seldfuse.storage.cache import cache_folder
from seldfuse.train.data.file_windows import FileWindow


class WindowTokens:
    """Tokens of windows, each a piece of its recording; pictures are encoded once as they are and once flipped.

    Of `encoders` those of log-mel spectrograms are left out: their tokens follow from the batch.
    """

    def __init__(self, encoders: Sequence[LoadedEncoder]) -> None:
        self.encoders = [encoder for encoder in encoders if encoder.value.input != "logmel"]
        self.cache = TokenCache(cache_folder() / EMBEDDINGS)

    def read(self, window: FileWindow, note: Callable[[str], None]) -> dict[str, EncoderTokens]:
        """Read a window's tokens by the encoders' names, as a batch of one; NaN where the recording has no picture."""
        return {encoder.name: self._encode(window, encoder, note) for encoder in self.encoders}

    def _encode(self, window: FileWindow, encoder: LoadedEncoder, note: Callable[[str], None]) -> EncoderTokens:
        if encoder.value.input == "audio":
            assert isinstance(encoder.model, AudioEncoderModel)
            reader = AudioTokenReader(FileAudio(window.pair.sound), encoder.model, self.cache, note)
            tokens = reader.read_window(window.start_frame, WINDOW_FRAMES).unsqueeze(0)
            return EncoderTokens(tokens, input="audio")
        assert isinstance(encoder.model, ImageEncoderModel)
        return self._encode_pictures(window, encoder.model, encoder.value.has_mirror, note)

    def _encode_pictures(
        self, window: FileWindow, encoder: ImageEncoderModel, has_mirror: bool, note: Callable[[str], None]
    ) -> EncoderTokens:
        path: Path | None = window.pair.video
        video = None if path is None else FileFrames(path)
        sides = [
            VideoTokenReader(video, Camera(), path, encoder, self.cache, note, flipped)
            .read_piece(window.start_frame // PIECE_FRAMES)
            .unsqueeze(0)
            for flipped in ((False, True) if has_mirror else (False,))
        ]
        return EncoderTokens(sides[0], sides[1] if has_mirror else None)
