"""F scores: pairs within the limits of the score are hits, all else counts against it.

DCASE 2025 Challenge, Task 3: a pair that is no hit is one error, a source without a partner half a one.
"""

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.catalogue.values import PairLimits
from seldfuse.metrics.pairs import EPS, PairErrors


def find_hits(limits: PairLimits, errors: PairErrors) -> Bool[np.ndarray, "row"]:
    """Find the pairs within all limits; what is not known is within none."""
    hits = np.ones(len(errors.azimuth_deg), dtype=bool)
    if limits.azimuth_deg is not None:
        hits &= errors.azimuth_deg <= limits.azimuth_deg
    if limits.relative_distance is not None:
        hits &= errors.relative_distance <= limits.relative_distance
    if limits.onscreen:
        hits &= errors.onscreen_right
    return hits


def compute_f(
    hits: Float64[np.ndarray, "*set cls"],
    pairs: Float64[np.ndarray, "*set cls"],
    false_alarms: Float64[np.ndarray, "*set cls"],
    misses: Float64[np.ndarray, "*set cls"],
) -> Float64[np.ndarray, "*set cls"]:
    """Compute the F score of every set and class, 1 at best; 0 where a class is nowhere."""
    score: Float64[np.ndarray, "*set cls"] = hits / (EPS + pairs + (false_alarms + misses) / 2)
    return score
