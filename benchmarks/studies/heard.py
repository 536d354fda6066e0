"""What is heard where what is true, in bins: azimuth over azimuth, distance over distance.

Of frames with one source of the class on both sides alone, where nothing has to be paired: of several sources the one
nearest in azimuth would be taken, which flatters.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.skill import BIN_EDGES_DEG

DISTANCE_EDGES_M = (0.0, 0.8, 1.2, 1.8, 2.5, 3.5, np.inf)
FEWEST_PAIRS = 20
"""A bin of fewer pairs has no quartiles."""
QUARTILES = (25.0, 50.0, 75.0)
DIGITS = 4


def measure_heard(matches: Matches) -> dict[str, Any]:
    """Measure what is heard in bins of the truth, as JSON values; lists are empty where a system does not say.

    Azimuths are those towards the true side, so that what is heard on the other one is negative.
    """
    truth, prediction = (rows.take(matches.single_source) for rows in (matches.truth, matches.prediction))
    true_deg, heard_deg = fold_azimuth(truth.azimuth_deg), fold_azimuth(prediction.azimuth_deg)
    sides = ~np.isnan(true_deg + heard_deg)
    towards_deg = heard_deg * np.where(true_deg < 0, -1.0, 1.0)
    known = (truth.distance_m > 0) & (prediction.distance_m > 0)
    return {
        "azimuth_deg": list(_bins(np.abs(true_deg[sides]), towards_deg[sides], BIN_EDGES_DEG, "wrong_side")),
        "distance_m": list(_bins(truth.distance_m[known], prediction.distance_m[known], np.array(DISTANCE_EDGES_M))),
    }


def measure_guesses(matches: Matches) -> dict[str, float | None]:
    """Find the constants that err least, as JSON values: |azimuth| on the true side, and the distance."""
    truth = matches.truth.take(matches.single_source)
    deg, metres = np.abs(fold_azimuth(truth.azimuth_deg)), np.sort(truth.distance_m[truth.distance_m > 0])
    if not len(metres):
        return {"side_deg": None, "constant_m": None}
    # Errors are relative to the true distance, so that a near source weighs more.
    weight = np.cumsum(1 / metres)
    constant_m = metres[np.searchsorted(weight, weight[-1] / 2)]
    return {"side_deg": round(float(np.median(deg)), DIGITS), "constant_m": round(float(constant_m), DIGITS)}


def _bins(
    true: Float64[np.ndarray, "pair"],
    heard: Float64[np.ndarray, "pair"],
    edges: Float64[np.ndarray, "edge"],
    negative: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Quartiles of what is heard, where there are enough pairs; `negative` names the share below zero."""
    inner = np.searchsorted(edges[1:-1], true, side="right")
    for number in range(len(edges) - 1):
        here = inner == number
        if here.sum() < FEWEST_PAIRS:
            continue
        lower, median, upper = np.percentile(heard[here], QUARTILES).round(DIGITS).tolist()
        part = {
            "pairs": int(here.sum()),
            "true": round(float(np.median(true[here])), DIGITS),
            "lower": lower,
            "median": median,
            "upper": upper,
        }
        yield part | ({negative: round(float((heard[here] < 0).mean()), DIGITS)} if negative else {})
