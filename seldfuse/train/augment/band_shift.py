"""The same sound from a smaller or larger source: its spectrum moves."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.features.stack import find_mel_channels
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

MOST_BANDS = 4


def shift_bands(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Move the spectra of a share of the clips up or down by one to four mel bands; bands at the edge are repeated.

    All features with mel bands move alike, the others stay. Source: Nguyen et al., SALSA-Lite, ICASSP 2022.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    bands = rng.integers(1, MOST_BANDS + 1, len(rows)) * rng.choice([-1, 1], len(rows))
    mels = batch.features.shape[-1]
    origin = torch.from_numpy(np.clip(np.arange(mels) - bands[:, None], 0, mels - 1)).to(rows.device)
    channels = torch.tensor(find_mel_channels(batch.names), dtype=torch.int64, device=rows.device)
    features = batch.features[rows]
    moved = features[:, channels].take_along_dim(origin[:, None, None], dim=3)
    features = features.index_copy(1, channels, moved)
    return replace(batch, features=batch.features.index_copy(0, rows, features))
