"""A telephone, an old recorder: above some frequency there is nothing."""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features.logmel import RANGE_DB
from seldfuse.features.spectrum import get_mel_centers_hz
from seldfuse.features.stack import find_decibel_slices
from seldfuse.train.augment.gain import FLOOR_DB, LOGMEL
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

EDGE_HZ = (3_000.0, 10_000.0)
ORDER = (2, 40)
"""From a gentle slope to nearly a wall, as resampling makes it."""


def limit_bandwidth(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Lower what lies above a random frequency in the levels of a share of the clips, alike in all channels.

    Butterworth's magnitudes. In the log-mel no cell falls below the floor or more than 80 dB below the clip's loudest.
    Features that are no levels stay. A class must not be known by the bandwidth of its recordings.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    levels = find_decibel_slices(batch.names)
    if not len(rows) or not levels:
        return batch
    edge_hz = np.exp(rng.uniform(math.log(EDGE_HZ[0]), math.log(EDGE_HZ[1]), (len(rows), 1)))
    order = np.exp(rng.uniform(math.log(ORDER[0]), math.log(ORDER[1]), (len(rows), 1)))
    centers_hz = get_mel_centers_hz(batch.features.shape[-1])
    # log(1 + x) from the logarithm of x, which overflows itself.
    drop_db = 10.0 / math.log(10.0) * np.logaddexp(0.0, 2.0 * order * np.log(centers_hz / edge_hz))
    drop = torch.from_numpy(drop_db[:, None, None]).to(batch.features)  # (row, 1, 1, mel)
    features = batch.features.clone()
    for name, place in levels.items():
        before_db = batch.features[rows, place]  # (row, channel, time, mel)
        level_db = before_db - drop
        features[rows, place] = _raise_to_floor(level_db, before_db) if name == LOGMEL else level_db
    return replace(batch, features=features)


def _raise_to_floor(
    level_db: Float[Tensor, "row 2 time mel"], before_db: Float[Tensor, "row 2 time mel"]
) -> Float[Tensor, "row 2 time mel"]:
    least_db = (level_db.amax(dim=(1, 2, 3), keepdim=True) - RANGE_DB).clamp_min(FLOOR_DB)
    return level_db.maximum(least_db).minimum(before_db)
