"""A trained network as a backend: what all bundled backends are, and most others will be."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import parse_name
from seldfuse.features.stack import stack_features


class NetworkBackend:
    """Hears the features, and sees the embeddings, that its checkpoint names.

    `build(settings, labels)` makes the network that the checkpoint's `network` settings describe; it is called with
    stacked features and, where it was trained with encoders, the embeddings by their names. `posterior(output, labels)`
    says what its output means. `encoders` are references as in `--set encoders`, with the versions that it was trained
    with.
    Raises CheckpointError where the checkpoint does not fit.
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
        self.encoders: Mapping[str, str] = opened.config.get("encoders", {})
        self.posterior = posterior
        self.network = build(opened.config["network"], opened.labels)
        opened.load_into(self.network)
        self.network.to(device).eval()

    @torch.inference_mode()
    def infer(self, batch: ClipBatch) -> Posterior:
        seen = {parse_name(reference): batch[reference] for reference in self.encoders}
        inputs = (stack_features(batch, self.features), seen) if seen else (stack_features(batch, self.features),)
        return self.posterior(self.network(*inputs), self.labels)
