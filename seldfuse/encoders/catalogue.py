"""The encoders that there are, by name. What one needs is imported when it is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from seldfuse.encoders.audio_models import AudioEncoderModel
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.errors import UsageError

EncoderT = TypeVar("EncoderT")


@dataclass(frozen=True)
class Encoder(Generic[EncoderT]):
    """One line about an encoder, and how to load it from weights (None are its own) to a device."""

    summary: str
    load: Callable[[str | None, torch.device], EncoderT]


def load_image_encoder(name: str, weights: str | None, device: torch.device) -> ImageEncoderModel:
    """An encoder of pictures; `weights` is a folder, a file or a hub's name.

    Raises UsageError for an unknown name or without transformers, CheckpointError where weights are missing.
    """
    return _offer(PICTURE_ENCODERS, name, "pictures").load(weights, device)


def load_audio_encoder(name: str, weights: str | None, device: torch.device) -> AudioEncoderModel:
    """An encoder of sound; the rest is as for pictures."""
    return _offer(SOUND_ENCODERS, name, "sound").load(weights, device)


def _offer(offers: Mapping[str, Encoder[EncoderT]], name: str, what: str) -> Encoder[EncoderT]:
    if name not in offers:
        lines = "; ".join(f"{known}: {offer.summary}" for known, offer in offers.items())
        raise UsageError(f"no encoder of {what} is called {name!r}; there is {lines}")
    return offers[name]


def _compact_image(weights: str | None, device: torch.device) -> ImageEncoderModel:
    from seldfuse.encoders.compact_image import CompactImage

    if weights is not None:
        raise UsageError(f"{CompactImage.name} comes with its weights; leave @{weights} out")
    return CompactImage(device)


def _resnet50(weights: str | None, device: torch.device) -> ImageEncoderModel:
    from seldfuse.encoders.resnet50 import WEIGHTS, ResNet50

    return ResNet50(weights or WEIGHTS, device)


def _resnet50_map(weights: str | None, device: torch.device) -> ImageEncoderModel:
    from seldfuse.encoders.resnet50 import WEIGHTS, ResNet50Map

    return ResNet50Map(weights or WEIGHTS, device)


def _owlvit(weights: str | None, device: torch.device) -> ImageEncoderModel:
    from seldfuse.encoders.owlvit import WEIGHTS, OwlViT

    return OwlViT(weights or WEIGHTS, device)


def _clap(weights: str | None, device: torch.device) -> AudioEncoderModel:
    from seldfuse.encoders.clap import WEIGHTS, Clap

    return Clap(weights or WEIGHTS, device)


PICTURE_ENCODERS: Mapping[str, Encoder[ImageEncoderModel]] = {
    "compact-image": Encoder("14 columns, 5 times a second, ships with seldfuse", _compact_image),
    "resnet50": Encoder("7 columns of 7 rows of ResNet-50's mean map, 10 times a second", _resnet50),
    "resnet50-map": Encoder("49 places of ResNet-50's whole map, 10 times a second", _resnet50_map),
    "owlvit": Encoder("24 columns of OWL-ViT's patches, twice a second", _owlvit),
}
SOUND_ENCODERS: Mapping[str, Encoder[AudioEncoderModel]] = {
    "clap": Encoder("CLAP's embedding of a window and of every 100 ms", _clap),
}
