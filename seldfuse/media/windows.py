"""A stream of sound as overlapping windows of five seconds, in memory that does not grow with its length."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from seldfuse.core.grid import SAMPLES_PER_FRAME, WINDOW_FRAMES, WINDOW_SAMPLES

OVERLAP_FRAMES = 10
"""Frames that a window shares with the one before it: one second."""

HOP_FRAMES = WINDOW_FRAMES - OVERLAP_FRAMES


@dataclass(frozen=True)
class Window:
    """Five seconds of a clip.

    `start_frame` is the frame (100 ms) of the clip at which it begins. `end_frame` is the frame behind the last one of
    the clip that there is sound for so far; with the last window it is the clip's length in frames, at least 1.
    """

    samples: Float32[np.ndarray, "2 sample"]
    start_frame: int
    end_frame: int


def cut_windows(blocks: Iterable[Float32[np.ndarray, "2 sample"]]) -> Iterator[Window]:
    """Cut consecutive blocks into windows on the 100 ms grid, in the order of time.

    A window begins four seconds after the one before it. The last one is moved back so that it ends with the sound
    and overlaps more; only a clip shorter than a window, and the last frame, are filled up with zeros.
    """
    # `held` begins at frame `first`, where the newest window began, for the last window may reach back that far.
    held, first, following = np.zeros((2, 0), np.float32), 0, 0
    for block in blocks:
        for offset in range(0, block.shape[1], WINDOW_SAMPLES):
            held = np.concatenate([held, block[:, offset : offset + WINDOW_SAMPLES]], axis=1)
            while held.shape[1] >= (following - first) * SAMPLES_PER_FRAME + WINDOW_SAMPLES:
                held = held[:, (following - first) * SAMPLES_PER_FRAME :]
                first, following = following, following + HOP_FRAMES
                yield Window(held[:, :WINDOW_SAMPLES], first, first + WINDOW_FRAMES)

    end = first + max(1, -(-held.shape[1] // SAMPLES_PER_FRAME))
    if following == 0 or end > first + WINDOW_FRAMES:
        start = max(0, end - WINDOW_FRAMES)
        tail = held[:, (start - first) * SAMPLES_PER_FRAME :]
        yield Window(np.pad(tail, ((0, 0), (0, WINDOW_SAMPLES - tail.shape[1]))), start, end)
