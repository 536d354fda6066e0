"""Tokens of a clip's sound, window by window."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import soxr
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.core.clip import AudioSource, Clip
from seldfuse.core.grid import FRAMES_PER_S, SAMPLE_RATE_HZ
from seldfuse.encoders.models import AudioEncoderModel
from seldfuse.encoders.token_cache import TokenCache, get_or_compute
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import MediaError
from seldfuse.media.sound import FileAudio, ignore_warning
from seldfuse.storage.digest import hash_input


class AudioTokenReader:
    """Tokens of one clip's sound on the grid of 100 ms frames.

    An encoder gets the very windows that networks get, the mean of both channels: in training they are the same, and
    no window has a seam. Files are decoded at the encoder's own rate, for they may hold more than 12 kHz; what is in
    memory at 24 kHz is resampled to it. `cache` is asked before anything is decoded. `note` is told of sound that
    cannot be decoded, whose tokens are NaN.
    """

    def __init__(
        self, audio: AudioSource, encoder: AudioEncoderModel, cache: TokenCache | None, note: Callable[[str], None]
    ) -> None:
        self.audio = replace(audio, rate_hz=encoder.sample_rate_hz) if isinstance(audio, FileAudio) else audio
        self.encoder, self.cache, self.note = encoder, cache, note
        self.sound = _Mono(self.audio)

    @classmethod
    def from_clip(
        cls, clip: Clip, encoder: AudioEncoderModel, cache: TokenCache | None, note: Callable[[str], None]
    ) -> "AudioTokenReader":
        """Read the sound of a clip."""
        return cls(clip.audio, encoder, cache, note)

    def read_window(self, start_frame: int, frames: int) -> Float[Tensor, "frame 1 channel"]:
        """Read the tokens of some frames, silence behind the end; windows are best read in the order of time."""
        encoder = self.encoder
        try:
            return get_or_compute(
                self.cache,
                self._key(start_frame, frames),
                (frames, 1, encoder.channels + encoder.whole_channels),
                lambda: self._encode(start_frame, frames),
            )
        except MediaError as error:
            # Decoding that broke off would go on as if the sound had ended.
            self.sound = _Mono(self.audio)
            self.note(f"no sound at {encoder.sample_rate_hz} Hz: it was done without tokens of {encoder.name}; {error}")
            return torch.full((frames, 1, encoder.channels + encoder.whole_channels), torch.nan)

    def _encode(self, start_frame: int, frames: int) -> Float[Tensor, "frame 1 channel"]:
        hop = self.sound.rate_hz // FRAMES_PER_S
        if start_frame * hop < self.sound.first:
            self.sound = _Mono(self.audio)
        samples = self.sound.read(start_frame * hop, frames * hop)
        return _tokens(samples[None], self.sound.rate_hz, self.encoder)[0]

    def _key(self, start_frame: int, frames: int) -> str | None:
        """What the tokens depend on; None where that is not known."""
        audio, encoder = self.audio, self.encoder
        if not isinstance(audio, FileAudio) or (sound := hash_input(audio.path)) is None:
            return None
        rate_hz, pair = encoder.sample_rate_hz, str(audio.channels.pair)
        if audio.channels.stream is not None:
            pair += f" of stream {audio.channels.stream}"
        return f"{sound} {encoder.name} {encoder.version} {rate_hz} {pair} {start_frame} {frames}"


class _Mono:
    """The mean of a sound's channels, read in the order of time; `held` begins at the sample `first`."""

    def __init__(self, audio: AudioSource) -> None:
        self.rate_hz = audio.rate_hz if isinstance(audio, FileAudio) else SAMPLE_RATE_HZ
        self.blocks = audio.blocks(ignore_warning)
        self.first, self.held = 0, np.zeros(0, np.float32)

    def read(self, start: int, count: int) -> Float32[np.ndarray, " count"]:
        """Read samples, zeros behind the end. Raises MediaError."""
        while self.first + len(self.held) < start + count and (block := next(self.blocks, None)) is not None:
            self.held = np.concatenate([self.held, block.mean(axis=0)])
            passed = max(0, start - self.first)
            self.first, self.held = self.first + min(passed, len(self.held)), self.held[passed:]
        found = self.held[start - self.first :][:count]
        return np.pad(found, (0, count - len(found)))


def encode_audio(audio: Float[Tensor, "scene 2 sample"], encoder: AudioEncoderModel) -> EncoderTokens:
    """Encode scenes at 24 kHz that are no files: their sound ends at 12 kHz."""
    return EncoderTokens(_tokens(audio.mean(dim=1).cpu().numpy(), SAMPLE_RATE_HZ, encoder), input="audio")


def _tokens(
    sound: Float32[np.ndarray, "window sample"], rate_hz: int, encoder: AudioEncoderModel
) -> Float[Tensor, "window frame 1 channel"]:
    wanted_hz = encoder.sample_rate_hz
    if rate_hz != wanted_hz:
        sound = np.stack([soxr.resample(window, rate_hz, wanted_hz) for window in sound])
    with guard_plugin(f"the encoder {encoder.name} failed", "leave out the backend that asks for it"):
        return encoder.encode(torch.from_numpy(sound)).to_frames().cpu()
