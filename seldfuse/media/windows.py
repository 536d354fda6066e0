"""A stream of sound as overlapping windows of five seconds, in memory that does not grow with its length."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLES_PER_FRAME, WINDOW_FRAMES, WINDOW_SAMPLES

OVERLAP_FRAMES = 10
"""Frames that a window shares with the one before it: one second."""

HOP_FRAMES = WINDOW_FRAMES - OVERLAP_FRAMES


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one clip, in the order of time.

    `start_frame` says at which frame (100 ms) each window begins. `end_frame` is the frame behind the last one that
    the batch has sound for; on the last batch of a clip it is the clip's length in frames, at least 1.
    """

    samples: Float32[np.ndarray, "batch 2 sample"]
    start_frame: tuple[int, ...]
    end_frame: int


def cut_windows(blocks: Iterable[Float32[np.ndarray, "2 sample"]], batch_size: int = 16) -> Iterator[WindowBatch]:
    """Cuts consecutive blocks into windows on the 100 ms grid.

    A window begins four seconds after the one before it. The last one is moved back so that it ends with the sound
    and overlaps more; only a clip shorter than a window, and the last frame, are filled up with zeros.
    """
    cut = _cut(blocks)
    while batch := list(islice(cut, batch_size)):
        starts = tuple(start for start, _, _ in batch)
        yield WindowBatch(np.stack([window for _, window, _ in batch]), starts, batch[-1][2])


def _cut(
    blocks: Iterable[Float32[np.ndarray, "2 sample"]],
) -> Iterator[tuple[int, Float32[np.ndarray, "2 sample"], int]]:
    """Start frame, samples and end frame of each window."""
    # `held` begins at frame `first`, where the newest window began, for the last window may reach back that far.
    held, first, following = np.zeros((2, 0), np.float32), 0, 0
    for block in blocks:
        for offset in range(0, block.shape[1], WINDOW_SAMPLES):
            held = np.concatenate([held, block[:, offset : offset + WINDOW_SAMPLES]], axis=1)
            while held.shape[1] >= (following - first) * SAMPLES_PER_FRAME + WINDOW_SAMPLES:
                held = held[:, (following - first) * SAMPLES_PER_FRAME :]
                first, following = following, following + HOP_FRAMES
                yield first, held[:, :WINDOW_SAMPLES], first + WINDOW_FRAMES

    end = first + max(1, -(-held.shape[1] // SAMPLES_PER_FRAME))
    if following == 0 or end > first + WINDOW_FRAMES:
        start = max(0, end - WINDOW_FRAMES)
        tail = held[:, (start - first) * SAMPLES_PER_FRAME :]
        yield start, np.pad(tail, ((0, 0), (0, WINDOW_SAMPLES - tail.shape[1]))), end
