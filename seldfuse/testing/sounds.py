"""Recordings that anyone can make: a sound from one direction, noise, silence, a video in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.grid import SAMPLE_RATE_HZ

HEIGHT_PX, WIDTH_PX = 180, 320
SIDE_PX = 40
"""The side of the bright square in `video_clip`."""


def panned_clip(azimuth_deg: float = 40.0, duration_s: float = 5.0, seed: int = 0) -> Clip:
    """Make a clip of bell-like tones from one azimuth, as a coincident pair of cardioids records them.

    The level difference is that of L − R = sin(azimuth) · (L + R); positive azimuths are on the left.
    """
    sine = np.sin(np.radians(azimuth_deg))
    gains = np.array([[1 + sine], [1 - sine]]) / 2
    return _make_clip(f"panned_{azimuth_deg:g}", gains * _synthesize_tones(duration_s, seed))


def noise_clip(duration_s: float = 5.0, level_db: float = -30.0, seed: int = 0) -> Clip:
    """Make a clip of noise that differs from left to right; `level_db` is its root mean square, 0 dB at 1."""
    noise = np.random.default_rng(seed).standard_normal((2, _count_samples(duration_s)))
    return _make_clip("noise", 10 ** (level_db / 20) * noise)


def silent_clip(duration_s: float = 5.0) -> Clip:
    """Make a clip of zeros."""
    return _make_clip("silence", np.zeros((2, _count_samples(duration_s))))


def video_clip(duration_s: float = 2.0) -> Clip:
    """Make a clip with a picture in memory: a bright square moves from left to right, and its sound with it.

    The picture is 320 by 180 pixels.
    """
    time_s = np.arange(_count_samples(duration_s)) / SAMPLE_RATE_HZ
    # Cameras see 100 degrees unless they say otherwise; the square's center goes from one edge to the other.
    share = (time_s / duration_s) * (1 - SIDE_PX / WIDTH_PX) + SIDE_PX / WIDTH_PX / 2
    sine = np.sin(np.arctan((1 - 2 * share) * np.tan(np.radians(50.0))))
    gains = np.stack([1 + sine, 1 - sine]) / 2
    clip = _make_clip("video", gains * _synthesize_tones(duration_s, seed=0))
    return Clip(clip.name, clip.audio, MovingSquare(duration_s))


@dataclass(frozen=True)
class MovingSquare:
    """Pictures of a bright square that crosses a dark picture once."""

    duration_s: float

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        """Draw the pictures shown at `start_s`, `start_s + 1 / rate_hz`, … up to `end_s` or the end."""
        end_s = self.duration_s if end_s is None else min(end_s, self.duration_s)
        for time_s in np.arange(start_s, end_s - 1e-9, 1 / rate_hz).tolist():
            rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 20, np.uint8)
            left, top = round(time_s / self.duration_s * (WIDTH_PX - SIDE_PX)), (HEIGHT_PX - SIDE_PX) // 2
            rgb[top : top + SIDE_PX, left : left + SIDE_PX] = 240
            yield Frame(time_s, rgb)


def stack_audio(*clips: Clip) -> Float[Tensor, "batch 2 sample"]:
    """Stack the sound of clips of one length, as features and encoders take it."""
    sounds = [np.concatenate(list(clip.audio.blocks(_ignore)), axis=1) for clip in clips]
    return torch.from_numpy(np.stack(sounds))


def resample(audio: Float[Tensor, "batch 2 sample"], sample_rate_hz: int) -> Float[Tensor, "batch other"]:
    """Resample the mean of both channels from 24 kHz, as encoders of sound take it."""
    mono = soxr.resample(audio.mean(dim=1).T.numpy(), SAMPLE_RATE_HZ, sample_rate_hz)
    return torch.from_numpy(np.ascontiguousarray(mono.T))


def _ignore(_: str) -> None:
    """What is made in memory is not damaged."""


def _count_samples(duration_s: float) -> int:
    return round(duration_s * SAMPLE_RATE_HZ)


def _make_clip(name: str, samples: np.ndarray) -> Clip:
    return Clip(name, ArrayAudio(samples.astype(np.float32)))


def _synthesize_tones(duration_s: float, seed: int) -> Float32[np.ndarray, " sample"]:
    """Synthesize decaying tones, two a second, each with partials of its own pitch."""
    time_s = np.arange(_count_samples(duration_s)) / SAMPLE_RATE_HZ
    pitch_hz = np.random.default_rng(seed).uniform(400, 1200, 1 + int(duration_s / 0.5))[(time_s / 0.5).astype(int)]
    partials = np.arange(1, 6)[:, None]
    since_s = time_s % 0.5
    tones = np.sin(2 * np.pi * pitch_hz * partials * since_s) * np.exp(-since_s * 4 * partials) / partials
    sound: np.ndarray = (0.2 * tones.sum(axis=0)).astype(np.float32)
    return sound
