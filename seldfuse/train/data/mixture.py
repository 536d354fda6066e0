"""Several places that scenes come from, mixed by weight."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.source import SceneSource

GOLDEN = (5**0.5 - 1) / 2


class MixedSource:
    """Several sources, mixed by weight.

    The n-th scene comes from the source in whose part of [0, 1) the fraction of n times the golden ratio falls. So
    every stretch of the sequence is mixed nearly by weight (Weyl's equidistribution), and where a training goes on
    nothing has to be remembered.
    """

    def __init__(self, sources: Sequence[SceneSource], weights: Sequence[float]) -> None:
        self.sources = sources
        self.ends = np.cumsum(weights)[:-1] / sum(weights)
        self.drawn = 0

    def draw(self, count: int) -> TrainingBatch:
        """Draw the next `count` scenes, source by source."""
        counts = self._counts(self.drawn, self.drawn + count)
        self.drawn += count
        return TrainingBatch.concat(
            [source.draw(n) for source, n in zip(self.sources, counts.tolist(), strict=True) if n]
        )

    def seek(self, drawn: int) -> None:
        self.drawn = drawn
        for source, count in zip(self.sources, self._counts(0, drawn).tolist(), strict=True):
            source.seek(count)

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def _counts(self, first: int, last: int) -> Int[np.ndarray, "source"]:
        fraction = np.arange(first, last) * GOLDEN % 1.0
        return np.bincount(np.searchsorted(self.ends, fraction, side="right"), minlength=len(self.sources))
