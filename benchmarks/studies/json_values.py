"""Numbers and intervals as JSON values, rounded; what is not known is null."""

import math

from seldfuse.metrics.jackknife import Interval

DIGITS = 5


def to_json_value(value: float) -> float | None:
    """Convert a number."""
    return None if math.isnan(value) else round(float(value), DIGITS)


def bound(interval: Interval) -> dict[str, float | None]:
    """Convert an interval."""
    return {
        "value": to_json_value(interval.value),
        "low": to_json_value(interval.low),
        "high": to_json_value(interval.high),
    }
