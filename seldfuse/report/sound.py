"""What is drawn of a recording without a picture: the loudness of both channels over time, and a spectrogram."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from seldfuse.core.clip import AudioSource
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.media.sound import ignore_warning

WINDOW = 1024
HOP = 480
"""20 ms, which divides the pieces of a second into whole steps."""

BANDS = 64
LOWEST_HZ = 60.0
RANGE_DB = 80.0
COLUMNS = 1500
"""At most so many columns are drawn: more than a screen has for them."""


@dataclass(frozen=True)
class SoundPicture:
    """Peaks of the left and the right channel, and the level of frequency bands in decibels below the loudest.

    `column_s` is the length of a column.
    """

    column_s: float
    peaks: Float32[np.ndarray, "channel column"]
    bands_hz: Float64[np.ndarray, "band"]
    level_db: Float64[np.ndarray, "band column"]


def draw_sound(audio: AudioSource) -> SoundPicture:
    """Decode the sound of a recording, and reduce it to what a screen can show. Raises MediaError."""
    pieces = [_measure(block) for block in _cut(audio)]
    peaks = np.concatenate([piece[0] for piece in pieces], axis=1) if pieces else np.zeros((2, 1), np.float32)
    power = np.concatenate([piece[1] for piece in pieces]) if pieces else np.zeros((1, BANDS))
    factor = max(1, -(-len(power) // COLUMNS))
    peaks = np.maximum.reduceat(peaks, np.arange(0, peaks.shape[1], factor), axis=1)
    power = np.maximum.reduceat(power, np.arange(0, len(power), factor), axis=0)
    level_db = 10 * np.log10(np.maximum(power, power.max(initial=1e-12) * 10 ** (-RANGE_DB / 10)))
    level_db -= level_db.max(initial=-np.inf)
    return SoundPicture(factor * HOP / SAMPLE_RATE_HZ, peaks, _band_edges_hz()[:-1], level_db.T)


def _cut(audio: AudioSource) -> Iterator[Float32[np.ndarray, "channel sample"]]:
    """Pieces of whole hops; the last one is filled up with silence."""
    rest = np.zeros((0, 0), np.float32)
    for block in audio.blocks(ignore_warning):
        joined = block if not rest.size else np.concatenate([rest, block], axis=1)
        whole = joined.shape[1] // (50 * HOP) * (50 * HOP)
        rest = joined[:, whole:]
        if whole:
            yield joined[:, :whole]
    if rest.size:
        yield np.pad(rest, ((0, 0), (0, -rest.shape[1] % HOP)))


def _measure(
    block: Float32[np.ndarray, "channel sample"],
) -> tuple[Float32[np.ndarray, "channel hop"], Float64[np.ndarray, "hop band"]]:
    """The peak of each channel and the power of each band in every hop."""
    peaks = np.abs(block.reshape(len(block), -1, HOP)).max(axis=2)
    middle = np.pad(block.mean(axis=0), (0, WINDOW - HOP))
    windows = np.lib.stride_tricks.sliding_window_view(middle, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2
    edges = np.clip(np.rint(_band_edges_hz() / SAMPLE_RATE_HZ * WINDOW).astype(int), 1, WINDOW // 2)
    # The lowest bands are narrower than a bin, and share it.
    return peaks, np.add.reduceat(power, edges[:-1], axis=1) / np.maximum(np.diff(edges), 1)


def _band_edges_hz() -> Float64[np.ndarray, "edge"]:
    return np.geomspace(LOWEST_HZ, SAMPLE_RATE_HZ / 2, BANDS + 1)
