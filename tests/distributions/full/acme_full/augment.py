"""Time runs backwards, and noise."""

from dataclasses import replace

import numpy as np
import torch

from seldfuse.sdk import TrainingBatch


def reverse_time(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Reverse features, labels and tokens of a share of the clips."""
    chosen = torch.from_numpy(rng.random(len(batch)) < share).to(batch.features.device)

    def reverse(tensor: torch.Tensor, axis: int = 1) -> torch.Tensor:
        return torch.where(chosen.reshape(-1, *[1] * (tensor.ndim - 1)), tensor.flip(axis), tensor)

    tokens = {name: both.map(reverse) for name, both in batch.embeddings.items()}
    return replace(batch, features=reverse(batch.features, axis=2), target=batch.target.map(reverse), embeddings=tokens)


def add_hiss(audio: torch.Tensor, share: float, rng: np.random.Generator) -> torch.Tensor:
    """Add noise of −60 dB to a share of the clips."""
    chosen = (rng.random(len(audio)) < share).astype(np.float32)
    noise = 1e-3 * rng.standard_normal(tuple(audio.shape), dtype=np.float32)
    return audio + torch.from_numpy(chosen[:, None, None] * noise).to(audio.device)
