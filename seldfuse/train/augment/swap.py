"""Left and right change places."""

from dataclasses import replace

import numpy as np

from seldfuse.features.stack import mirrored
from seldfuse.train.augment.chance import chosen
from seldfuse.train.batch import Batch


def swap(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Exchanges left and right in a share of the clips, sound and picture: the direction's y changes its sign."""
    rows = chosen(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    features = batch.features.index_copy(0, rows, mirrored(batch.features[rows], batch.names))
    truth = batch.truth
    if truth.direction is not None:
        direction = truth.direction.clone()
        direction[rows, ..., 1] *= -1
        truth = replace(truth, direction=direction)
    seen = {name: embedding.swapped(rows) for name, embedding in batch.embeddings.items()}
    return replace(batch, features=features, truth=truth, embeddings=seen)
