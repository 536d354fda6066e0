"""How far a stated probability can be believed: of what is said to sound with 80 %, do 80 % sound?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

BINS = 10


@dataclass(frozen=True)
class ReliabilityBins:
    """Frames and classes by their probability, in bins from 0 to 1: how many, the mean probability, and the share that
    truly sounds; NaN where a bin has none.

    Known are those alone that a system calls active, so that bins below its threshold are empty.
    """

    cells: Int64[np.ndarray, "bin"]
    probability: Float64[np.ndarray, "bin"]
    frequency: Float64[np.ndarray, "bin"]

    @property
    def calibration_error(self) -> float:
        """Compute the expected calibration error: the mean distance of frequency and probability, by cells (Guo et al.,
        On calibration of modern neural networks, ICML 2017); NaN without any."""
        if not self.cells.any():
            return float("nan")
        return float(np.nansum(np.abs(self.frequency - self.probability) * self.cells) / self.cells.sum())


def measure_reliability(probability: Float64[np.ndarray, "cell"], sounds: Bool[np.ndarray, "cell"]) -> ReliabilityBins:
    """Measure the reliability of probabilities that something sounds, given whether it does."""
    number = np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)
    cells = np.bincount(number, minlength=BINS)
    known = np.where(cells > 0, cells, np.nan)
    return ReliabilityBins(
        cells,
        np.bincount(number, probability, minlength=BINS) / known,
        np.bincount(number, sounds.astype(np.float64), minlength=BINS) / known,
    )
