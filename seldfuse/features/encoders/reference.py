"""Encoders as recipes and checkpoints name them: `name`, or `name@weights`."""

import torch

from seldfuse.features.encoders.catalogue import load_encoder
from seldfuse.features.encoders.encoder import PictureEncoder


def open_encoder(reference: str, device: torch.device) -> PictureEncoder:
    """`weights` is a folder or a hub name. Raises UsageError for an unknown name, CheckpointError."""
    name, _, weights = reference.partition("@")
    return load_encoder(name, weights or None, device)
