"""A recording: its sound, its picture, its camera. Nothing is decoded before it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from seldfuse.core.geometry import Camera
from seldfuse.core.grid import SAMPLE_RATE_HZ


@runtime_checkable
class AudioSource(Protocol):
    """Sound at 24 kHz, decoded piece by piece, from the beginning each time it is asked.

    It is stereo, or mono where the user wants to know what sounds in a recording of one channel.
    """

    @property
    def duration_s(self) -> float | None:
        """Return the length as the container states it, for progress only; None where it does not."""
        ...

    def blocks(self, on_warning: Callable[[str], None]) -> Iterator[Float32[np.ndarray, "channel sample"]]:
        """Yield consecutive pieces of any length; damage is reported to `on_warning`. Raises MediaError."""
        ...


@dataclass(frozen=True)
class Frame:
    """One picture of a video: RGB `(height, width, 3)` and the time at which it is shown."""

    time_s: float
    rgb: UInt8[np.ndarray, "height width 3"]


@runtime_checkable
class FrameSource(Protocol):
    """Pictures of a video, decoded on demand."""

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        """Yield the picture shown at `start_s`, `start_s + 1 / rate_hz`, … up to `end_s` or the end. Raises
        MediaError."""
        ...


ARRAY_BLOCK_S = 10
"""Samples in memory are handed on in blocks of this length: what is computed of a block takes many times its memory."""


@dataclass(frozen=True)
class ArrayAudio:
    """Sound that is in memory already."""

    samples: Float32[np.ndarray, "channel sample"]

    @property
    def duration_s(self) -> float:
        return float(self.samples.shape[1] / SAMPLE_RATE_HZ)

    def blocks(self, on_warning: Callable[[str], None]) -> Iterator[Float32[np.ndarray, "channel sample"]]:  # noqa: ARG002
        block = ARRAY_BLOCK_S * SAMPLE_RATE_HZ
        for start in range(0, self.samples.shape[1], block):
            yield self.samples[:, start : start + block]


@dataclass(frozen=True)
class Clip:
    """One recording under one name (the stem of its outputs, with the folders above it).

    >>> import numpy as np
    >>> from seldfuse.core.clip import ArrayAudio, Clip
    >>> Clip("talk", ArrayAudio(np.zeros((2, 24_000), np.float32))).audio.duration_s
    1.0
    """

    name: str
    audio: AudioSource
    video: FrameSource | None = None
    camera: Camera = field(default_factory=Camera)
    path: Path | None = None

    @property
    def video_path(self) -> Path | None:
        """Return the file that the pictures come from; None where they come from none."""
        return getattr(self.video, "path", None)
