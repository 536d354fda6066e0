"""A clip gets louder or softer."""

import math
from dataclasses import replace

import numpy as np
import torch

from seldfuse.features.logmel import FLOOR_POWER, RANGE_DB
from seldfuse.features.stack import find_channel_slices
from seldfuse.train.batch import TrainingBatch

FLOOR_DB = 10.0 * math.log10(FLOOR_POWER)
"""What the log-mel of silence is; how soft a sound beneath it was is not known."""

HEARD_DB = FLOOR_DB + 1e-3
"""A cell below this lies at the floor, however a device rounds its logarithm."""


def change_gain(batch: TrainingBatch, most_db: float, rng: np.random.Generator) -> TrainingBatch:
    """Changes the level of every clip by up to ±`most_db`: the log-mel that the amplified sound would have.

    Cells at the floor stay there, and none falls below. As in `logmel`, none is left more than 80 dB below the loudest:
    a clip that gets loud raises what lay at the floor. The other features do not depend on the level.
    """
    if most_db == 0.0 or "logmel" not in batch.names:
        return batch
    change_db = torch.from_numpy(rng.uniform(-most_db, most_db, len(batch))).reshape(-1, 1, 1, 1).to(batch.features)
    place = find_channel_slices(batch.names)["logmel"]
    before_db = batch.features[:, place]
    level_db = torch.where(before_db > HEARD_DB, (before_db + change_db).clamp_min(FLOOR_DB), before_db)
    features = batch.features.clone()
    features[:, place] = level_db.maximum(level_db.amax(dim=(1, 2, 3), keepdim=True) - RANGE_DB)
    return replace(batch, features=features)
