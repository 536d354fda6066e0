"""Several features as the channels of one picture."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.spectrum import SPECTRA_PER_FRAME


def stack_features(batch: ClipBatch, names: Sequence[str]) -> Float[Tensor, "batch channel time mel"]:
    """The named features side by side, five columns per 100 ms frame; a column too many at the end is dropped."""
    columns = batch.frames * SPECTRA_PER_FRAME
    return torch.cat([batch[name][:, :, :columns] for name in names], dim=1)


def mirror_features(
    features: Float[Tensor, "batch channel time mel"], names: Sequence[str]
) -> Float[Tensor, "batch channel time mel"]:
    """What `stack_features` would give for the same sound with left and right exchanged."""
    places = find_channel_slices(names)
    return torch.cat([_MIRROR.get(name, lambda part: part)(features[:, places[name]]) for name in names], dim=1)


def find_channel_slices(names: Sequence[str]) -> dict[str, slice]:
    """Which channels of a stack each feature fills."""
    widths = [CHANNELS.get(name, 1) for name in names]
    return {name: slice(end - width, end) for name, width, end in zip(names, widths, accumulate(widths), strict=True)}


def find_mel_channels(names: Sequence[str]) -> list[int]:
    """The channels of a stack whose last axis counts mel bands, and not lags."""
    places = find_channel_slices(names)
    return [channel for name in names if name in MEL for channel in range(places[name].start, places[name].stop)]


CHANNELS = {"logmel": 2}
"""Channels of a feature where there is more than one."""

MEL = frozenset({"logmel", "ild", "intensity"})
"""Features by mel band."""

_MIRROR = {"logmel": lambda part: part.flip(1), "ild": torch.neg, "intensity": torch.neg}
