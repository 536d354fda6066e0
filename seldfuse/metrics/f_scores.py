"""F scores: pairs within the limits of the score are hits, all else counts against it.

DCASE 2025 Challenge, Task 3: a pair that is no hit is one error, a source without a partner half a one.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.catalogue.values import API_VERSION, PairLimits, Score
from seldfuse.errors import UsageError
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


def make_f_score(azimuth_deg: float | None = None, relative_distance: float | None = None) -> Score:
    """Make the F score `f_limits` with limits of one's own, in degrees and relative to the true distance.

    None is no limit. Raises UsageError where a limit is negative or no number.
    """
    needs: list[Literal["azimuth", "distance"]] = []
    within = []
    if azimuth_deg is not None:
        _check_limit("azimuth", azimuth_deg)
        needs.append("azimuth")
        within.append(f"at most {azimuth_deg:g}° off")
    if relative_distance is not None:
        _check_limit("distance", relative_distance)
        needs.append("distance")
        within.append(f"distance off by at most {relative_distance:g} of itself")
    text = " and ".join(within) or "class right"
    return Score(
        name="f_limits",
        api_version=API_VERSION,
        summary=f"F score with limits of one's own: {text}",
        title="F at limits",
        meaning=f"F: {text}",
        higher_is_better=True,
        limits=PairLimits(azimuth_deg=azimuth_deg, relative_distance=relative_distance),
        needs=tuple(needs),
        absent_class="zero",
    )


def _check_limit(name: str, limit: float) -> None:
    if not limit >= 0:
        raise UsageError(f"the {name} threshold must be 0 or more, got {limit:g}")
