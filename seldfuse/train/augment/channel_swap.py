"""Left and right change places."""

from dataclasses import replace

import numpy as np

from seldfuse.features.stack import mirror_features
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch


def swap_channels(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Exchange left and right in a share of the clips, sound and picture: the direction's y changes its sign."""
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    features = batch.features.index_copy(0, rows, mirror_features(batch.features[rows], batch.names))
    target = batch.target
    if target.direction is not None:
        direction = target.direction.clone()
        direction[rows, ..., 1] *= -1
        target = replace(target, direction=direction)
    tokens = {name: both.swap_rows(rows) for name, both in batch.embeddings.items()}
    return replace(batch, features=features, target=target, embeddings=tokens)
