"""A trained network as a backend: what all bundled backends are, and most others will be."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import seldfuse
from seldfuse.checkpoint import WEIGHTS, Checkpoint, open_checkpoint
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.load import parse_name
from seldfuse.errors import CheckpointError, PluginError
from seldfuse.features.stack import find_feature, stack_features
from seldfuse.nn.channels_last import order_channels_last
from seldfuse.nn.resnet_conformer import Trunk
from seldfuse.weights.find import WeightFiles


def _check_features(network: nn.Module, opened: Checkpoint) -> None:
    """Check that there are the features of a checkpoint, and that its network takes them. Raises CheckpointError."""
    names = ", ".join(opened.features)
    try:
        values = [find_feature(name) for name in opened.features]
    except PluginError as error:
        raise CheckpointError(f"the checkpoint takes {names}: {error}: {opened.folder}") from error
    set_statistics: Any = getattr(network, "set_statistics", None)
    if set_statistics is None:
        return
    channels, bins = sum(value.channels for value in values), values[0].bins
    try:
        # A network for other features cannot take these; the weights bring its own.
        set_statistics(torch.zeros(channels, bins), torch.ones(channels, bins))
        _check_trunks(network, channels)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"the network of the checkpoint does not take {names}, {channels} channels of {bins} bins: {opened.folder}"
        ) from error


def _check_trunks(network: nn.Module, channels: int) -> None:
    """Check that trunks take so many channels: one channel would stand in for several. Raises ValueError."""
    for module in network.modules():
        if isinstance(module, Trunk) and module.config.channels != channels:
            raise ValueError(f"the trunk takes {module.config.channels} channels, not {channels}")


class NetworkBackend:
    """A network with the weights of a checkpoint, called with the features and the tokens that the checkpoint names.

    `build(settings, labels)` makes the network that the checkpoint's `network` settings describe; it is called with
    stacked features and, where it was trained with encoders, their tokens by the encoders' names. `posterior(output,
    labels)` turns its output into a posterior. `encoders` are references as in `--set encoders`, with the versions that
    it was trained with. `provenance` names backend, checkpoint, the beginning of the SHA-256 of its weights, and the
    version of seldfuse; every posterior carries it.

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
        self.features = opened.features
        self.encoders: Mapping[str, str] = opened.config.get("encoders", {})
        self.posterior = posterior
        self.network = opened.build(build)
        if type(self).compute_features is NetworkBackend.compute_features:
            _check_features(self.network, opened)
        opened.load_into(self.network)
        order_channels_last(self.network)
        self.network.to(device).eval()
        self.provenance: Mapping[str, str] = {
            "backend": name,
            "checkpoint": opened.folder.name,
            "weights_sha256": WeightFiles(opened.folder / WEIGHTS, None).hash_version(),
            "seldfuse": seldfuse.__version__,
        }
        self._token_names = {reference: parse_name(reference) for reference in self.encoders}

    def compute_features(self, batch: ClipBatch) -> Float[Tensor, "batch channel time bin"]:
        """Compute what the network takes: the stacked features; a subclass may know better."""
        return stack_features(batch, self.features)

    @torch.inference_mode()
    def infer(self, batch: ClipBatch) -> Posterior:
        """Infer a posterior with one row for each window of `batch`."""
        features = self.compute_features(batch)
        tokens = {name: batch[reference] for reference, name in self._token_names.items()}
        output = self.network(features, tokens) if tokens else self.network(features)
        return replace(self.posterior(output, self.labels), provenance=self.provenance)
