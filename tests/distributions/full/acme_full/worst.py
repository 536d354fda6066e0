"""A score that is better when it is lower: the share of the pairs that are on the wrong side."""

from collections.abc import Mapping

import numpy as np

from seldfuse.sdk import Counts, EventRows


def count_wrong_sides(truth: EventRows, prediction: EventRows) -> Mapping[str, np.ndarray]:
    return {"wrong_sides": (truth.azimuth_deg * prediction.azimuth_deg < 0).astype(np.float64)}


def compute_share(counts: Counts) -> np.ndarray:
    known = counts.sums["known_azimuth"]
    return np.where(known > 0, counts.sums["wrong_sides"], np.nan) / np.maximum(known, 1)
