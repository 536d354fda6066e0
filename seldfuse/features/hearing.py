"""What an encoder of sound hears in a clip, window by window."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import soxr
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from seldfuse.clip import SAMPLE_RATE_HZ, AudioSource, Clip
from seldfuse.errors import MediaError
from seldfuse.features.embedding import Embedding
from seldfuse.features.encoders.sound_encoder import FRAMES_PER_S, SoundEncoder
from seldfuse.features.kept import Kept, content, fetched
from seldfuse.media.sound import FileAudio, ignore


class Hearing:
    """Tokens of one clip's sound on the grid of 100 ms frames.

    An encoder hears the very windows that networks hear, the mean of both channels: in training they are the same, and
    no window has a seam. Files are heard at the encoder's own rate, for they may hold more than 12 kHz; what is in
    memory at 24 kHz is brought to it. `kept` is asked before anything is decoded. `note` hears of sound that cannot be
    decoded, whose tokens are NaN.
    """

    def __init__(
        self, audio: AudioSource, encoder: SoundEncoder, kept: Kept | None, note: Callable[[str], None]
    ) -> None:
        self.audio = replace(audio, rate_hz=encoder.sample_rate_hz) if isinstance(audio, FileAudio) else audio
        self.encoder, self.kept, self.note = encoder, kept, note
        self.sound = _Mono(self.audio)

    @classmethod
    def of(cls, clip: Clip, encoder: SoundEncoder, kept: Kept | None, note: Callable[[str], None]) -> "Hearing":
        return cls(clip.audio, encoder, kept, note)

    def window(self, start_frame: int, frames: int) -> Float[Tensor, "frame 1 channel"]:
        """What is heard in some frames, silence behind the end; windows are best asked for in the order of time."""
        encoder = self.encoder
        try:
            return fetched(self.kept, self._key(start_frame, frames), lambda: self._heard(start_frame, frames))
        except MediaError as error:
            # Decoding that broke off would go on as if the sound had ended.
            self.sound = _Mono(self.audio)
            self.note(f"no sound at {encoder.sample_rate_hz} Hz: it was done without tokens of {encoder.name}; {error}")
            return torch.full((frames, 1, encoder.channels + encoder.whole_channels), torch.nan)

    def _heard(self, start_frame: int, frames: int) -> Float[Tensor, "frame 1 channel"]:
        hop = self.sound.rate_hz // FRAMES_PER_S
        if start_frame * hop < self.sound.first:
            self.sound = _Mono(self.audio)
        samples = self.sound.read(start_frame * hop, frames * hop)
        return _tokens(samples[None], self.sound.rate_hz, self.encoder)[0]

    def _key(self, start_frame: int, frames: int) -> str | None:
        """What the tokens depend on; None where that is not known."""
        audio, encoder = self.audio, self.encoder
        if not isinstance(audio, FileAudio) or (sound := content(audio.path)) is None:
            return None
        rate_hz, pair = encoder.sample_rate_hz, audio.channels.pair
        return f"{sound} {encoder.name} {encoder.version} {rate_hz} {pair} {start_frame} {frames}"


class _Mono:
    """The mean of a sound's channels, read in the order of time; `held` begins at the sample `first`."""

    def __init__(self, audio: AudioSource) -> None:
        self.rate_hz = audio.rate_hz if isinstance(audio, FileAudio) else SAMPLE_RATE_HZ
        self.blocks = audio.blocks(ignore)
        self.first, self.held = 0, np.zeros(0, np.float32)

    def read(self, start: int, count: int) -> Float32[np.ndarray, " count"]:
        """Zeros behind the end. Raises MediaError."""
        while self.first + len(self.held) < start + count and (block := next(self.blocks, None)) is not None:
            self.held = np.concatenate([self.held, block.mean(axis=0)])
            passed = max(0, start - self.first)
            self.first, self.held = self.first + min(passed, len(self.held)), self.held[passed:]
        found = self.held[start - self.first :][:count]
        return np.pad(found, (0, count - len(found)))


def heard(audio: Float[Tensor, "scene 2 sample"], encoder: SoundEncoder) -> Embedding:
    """Tokens of scenes at 24 kHz that are no files: their sound ends at 12 kHz."""
    return Embedding(_tokens(audio.mean(dim=1).cpu().numpy(), SAMPLE_RATE_HZ, encoder))


def _tokens(
    sound: Float32[np.ndarray, "window sample"], rate_hz: int, encoder: SoundEncoder
) -> Float[Tensor, "window frame 1 channel"]:
    wanted_hz = encoder.sample_rate_hz
    if rate_hz != wanted_hz:
        sound = np.stack([soxr.resample(window, rate_hz, wanted_hz) for window in sound])
    return encoder.encode(torch.from_numpy(sound)).tokens().cpu()
