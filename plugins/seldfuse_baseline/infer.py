"""The baseline with a checkpoint on a device."""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import ClipBatch, NetworkBackend, compute_logmel_at
from seldfuse_baseline.network import COLUMNS_PER_FRAME, BaselineConfig, from_settings, get_hop_samples, to_posterior


class BaselineBackend(NetworkBackend):
    """A backend whose checkpoint says which columns its network was trained with.

    Training here gives 250 columns of 5 s, the challenge's own code 251. The first pooling leaves 50 frames of both,
    but the last column changes the last frame, and through the recurrent layer and attention every other a little.
    """

    def compute_features(self, batch: ClipBatch) -> Float[Tensor, "batch channel time bin"]:
        """Compute the log-mel spectrogram, at the hop and with the columns of the checkpoint."""
        config = self.network.config
        assert isinstance(config, BaselineConfig)
        if not config.last_column:
            return super().compute_features(batch)
        if config.columns_per_frame == COLUMNS_PER_FRAME:
            return batch["logmel"]
        return compute_logmel_at(batch.audio, get_hop_samples(config.columns_per_frame))


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    """Load a backend that infers activity, direction and distance. Raises CheckpointError where the checkpoint does not
    fit."""
    return BaselineBackend("baseline", from_settings, to_posterior, checkpoint, device)
