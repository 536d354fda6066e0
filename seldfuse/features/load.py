"""The functions behind the names of features."""

from functools import lru_cache, partial

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Feature
from seldfuse.core.clip_batch import ClipBatch, FeatureFunction


def find_function(name: str) -> FeatureFunction:
    """Find the function that computes a feature, or the tokens of an encoder of log-mel spectrograms.

    Raises PluginError where there is none, and CheckpointError where the encoder's weights are missing.
    """
    registry = load_registry()
    encoder = registry.encoders.get(name.partition("@")[0])
    if encoder is not None and encoder.value.input == "logmel":
        return partial(_encode, name)
    return load_reference(registry.find(Feature, name).value.compute)  # type: ignore[no-any-return]


def make_batch(audio: Float[Tensor, "batch 2 sample"], tokens: dict[str, Tensor] | None = None) -> ClipBatch:
    """Make a batch that computes any feature of the catalogue."""
    return ClipBatch(audio, find_function, tokens)


def _encode(reference: str, batch: ClipBatch) -> Float[Tensor, "batch frame token channel"]:
    return _load_encoder(reference, str(batch.device)).encode(batch["logmel"])  # type: ignore[attr-defined,no-any-return]


@lru_cache(maxsize=4)
def _load_encoder(reference: str, device: str) -> object:
    name, _, weights = reference.partition("@")
    return load_reference(load_registry().encoders[name].value.load)(weights or None, torch.device(device))
