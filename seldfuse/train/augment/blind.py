"""Clips without a picture."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch


def drop_picture(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Takes away what is seen in a share of the clips; what is heard, and what is true of them, stays."""
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch

    def blinded(embedding: EncoderTokens) -> EncoderTokens:
        heard = embedding.flipped is None
        return embedding if heard else embedding.map(lambda tokens: tokens.index_fill(0, rows, torch.nan))

    return replace(batch, embeddings={name: blinded(embedding) for name, embedding in batch.embeddings.items()})
