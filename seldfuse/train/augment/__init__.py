"""Augmentation: a batch made different from step to step, its labels moved with its sound."""

import numpy as np

from seldfuse.train.augment.band_limit import band_limit
from seldfuse.train.augment.blind import blind
from seldfuse.train.augment.filters import filters
from seldfuse.train.augment.gain import gain
from seldfuse.train.augment.masks import masks
from seldfuse.train.augment.mixup import mixup
from seldfuse.train.augment.overlay import overlay
from seldfuse.train.augment.settings import Augment
from seldfuse.train.augment.shift import shift
from seldfuse.train.augment.swap import swap
from seldfuse.train.augment.wear import worn_by_codec
from seldfuse.train.batch import Batch

__all__ = [
    "Augment",
    "augmented",
    "band_limit",
    "blind",
    "filters",
    "gain",
    "masks",
    "mixup",
    "overlay",
    "shift",
    "swap",
    "worn_by_codec",
]


def augmented(batch: Batch, settings: Augment, rng: np.random.Generator) -> Batch:
    """The batch after swap, overlay, shift, filters, band limits, gain, masks, mixup and blinding, in that order.

    The codec is not among them: it needs audio, see `worn_by_codec`. What is not asked for draws no random number.
    """
    batch = swap(batch, settings.swap, rng)
    batch = overlay(batch, settings.overlay, rng)
    batch = shift(batch, settings.shift, rng)
    batch = filters(batch, settings.filters, rng)
    batch = band_limit(batch, settings.band_limit, rng)
    batch = gain(batch, settings.gain_db, rng)
    batch = masks(batch, settings.masks, rng)
    batch = mixup(batch, settings.mixup, rng)
    return blind(batch, settings.blind, rng)
