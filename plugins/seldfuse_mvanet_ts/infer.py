"""MVANet with a checkpoint on a device."""

import torch

from seldfuse.sdk import NetworkBackend
from seldfuse_mvanet_ts.network import from_settings, to_posterior


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity, direction, distance and on-screen. Raises CheckpointError where the
    checkpoint does not fit."""
    return NetworkBackend("mvanet", from_settings, to_posterior, checkpoint, device)
