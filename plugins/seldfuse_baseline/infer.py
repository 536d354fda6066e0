"""The baseline with a checkpoint on a device."""

import torch

from seldfuse.sdk import NetworkBackend
from seldfuse_baseline.network import from_settings, to_posterior


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity, direction and distance. Raises CheckpointError where the checkpoint does not
    fit."""
    # The backend takes 250 columns of 5 s, in training too; the challenge's own code gives 251, of which the first
    # pooling leaves the same 50 frames.
    return NetworkBackend("baseline", from_settings, to_posterior, checkpoint, device)
