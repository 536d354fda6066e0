"""SED-SDE with a checkpoint on a device."""

import torch

from seldfuse.sdk import NetworkBackend
from seldfuse_sed_sde.network import from_settings, to_posterior


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity and distance. Raises CheckpointError where the checkpoint does not fit."""
    return NetworkBackend("sde", from_settings, to_posterior, checkpoint, device)
