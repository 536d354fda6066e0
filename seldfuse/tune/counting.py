"""What a posterior counts once it is decoded."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from seldfuse.core.posterior import Posterior
from seldfuse.fusion.decode import DecodeSettings, to_columns
from seldfuse.metrics.counts import Counts, Mode, count_matches
from seldfuse.metrics.rows import COLUMNS, Scene


def count_posteriors(
    references: Sequence[Scene], said: Posterior, decode: DecodeSettings, mode: Mode = "strict"
) -> Counts:
    """Counts of every clip and class, arrays of shape `clip cls`."""
    return count_matches(references, _scenes(said, decode), said.labels, mode)


def _scenes(said: Posterior, decode: DecodeSettings) -> list[Float64[np.ndarray, "_ 6"]]:
    """Each clip's events in plain rows."""
    told, rows = to_columns(said, decode)
    unknown = np.full(sum(rows), np.nan)
    table = np.stack([told.get(name, unknown) for name in COLUMNS], 1).astype(np.float64)
    return np.split(table, np.cumsum(rows)[:-1])
