"""The functions behind the names of features."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Encoder, Feature
from seldfuse.core.clip_batch import ClipBatch, FeatureFunction
from seldfuse.core.device import is_out_of_memory
from seldfuse.errors import PluginError
from seldfuse.features.spectrum import SPECTRA_PER_FRAME

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

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
    return partial(_compute, registry.find(Feature, name))


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


def _compute(entry: CatalogueEntry[Feature], batch: ClipBatch) -> Tensor:
    value, before = entry.value, batch.count_writes()
    compute = load_reference(value.compute)
    # Training tells of memory that ran out by the error itself.
    with guard_plugin(f"feature {value.name!r} failed in {value.compute}", _blame(entry), lets_by=is_out_of_memory):
        computed = compute(batch)
    _check_computed(entry, computed, batch)
    if written := batch.find_written(before):
        raise PluginError(f"feature {value.name!r} wrote into {written}, which others share; {_blame(entry)}")
    return computed  # type: ignore[no-any-return]


def _check_computed(entry: CatalogueEntry[Feature], computed: Any, batch: ClipBatch) -> None:
    """Check what a feature's function gave; its shape is checked where it is stacked. Raises PluginError."""
    value = entry.value
    if not isinstance(computed, Tensor) or computed.device != batch.device or computed.layout != torch.strided:
        found = f"one on {computed.device}" if isinstance(computed, Tensor) else type(computed).__name__
        raise PluginError(f"feature {value.name!r} must give a tensor on {batch.device}, gave {found}; {_blame(entry)}")
    if value.listed and not (computed.dtype in FLOATS and computed.ndim == 4 and len(computed) == len(batch)):
        raise PluginError(
            f"feature {value.name!r} must give numbers (batch, channel, time, bin) for {len(batch)} windows, gave "
            f"{computed.dtype} {tuple(computed.shape)}; {_blame(entry)}"
        )


def _blame(entry: CatalogueEntry[Any]) -> str:
    return f"tell the makers of {entry.distribution}"


def _encode(encode: EncodeLogmel, batch: ClipBatch) -> Float[Tensor, "batch frame token channel"]:
    logmel = batch["logmel"][:, :, : batch.frames * SPECTRA_PER_FRAME]
    with guard_plugin(
        "an encoder of log-mel spectrograms failed", "leave out the backend that asks for it", lets_by=is_out_of_memory
    ):
        return encode(logmel)


@lru_cache(maxsize=4)
def _load_encoder(reference: str, device: str, registry: Registry) -> EncodeLogmel:
    name, _, weights = reference.partition("@")
    load = load_reference(registry.find(Encoder, name).value.load)
    return load(weights or None, torch.device(device)).encode  # type: ignore[no-any-return]
