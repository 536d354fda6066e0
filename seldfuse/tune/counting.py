"""Counts of the events of a posterior."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from seldfuse.core.posterior import Posterior
from seldfuse.fusion.decode import DecodeSettings, to_columns
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.matches import Mode
from seldfuse.metrics.rows import COLUMNS, Scene


def count_posteriors(
    references: Sequence[Scene], posterior: Posterior, decode: DecodeSettings, mode: Mode = "strict"
) -> Counts:
    """Decode a posterior and count every clip and class, arrays of shape `clip cls`."""
    return count_matches(references, _scenes(posterior, decode), posterior.labels, mode)


def _scenes(posterior: Posterior, decode: DecodeSettings) -> list[Float64[np.ndarray, "_ 6"]]:
    """Each clip's events in plain rows."""
    columns, rows = to_columns(posterior, decode)
    unknown = np.full(sum(rows), np.nan)
    table = np.stack([columns.get(name, unknown) for name in COLUMNS], 1).astype(np.float64)
    return np.split(table, np.cumsum(rows)[:-1])
