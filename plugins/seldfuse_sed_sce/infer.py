"""SED-SCE with a checkpoint on a device."""

import torch

from seldfuse.sdk import NetworkBackend
from seldfuse_sed_sce.network import from_settings, to_posterior


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity, direction and distance. Raises CheckpointError where the checkpoint does not
    fit."""
    return NetworkBackend("sce", from_settings, to_posterior, checkpoint, device)
