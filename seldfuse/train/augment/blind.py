"""Clips without a picture."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.features.embedding import Embedding
from seldfuse.train.augment.chance import chosen
from seldfuse.train.batch import Batch


def blind(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Takes away what is seen in a share of the clips; what is heard, and what is true of them, stays."""
    rows = chosen(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch

    def blinded(embedding: Embedding) -> Embedding:
        heard = embedding.flipped is None
        return embedding if heard else embedding.map(lambda tokens: tokens.index_fill(0, rows, torch.nan))

    return replace(batch, embeddings={name: blinded(embedding) for name, embedding in batch.embeddings.items()})
