"""Encoders as recipes and checkpoints name them: `name`, or `name@weights`."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.values import Encoder
from seldfuse.encoders.models import AudioEncoderModel, EncoderModel, ImageEncoderModel, LogmelEncoderModel
from seldfuse.errors import CheckpointError, PluginError

PROTOCOLS: dict[str, Any] = {"pictures": ImageEncoderModel, "audio": AudioEncoderModel, "logmel": LogmelEncoderModel}
"""What an encoder's model must be, by its input."""


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder of the catalogue, and its model on a device."""

    value: Encoder
    model: EncoderModel

    @property
    def name(self) -> str:
        """The encoder's own name, by which networks know its tokens, whatever its weights."""
        return self.value.name

    @property
    def version(self) -> str:
        return self.model.version


def find_encoder(reference: str, registry: Registry | None = None) -> Encoder:
    """Find the encoder behind `name` or `name@weights`. Raises PluginError where it is unknown or lacks an extra."""
    return _find(reference, registry).value


def parse_name(reference: str) -> str:
    """Give an encoder's own name, by which networks know its tokens, whatever its weights and however it was typed."""
    typed = reference.partition("@")[0]
    known = (entry.value.name for entry in load_registry().encoders.values() if entry.matches(typed))
    return next(known, typed)


def load_encoder(reference: str, device: torch.device, registry: Registry | None = None) -> LoadedEncoder:
    """Load the encoder behind `name` or `name@weights` onto a device; `weights` is a folder, a file or a hub name.

    Raises PluginError for an unknown name or an encoder that fails, UsageError and CheckpointError as it does itself,
    such as for missing weights.
    """
    entry = _find(reference, registry)
    value, distribution = entry.value, entry.distribution
    load = load_reference(value.load)
    with guard_plugin(f"encoder {reference!r} failed while it was loaded", f"tell the makers of {distribution}"):
        model = load(reference.partition("@")[2] or None, device)
        if not isinstance(model, PROTOCOLS[value.input]):
            attributes = ", ".join(sorted(PROTOCOLS[value.input].__annotations__))
            raise PluginError(
                f"{value.load} must return an encoder of {value.input} with {attributes} and encode(), "
                f"got {type(model).__name__}; tell the makers of {distribution}"
            )
        if model.name != value.name:
            raise PluginError(
                f"the encoder {value.name!r} must have that name, got {model.name!r}; tell the makers of {distribution}"
            )
    return LoadedEncoder(value, model)


@lru_cache(maxsize=4)
def load_encoder_cached(reference: str, device: str) -> LoadedEncoder:
    """Load an encoder once in each process. Raises as `load_encoder` does."""
    return load_encoder(reference, torch.device(device))


def check_version(encoder: LoadedEncoder, reference: str, version: str, network: str) -> None:
    """Check that the encoder behind a reference is the one that a network was trained with. Raises CheckpointError."""
    if encoder.version != version:
        raise CheckpointError(
            f"{network} was trained with {reference} of version {version}, here is {encoder.version}; "
            "get the weights, or the seldfuse, that the checkpoint came with, or train anew"
        )


def _find(reference: str, registry: Registry | None) -> CatalogueEntry[Encoder]:
    return (registry or load_registry()).find(Encoder, reference.partition("@")[0])
