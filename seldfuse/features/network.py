"""A trained network as a backend: what all bundled backends are, and most others will be."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from seldfuse.checkpoint import open_checkpoint
from seldfuse.features.batch import ClipBatch
from seldfuse.features.stack import stack
from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior


class NetworkBackend:
    """Hears the features that its checkpoint names.

    `build(settings, labels)` makes the network that the checkpoint's `network` settings describe; `posterior(output,
    labels)` says what its output means. Raises CheckpointError where the checkpoint does not fit.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[Mapping[str, Any], LabelSet], nn.Module],
        posterior: Callable[[Any, LabelSet], Posterior],
        checkpoint: str | None,
        device: torch.device,
    ) -> None:
        opened = open_checkpoint(checkpoint, name)
        self.labels = opened.labels
        self.features = tuple(opened.config["features"])
        self.posterior = posterior
        self.network = build(opened.config["network"], opened.labels)
        opened.load_into(self.network)
        self.network.to(device).eval()

    @torch.inference_mode()
    def infer(self, batch: ClipBatch) -> Posterior:
        return self.posterior(self.network(stack(batch, self.features)), self.labels)
