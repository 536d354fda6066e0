"""What every encoder can do, by what it takes: pictures, sound, or log-mel spectrograms."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

FIELD_OF_VIEW_DEG = 100.0
"""Width of the world in an encoder's picture: that of the challenge's pictures. Others are brought to it."""


@runtime_checkable
class ImageEncoderModel(Protocol):
    """A frozen network that turns pictures into tokens.

    `name` is that of its catalogue value, `version` says with which weights: tokens are stored under both. Pictures are
    `height_px` by `width_px`, span `FIELD_OF_VIEW_DEG`, and are taken `rate_hz` times a second, which divides 10. Each
    gives `tokens` vectors of `channels` values; tokens are columns of the picture, from left to right.
    """

    name: str
    version: str
    height_px: int
    width_px: int
    rate_hz: int
    tokens: int
    channels: int

    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture token channel"]:
        """Encode some pictures, RGB, on the encoder's device."""
        ...


@dataclass(frozen=True)
class AudioTokens:
    """Tokens of windows of sound: `window` describes each whole window, `frames` every 100 ms of it."""

    window: Float[Tensor, "window value"]
    frames: Float[Tensor, "window frame channel"]

    def to_frames(self) -> Float[Tensor, "window frame 1 both"]:
        """Join both to what a network attends to: one token for each frame, first the frame's values, then the
        window's."""
        whole = self.window.unsqueeze(1).expand(-1, self.frames.shape[1], -1)
        return torch.cat([self.frames, whole], dim=2).unsqueeze(2)


@runtime_checkable
class AudioEncoderModel(Protocol):
    """A frozen network that turns sound into tokens.

    `name` and `version` are those of an `ImageEncoderModel`. Sound is mono at `sample_rate_hz`. A window gives
    `whole_channels` values, and `channels` for each of its 100 ms frames.
    """

    name: str
    version: str
    sample_rate_hz: int
    whole_channels: int
    channels: int

    def encode(self, audio: Float[Tensor, "window sample"]) -> AudioTokens:
        """Encode some windows of one length, on the encoder's device."""
        ...


@runtime_checkable
class LogmelEncoderModel(Protocol):
    """A frozen network that turns log-mel spectrograms into tokens, and so follows what augmentation does to them.

    `name` and `version` are those of an `ImageEncoderModel`. Each 100 ms frame gives `tokens` vectors of `channels`
    values.
    """

    name: str
    version: str
    tokens: int
    channels: int

    def encode(self, logmel: Float[Tensor, "batch 2 time mel"]) -> Float[Tensor, "batch frame token channel"]:
        """Encode log-mel spectrograms of left and right, five time steps for each frame, on the encoder's device."""
        ...


EncoderModel = ImageEncoderModel | AudioEncoderModel | LogmelEncoderModel
