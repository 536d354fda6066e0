"""What every encoder of sound can do."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class AudioTokens:
    """What an encoder heard: `whole` says it of each window, `frames` of every 100 ms of it."""

    window: Float[Tensor, "window value"]
    frames: Float[Tensor, "window frame channel"]

    def to_frames(self) -> Float[Tensor, "window frame 1 both"]:
        """What a network attends to: one token for each frame, which says first the frame, then its window."""
        whole = self.window.unsqueeze(1).expand(-1, self.frames.shape[1], -1)
        return torch.cat([self.frames, whole], dim=2).unsqueeze(2)


@runtime_checkable
class AudioEncoderModel(Protocol):
    """Turns sound into tokens, frozen.

    `name` and `version` say which encoder with which weights it is: what it gave once is looked up by them. Sound is
    mono at `sample_rate_hz`. A window gives `whole_channels` values, and `channels` for each of its 100 ms frames.
    """

    name: str
    version: str
    sample_rate_hz: int
    whole_channels: int
    channels: int

    def encode(self, audio: Float[Tensor, "window sample"]) -> AudioTokens:
        """Tokens of some windows of one length, on the encoder's device."""
        ...
