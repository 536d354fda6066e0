"""Encoders as recipes and checkpoints name them: `name`, or `name@weights`."""

from functools import lru_cache

import torch

from seldfuse.encoders.audio_models import AudioEncoderModel
from seldfuse.encoders.catalogue import PICTURE_ENCODERS, SOUND_ENCODERS, load_audio_encoder, load_image_encoder
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.errors import UsageError

EncoderModel = ImageEncoderModel | AudioEncoderModel


def parse_name(reference: str) -> str:
    """The encoder's own name, by which networks know its tokens, whatever its weights."""
    return reference.partition("@")[0]


def load_encoder(reference: str, device: torch.device) -> EncoderModel:
    """`weights` is a folder or a hub name. Raises UsageError for an unknown name, CheckpointError."""
    name, _, weights = reference.partition("@")
    if name in SOUND_ENCODERS:
        return load_audio_encoder(name, weights or None, device)
    if name in PICTURE_ENCODERS:
        return load_image_encoder(name, weights or None, device)
    raise UsageError(f"no encoder is called {name!r}; there are {', '.join([*PICTURE_ENCODERS, *SOUND_ENCODERS])}")


@lru_cache(maxsize=4)
def load_encoder_cached(reference: str, device: str) -> EncoderModel:
    """The same, loaded once in each process."""
    return load_encoder(reference, torch.device(device))
