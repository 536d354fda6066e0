"""The functions behind the names of features."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import describe_cause, load_reference
from seldfuse.catalogue.registry import Registry
from seldfuse.catalogue.values import Encoder, Feature
from seldfuse.core.clip_batch import ClipBatch, FeatureFunction
from seldfuse.core.device import is_out_of_memory
from seldfuse.errors import PluginError, SeldfuseError
from seldfuse.features.spectrum import SPECTRA_PER_FRAME

EncodeLogmel = Callable[[Tensor], Tensor]
"""From log-mel spectrograms `(batch, 2, time, mel)` to tokens `(batch, frame, token, channel)`."""


def find_function(name: str, registry: Registry | None = None) -> FeatureFunction:
    """Find the function that computes a feature, or the tokens of an encoder of log-mel spectrograms.

    Raises PluginError where there is none, and CheckpointError where the encoder's weights are missing.
    """
    registry = registry or load_registry()
    typed = name.partition("@")[0]
    encoder = next((entry.value for entry in registry.encoders.values() if entry.matches(typed)), None)
    if encoder is not None and encoder.input == "logmel":
        return lambda batch: _encode(_load_encoder(name, str(batch.device), registry), batch)
    return partial(_compute, registry.find(Feature, name).value)


def make_batch(
    audio: Float[Tensor, "batch 2 sample"],
    tokens: Mapping[str, Tensor] | None = None,
    encoders: Mapping[str, EncodeLogmel] = MappingProxyType({}),
    registry: Registry | None = None,
) -> ClipBatch:
    """Make a batch that computes any feature of the catalogue, and tokens of log-mel spectrograms.

    `encoders` are those of log-mel spectrograms that are loaded already, by their references.
    """

    def find(name: str) -> FeatureFunction:
        return partial(_encode, encoders[name]) if name in encoders else find_function(name, registry)

    return ClipBatch(audio, find, tokens)


def _compute(value: Feature, batch: ClipBatch) -> Tensor:
    try:
        return load_reference(value.compute)(batch)  # type: ignore[no-any-return]
    except Exception as error:
        # Training tells of memory that ran out by the error itself.
        if isinstance(error, SeldfuseError) or is_out_of_memory(error):
            raise
        raise PluginError(f"feature {value.name!r} failed in {value.compute}: {describe_cause(error)}") from error


def _encode(encode: EncodeLogmel, batch: ClipBatch) -> Float[Tensor, "batch frame token channel"]:
    return encode(batch["logmel"][:, :, : batch.frames * SPECTRA_PER_FRAME])


@lru_cache(maxsize=4)
def _load_encoder(reference: str, device: str, registry: Registry) -> EncodeLogmel:
    name, _, weights = reference.partition("@")
    load = load_reference(registry.find(Encoder, name).value.load)
    return load(weights or None, torch.device(device)).encode  # type: ignore[no-any-return]
