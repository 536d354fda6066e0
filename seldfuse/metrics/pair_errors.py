"""Scores that are means over pairs, near or far: errors of azimuth and distance, and the share of right flags.

NaN where no pair knows the quantity on both sides.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from seldfuse.metrics.counts import Counts
from seldfuse.metrics.pairs import PairErrors
from seldfuse.metrics.rows import EventRows


def count_errors(truth: EventRows, prediction: EventRows) -> Mapping[str, Float64[np.ndarray, "row"]]:
    """Compute what each pair adds to the sums of the scores below; nothing where it is not known."""
    errors = PairErrors.from_rows(truth, prediction)
    return {
        "azimuth_error_deg": np.nan_to_num(errors.azimuth_deg),
        "distance_error_m": np.nan_to_num(errors.distance_m),
        "relative_error": np.nan_to_num(errors.relative_distance),
        "onscreen_right": errors.onscreen_right.astype(np.float64),
    }


def compute_azimuth_error(counts: Counts) -> Float64[np.ndarray, "*set cls"]:
    """Compute the mean error of azimuth in degrees."""
    return _divide(counts.sums["azimuth_error_deg"], counts.sums["known_azimuth"])


def compute_relative_distance_error(counts: Counts) -> Float64[np.ndarray, "*set cls"]:
    """Compute the mean error of distance relative to the true one."""
    return _divide(counts.sums["relative_error"], counts.sums["known_distance"])


def compute_distance_error(counts: Counts) -> Float64[np.ndarray, "*set cls"]:
    """Compute the mean error of distance in metres."""
    return _divide(counts.sums["distance_error_m"], counts.sums["known_distance"])


def compute_onscreen_accuracy(counts: Counts) -> Float64[np.ndarray, "*set cls"]:
    """Compute the share of the pairs that are rightly called on-screen or off-screen."""
    return _divide(counts.sums["onscreen_right"], counts.sums["known_onscreen"])


def _divide(
    total: Float64[np.ndarray, "*set cls"], number: Float64[np.ndarray, "*set cls"]
) -> Float64[np.ndarray, "*set cls"]:
    ratio: Float64[np.ndarray, "*set cls"] = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
    return ratio
