"""How far the two sources of each pair are apart."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.rows import EventRows

EPS = float(np.finfo(np.float64).eps)


class PairErrors(NamedTuple):
    """Errors of pairs of a true and a predicted source; NaN where a side does not know the quantity."""

    azimuth_deg: Float64[np.ndarray, "row"]
    distance_m: Float64[np.ndarray, "row"]
    relative_distance: Float64[np.ndarray, "row"]
    onscreen_right: Bool[np.ndarray, "row"]

    @classmethod
    def from_rows(cls, truth: EventRows, prediction: EventRows) -> "PairErrors":
        """Compute the errors of rows that are pairs, row by row; azimuths are folded to the front."""
        distance_m = np.abs(truth.distance_m - prediction.distance_m)
        return cls(
            azimuth_deg=np.abs(fold_azimuth(truth.azimuth_deg) - fold_azimuth(prediction.azimuth_deg)),
            distance_m=distance_m,
            # The official scorer counts in centimetres, which matters where a reference stands at 0.
            relative_distance=100 * distance_m / (100 * truth.distance_m + EPS),
            onscreen_right=truth.onscreen == prediction.onscreen,
        )
