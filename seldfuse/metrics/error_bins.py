"""Errors by a quantity: over azimuth, over distance, over reverberation time."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64


@dataclass(frozen=True)
class ErrorBins:
    """Pairs in bins between `edges`: how many, and the quartiles of their errors; NaN where a bin has none."""

    edges: Float64[np.ndarray, "edge"]
    pairs: Int64[np.ndarray, "bin"]
    quartiles: Float64[np.ndarray, "3 bin"]


def bin_errors(
    quantity: Float[np.ndarray, "pair"], errors: Float[np.ndarray, "pair"], edges: Float64[np.ndarray, "edge"]
) -> ErrorBins:
    """Sort errors into bins by a quantity; the last bin holds its upper edge, and NaN is in none."""
    known = np.isfinite(quantity) & np.isfinite(errors)
    quantity, errors = quantity[known], errors[known]
    number = np.where(quantity == edges[-1], len(edges) - 1, np.searchsorted(edges, quantity, side="right")) - 1
    inside = [errors[number == one] for one in range(len(edges) - 1)]
    quartiles = [np.percentile(part, (25, 50, 75)) if len(part) else np.full(3, np.nan) for part in inside]
    return ErrorBins(edges, np.array([len(part) for part in inside]), np.array(quartiles).T)
