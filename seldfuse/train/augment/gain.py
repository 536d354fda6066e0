"""A clip gets louder or softer."""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features.logmel import FLOOR_POWER, RANGE_DB
from seldfuse.features.stack import find_decibel_slices
from seldfuse.train.batch import TrainingBatch

LOGMEL = "logmel"
"""The one level whose floor is known; others just rise and fall."""

FLOOR_DB = 10.0 * math.log10(FLOOR_POWER)
"""What the log-mel of silence is; how soft a sound beneath it was is not known."""

AUDIBLE_DB = FLOOR_DB + 1e-3
"""A cell below this lies at the floor, however a device rounds its logarithm."""


def change_gain(batch: TrainingBatch, most_db: float, rng: np.random.Generator) -> TrainingBatch:
    """Change the level of every clip by up to ±`most_db`: the levels that the amplified sound would have.

    Cells of the log-mel at the floor stay there, and none falls below. As in `logmel`, none is left more than 80 dB
    below the loudest: a clip that gets loud raises what lay at the floor. Features that are no levels stay.
    """
    levels = find_decibel_slices(batch.names)
    if most_db == 0.0 or not levels:
        return batch
    change_db = torch.from_numpy(rng.uniform(-most_db, most_db, len(batch))).reshape(-1, 1, 1, 1).to(batch.features)
    features = batch.features.clone()
    for name, place in levels.items():
        before_db = batch.features[:, place]
        features[:, place] = _amplify_logmel(before_db, change_db) if name == LOGMEL else before_db + change_db
    return replace(batch, features=features)


def _amplify_logmel(
    before_db: Float[Tensor, "batch 2 time mel"], change_db: Float[Tensor, "batch 1 1 1"]
) -> Float[Tensor, "batch 2 time mel"]:
    level_db = torch.where(before_db > AUDIBLE_DB, (before_db + change_db).clamp_min(FLOOR_DB), before_db)
    return level_db.maximum(level_db.amax(dim=(1, 2, 3), keepdim=True) - RANGE_DB)
