"""Clips without a picture."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch


def drop_picture(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Take the picture away from a share of the clips; sound and labels stay."""
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch

    def drop(tokens: EncoderTokens) -> EncoderTokens:
        of_sound = tokens.input == "audio"
        return tokens if of_sound else tokens.map(lambda side: side.index_fill(0, rows, torch.nan))

    return replace(batch, embeddings={name: drop(tokens) for name, tokens in batch.embeddings.items()})
