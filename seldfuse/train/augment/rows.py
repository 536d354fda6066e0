"""Which clips an augmentation happens to."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


def draw_rows(count: int, share: float, rng: np.random.Generator, device: torch.device) -> Int[Tensor, "row"]:
    """Draw rows of a batch of `count`, each with the probability `share`. A share of 0 draws no random number."""
    hits = np.flatnonzero(rng.random(count) < share) if share > 0.0 else np.zeros(0, dtype=np.int64)
    return torch.from_numpy(hits).to(device)
