"""Numbers and intervals as JSON values, rounded; what is not known is null."""

import math

from seldfuse.metrics.jackknife import Interval

DIGITS = 5


def plain(value: float) -> float | None:
    """Convert a number."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def bound(interval: Interval) -> dict[str, float | None]:
    """Convert an interval."""
    return {"value": plain(interval.value), "low": plain(interval.low), "high": plain(interval.high)}
