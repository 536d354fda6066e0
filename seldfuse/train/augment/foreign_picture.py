"""Clips with the picture of another clip."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch


def exchange_pictures(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Show a share of the clips the picture of the clip before, whose sources are elsewhere: none is on-screen then.

    Without such clips a network may learn that what sounds before the camera is on-screen, whatever is to be seen.
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    onscreen = batch.target.onscreen
    pictures = any(tokens.input != "audio" for tokens in batch.embeddings.values())
    if not len(rows) or len(batch) < 2 or onscreen is None or not pictures:
        return batch

    def exchange(tokens: EncoderTokens) -> EncoderTokens:
        if tokens.input == "audio":
            return tokens
        return tokens.map(lambda side: side.index_copy(0, rows, side[(rows - 1) % len(batch)]))

    # What is unknown stays unknown.
    foreign = torch.where(onscreen[rows].isnan(), onscreen[rows], torch.zeros_like(onscreen[rows]))
    target = replace(batch.target, onscreen=onscreen.index_copy(0, rows, foreign))
    return replace(batch, target=target, embeddings={name: exchange(one) for name, one in batch.embeddings.items()})
