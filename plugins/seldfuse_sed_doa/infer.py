"""SED-DOA with a checkpoint on a device."""

import torch

from seldfuse.sdk import NetworkBackend
from seldfuse_sed_doa.network import from_settings, to_posterior


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity and direction. Raises CheckpointError where the checkpoint does not fit."""
    return NetworkBackend("doa", from_settings, to_posterior, checkpoint, device)
