"""Several features as the channels of one picture."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features.batch import ClipBatch
from seldfuse.features.spectrum import SPECTRA_PER_FRAME


def stack(batch: ClipBatch, names: Sequence[str]) -> Float[Tensor, "batch channel time mel"]:
    """The named features side by side, five columns per 100 ms frame; a column too many at the end is dropped."""
    columns = batch.frames * SPECTRA_PER_FRAME
    return torch.cat([batch[name][:, :, :columns] for name in names], dim=1)


def mirrored(
    features: Float[Tensor, "batch channel time mel"], names: Sequence[str]
) -> Float[Tensor, "batch channel time mel"]:
    """What `stack` would give for the same sound with left and right exchanged."""
    parts, first = [], 0
    for name in names:
        width = CHANNELS.get(name, 1)
        parts.append(_MIRROR.get(name, lambda part: part)(features[:, first : first + width]))
        first += width
    return torch.cat(parts, dim=1)


CHANNELS = {"logmel": 2}
"""Channels of a feature where there is more than one."""

_MIRROR = {"logmel": lambda part: part.flip(1), "ild": torch.neg, "intensity": torch.neg}
