"""A few bands and a moment that are masked, as in SpecAugment."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.features.spectrum import HOP_SAMPLES
from seldfuse.features.stack import find_mel_channels
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

WIDEST_MELS = 8
LONGEST_S = 0.6


def mask_bands_and_time(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Mask one to eight mel bands and up to 0.6 s in a share of the clips, alike in all channels.

    Masked cells get the mean of their clip's channel. Features without mel bands lose the moment alone. Labels stay: a
    sound goes on behind a short mask. Source: Park et al., SpecAugment, Interspeech 2019.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    features = batch.features[rows]
    _, channels, columns, mels = features.shape
    moment = _stretches(len(rows), columns, round(LONGEST_S * SAMPLE_RATE_HZ / HOP_SAMPLES), rng)
    bands = _stretches(len(rows), mels, WIDEST_MELS, rng)
    has_mels = np.isin(np.arange(channels), find_mel_channels(batch.names))
    masked = moment[:, None, :, None] | (bands[:, None, None, :] & has_mels[:, None, None])
    mean = features.mean(dim=(2, 3), keepdim=True)
    filled = torch.where(torch.from_numpy(masked).to(rows.device), mean, features)
    return replace(batch, features=batch.features.index_copy(0, rows, filled))


def _stretches(count: int, size: int, longest: int, rng: np.random.Generator) -> Bool[np.ndarray, "count size"]:
    """Draw one stretch of 1 to `longest` cells in each row of `size`."""
    length = rng.integers(1, min(longest, size) + 1, (count, 1))
    first = rng.integers(0, size - length + 1)
    cell = np.arange(size)
    return np.asarray((cell >= first) & (cell < first + length))
