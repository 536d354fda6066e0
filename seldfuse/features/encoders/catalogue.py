"""The encoders that there are, by name."""

import torch

from seldfuse.errors import UsageError
from seldfuse.features.encoders.encoder import PictureEncoder


def load_encoder(name: str, weights: str | None, device: torch.device) -> PictureEncoder:
    """Raises UsageError for an unknown name, CheckpointError where weights are missing."""
    from seldfuse.features.encoders.compact_image import CompactImage

    if name == CompactImage.name:
        return CompactImage(device)
    raise UsageError(f"no encoder is called {name!r}; there is {CompactImage.name}")
