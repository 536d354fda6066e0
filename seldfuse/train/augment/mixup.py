"""Two scenes at once, one of them softer."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.encoders.tokens import map_tokens
from seldfuse.train.augment.merge_tracks import merge_tracks, replace_rows
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

BETA = 0.5


def mix_clips(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Mix a share of the clips with another clip of the batch: features and activities become weighted means.

    The clip itself has the weight λ ≥ ½, from Beta(½, ½) folded at ½. Tracks of both scenes are kept, the most active
    first; where they are more than the truth holds, the least active are left out. The first track's activity is that
    of the class, λ·a + (1 − λ)·b, so 1 where both scenes have it: networks with one track learn no other. Tokens of
    pictures are mixed alike, as in a picture exposed twice.

    A batch of one clip stays as it is. Source: Zhang et al., "mixup", ICLR 2018, on inputs and targets as in the recipe
    of NERC-SLIP, DCASE 2025 Task 3.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows) or len(batch) < 2:
        return batch
    beside = torch.from_numpy(rng.integers(1, len(batch), len(rows))).to(rows)
    others = (rows + beside) % len(batch)
    drawn = rng.beta(BETA, BETA, len(rows))
    weight = torch.from_numpy(np.maximum(drawn, 1.0 - drawn)).reshape(-1, 1, 1, 1).to(batch.features)
    mixed = weight * batch.features[rows] + (1.0 - weight) * batch.features[others]
    own = _weight_activity(batch.target.map(lambda tensor: tensor[rows]), weight)
    other = _weight_activity(batch.target.map(lambda tensor: tensor[others]), 1.0 - weight)
    both = merge_tracks(own, other)
    both["activity"][..., 0] = own.activity.amax(dim=3) + other.activity.amax(dim=3)
    embeddings = map_tokens(batch.embeddings, lambda tokens: _mix_tokens(tokens, rows, others, weight))
    features = batch.features.index_copy(0, rows, mixed)
    return replace(batch, features=features, target=replace_rows(batch.target, rows, both), embeddings=embeddings)


def _mix_tokens(
    tokens: Float[Tensor, "batch picture token channel"], rows: Tensor, others: Tensor, weight: Tensor
) -> Float[Tensor, "batch picture token channel"]:
    return tokens.index_copy(0, rows, weight * tokens[rows] + (1.0 - weight) * tokens[others])


def _weight_activity(truth: Posterior, weight: Float[Tensor, "batch 1 1 1"]) -> Posterior:
    return replace(truth, activity=weight.to(truth.activity) * truth.activity)
