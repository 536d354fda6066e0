"""How far a score would move with other clips: intervals by leaving one clip out at a time.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11; level and bias correction as in the DCASE
challenge's scorer.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtrit

from seldfuse.metrics.counts import Counts
from seldfuse.metrics.scores import Average, average_scores

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A score, its estimate without the bias of few clips, and bounds around that estimate at a level of 95 %.

    Estimate and bounds are NaN where one clip is all there is, or leaving one out leaves no score.
    """

    value: float
    estimate: float
    low: float
    high: float


def compute_intervals(counts: Counts, average: Average = "macro") -> dict[str, Interval]:
    """Compute an interval for every score, from counts of shape `clip cls`."""
    whole, partial = average_scores(counts.sum_clips(), average), average_scores(counts.leave_one_out(), average)
    return {name: estimate_interval(float(value), partial[name]) for name, value in whole.items()}


def compare_systems(counts: Counts, other: Counts, average: Average = "macro") -> dict[str, Interval]:
    """Compute how much larger each score is than that of another system on the same clips, pair by pair.

    Raises ValueError where the two do not count equally many clips.
    """
    if counts.pairs.shape != other.pairs.shape:
        raise ValueError(f"expected counts of the same clips, got {counts.pairs.shape} and {other.pairs.shape}")
    whole, partial = average_scores(counts.sum_clips(), average), average_scores(counts.leave_one_out(), average)
    minus_whole, minus_partial = (
        average_scores(other.sum_clips(), average),
        average_scores(other.leave_one_out(), average),
    )
    return {
        name: estimate_interval(float(value - minus_whole[name]), partial[name] - minus_partial[name])
        for name, value in whole.items()
    }


def estimate_interval(value: float, partial: Float64[np.ndarray, "clip"]) -> Interval:
    """Estimate the interval of a score whose value without clip i is `partial[i]`."""
    clips = len(partial)
    if clips < 2:
        return Interval(value, float("nan"), float("nan"), float("nan"))
    mean = partial.mean()
    estimate = value - (clips - 1) * (mean - value)
    error = np.sqrt((clips - 1) * np.mean((partial - mean) ** 2))
    reach = stdtrit(clips - 1, (1 + LEVEL) / 2) * error
    return Interval(value, float(estimate), float(estimate - reach), float(estimate + reach))
