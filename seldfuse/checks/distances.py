"""Units of the labelled distances: DCASE files have centimetres."""

import numpy as np

from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import DISTANCE, CheckedClip

LEAST_M, MOST_M = 0.15, 8.0
"""The median distance of the sources in a room lies well between these."""

LEAST_ROWS = 20


def check_distances(clips: list[CheckedClip]) -> list[Finding]:
    """Find distances in metres, feet or millimetres, or that are all the same."""
    distances_m = np.concatenate([np.zeros(0), *(clip.rows[:, DISTANCE] for clip in clips)])
    distances_m = distances_m[~np.isnan(distances_m)]
    if len(distances_m) < LEAST_ROWS:
        return []
    median_m = float(np.median(distances_m))
    if not distances_m.any():
        return [Finding("distance 0", "error", "all distances are 0", "write them in centimetres: networks learn them")]
    if median_m < LEAST_M:
        return [
            Finding(
                "distance units",
                "error",
                f"half of the sources are nearer than {median_m * 100:.2g} cm, as if metres or feet were written",
                "distances are whole centimetres: multiply metres by 100, feet by 30.48",
            )
        ]
    if median_m > MOST_M:
        return [
            Finding(
                "distance units",
                "error",
                f"half of the sources are farther than {median_m:.0f} m, as if millimetres were written",
                "distances are centimetres: divide millimetres by 10",
            )
        ]
    if np.ptp(distances_m) < 1e-6 and len(clips) > 1:
        return [
            Finding(
                "constant distance",
                "note",
                f"every source is {median_m:g} m away",
                "a network learns this one distance; leave it out of scores that ask for distance",
            )
        ]
    return []
