"""Clips without a picture."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.features.embedding import mapped
from seldfuse.train.augment.chance import chosen
from seldfuse.train.batch import Batch


def blind(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Takes away what is seen in a share of the clips; what is true of them stays."""
    rows = chosen(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    return replace(batch, embeddings=mapped(batch.embeddings, lambda tokens: tokens.index_fill(0, rows, torch.nan)))
