"""How often both of two sources of one class are found, which takes more than one track per class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from seldfuse.geometry import fold_front
from seldfuse.metrics.counts import AZIMUTH_LIMIT_DEG
from seldfuse.metrics.rows import Rows, Scene, stack

APART_DEG = 2 * AZIMUTH_LIMIT_DEG
"""Nearer to each other, one prediction could be near enough to both."""


def both_found(truth: Sequence[Scene], found: Sequence[Scene]) -> tuple[int, int]:
    """In how many frames both of two sources of one class, more than 40° apart, were found within 20°; and of how many.

    Frames in which the class has a third source are left out.
    """
    reference, prediction = stack(truth), stack(found)
    cells, number = np.unique(_cell(reference), return_counts=True)
    order = np.argsort(_cell(reference), kind="stable")
    starts = np.searchsorted(_cell(reference)[order], cells[number == 2])
    azimuth_deg = fold_front(reference.azimuth_deg[order][starts[:, None] + np.arange(2)])  # (cell, 2)
    apart = np.abs(azimuth_deg[:, 0] - azimuth_deg[:, 1]) > APART_DEG
    near = _near(prediction, cells[number == 2][apart], azimuth_deg[apart])
    return int(near.all(axis=1).sum()), int(apart.sum())


def _near(prediction: Rows, cells: Int64[np.ndarray, "cell"], azimuth_deg: np.ndarray) -> np.ndarray:
    """Which of the two sources of each cell is within the limit of a prediction."""
    order = np.argsort(_cell(prediction), kind="stable")
    known, guess_deg = _cell(prediction)[order], fold_front(prediction.azimuth_deg[order])
    first, last = (np.searchsorted(known, cells, side=side) for side in ("left", "right"))
    near = np.zeros(azimuth_deg.shape, dtype=bool)
    for track in range(max(last - first, default=0)):
        here = first + track < last
        error_deg = np.abs(guess_deg[np.minimum(first + track, len(known) - 1), None] - azimuth_deg)
        near |= here[:, None] & (error_deg <= AZIMUTH_LIMIT_DEG)
    return near


def _cell(rows: Rows) -> Int64[np.ndarray, "row"]:
    """A number for each frame and class of a clip."""
    cell: Int64[np.ndarray, "row"] = (rows.clip * 1_000_000 + rows.frame) * 100 + rows.cls
    return cell
