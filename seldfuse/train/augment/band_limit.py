"""A telephone, an old recorder: above some frequency there is nothing."""

import math
from dataclasses import replace

import numpy as np
import torch

from seldfuse.features.logmel import RANGE_DB
from seldfuse.features.spectrum import get_mel_centers_hz
from seldfuse.features.stack import find_channel_slices
from seldfuse.train.augment.gain import FLOOR_DB
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

EDGE_HZ = (3_000.0, 10_000.0)
ORDER = (2, 40)
"""From a gentle slope to nearly a wall, as resampling makes it."""


def limit_bandwidth(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Lowers what lies above a random frequency in the log-mel of a share of the clips, alike in both channels.

    Butterworth's magnitudes, no cell below the floor or more than 80 dB below the clip's loudest. The other features
    stay: level differences do not depend on it. A class must not be known by the bandwidth of its recordings.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows) or "logmel" not in batch.names:
        return batch
    edge_hz = np.exp(rng.uniform(math.log(EDGE_HZ[0]), math.log(EDGE_HZ[1]), (len(rows), 1)))
    order = np.exp(rng.uniform(math.log(ORDER[0]), math.log(ORDER[1]), (len(rows), 1)))
    # log(1 + x) from the logarithm of x, which overflows itself.
    lowered_db = 10.0 / math.log(10.0) * np.logaddexp(0.0, 2.0 * order * np.log(get_mel_centers_hz() / edge_hz))
    place = find_channel_slices(batch.names)["logmel"]
    before_db = batch.features[rows, place]  # (row, 2, time, mel)
    level_db = before_db - torch.from_numpy(lowered_db[:, None, None]).to(before_db)
    least_db = (level_db.amax(dim=(1, 2, 3), keepdim=True) - RANGE_DB).clamp_min(FLOOR_DB)
    features = batch.features.clone()
    features[rows, place] = level_db.maximum(least_db).minimum(before_db)
    return replace(batch, features=features)
