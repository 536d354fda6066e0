"""SED-SCE at work: a checkpoint on a device."""

import torch

from seldfuse.checkpoint import open_checkpoint
from seldfuse.features import ClipBatch
from seldfuse.features.stack import stack
from seldfuse.posterior import Posterior
from seldfuse_sed_sce.network import from_settings, posterior


class SedSceBackend:
    """Infers activity, direction and distance. Raises CheckpointError where the checkpoint does not fit."""

    def __init__(self, checkpoint: str | None, device: torch.device) -> None:
        opened = open_checkpoint(checkpoint, "sce")
        self.labels = opened.labels
        self.features = tuple(opened.config["features"])
        self.network = from_settings(opened.config["network"], opened.labels)
        opened.load_into(self.network)
        self.network.to(device).eval()

    @torch.inference_mode()
    def infer(self, batch: ClipBatch) -> Posterior:
        return posterior(self.network(stack(batch, self.features)), self.labels)


load = SedSceBackend
