"""Encoders as recipes and checkpoints name them: `name`, or `name@weights`."""

from functools import lru_cache

import torch

from seldfuse.errors import UsageError
from seldfuse.features.encoders.catalogue import PICTURE_ENCODERS, SOUND_ENCODERS, load_encoder, load_sound_encoder
from seldfuse.features.encoders.encoder import PictureEncoder
from seldfuse.features.encoders.sound_encoder import SoundEncoder

Encoder = PictureEncoder | SoundEncoder


def name_of(reference: str) -> str:
    """The encoder's own name, by which networks know its tokens, whatever its weights."""
    return reference.partition("@")[0]


def open_encoder(reference: str, device: torch.device) -> Encoder:
    """`weights` is a folder or a hub name. Raises UsageError for an unknown name, CheckpointError."""
    name, _, weights = reference.partition("@")
    if name in SOUND_ENCODERS:
        return load_sound_encoder(name, weights or None, device)
    if name in PICTURE_ENCODERS:
        return load_encoder(name, weights or None, device)
    raise UsageError(f"no encoder is called {name!r}; there are {', '.join([*PICTURE_ENCODERS, *SOUND_ENCODERS])}")


@lru_cache(maxsize=4)
def opened_encoder(reference: str, device: str) -> Encoder:
    """The same, loaded once in each process."""
    return open_encoder(reference, torch.device(device))
