"""Tokens of encoders that take log-mel spectrograms."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.encoders.load import LoadedEncoder
from seldfuse.encoders.models import LogmelEncoderModel


@torch.no_grad()
def encode_logmels(
    logmel: Float[Tensor, "batch 2 time mel"], encoders: Iterable[LoadedEncoder]
) -> dict[str, Float[Tensor, "batch frame token channel"]]:
    """Encode log-mel spectrograms with each encoder, by the encoders' names."""
    tokens = {}
    for encoder in encoders:
        assert isinstance(encoder.model, LogmelEncoderModel)
        tokens[encoder.name] = encoder.model.encode(logmel)
    return tokens
