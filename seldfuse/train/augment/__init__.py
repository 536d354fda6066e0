"""Augmentation: a batch made different from step to step, its labels moved with its sound."""

import numpy as np

from seldfuse.train.augment.band_limit import limit_bandwidth
from seldfuse.train.augment.blind import drop_picture
from seldfuse.train.augment.codec import encode_lossy
from seldfuse.train.augment.filters import filter_bands
from seldfuse.train.augment.gain import change_gain
from seldfuse.train.augment.masks import mask_bands_and_time
from seldfuse.train.augment.mixup import mix_clips
from seldfuse.train.augment.overlay import overlay_clips
from seldfuse.train.augment.settings import AugmentationSettings
from seldfuse.train.augment.shift import shift_bands
from seldfuse.train.augment.swap import swap_channels
from seldfuse.train.batch import TrainingBatch

__all__ = [
    "AugmentationSettings",
    "augment_batch",
    "change_gain",
    "drop_picture",
    "encode_lossy",
    "filter_bands",
    "limit_bandwidth",
    "mask_bands_and_time",
    "mix_clips",
    "overlay_clips",
    "shift_bands",
    "swap_channels",
]


def augment_batch(batch: TrainingBatch, settings: AugmentationSettings, rng: np.random.Generator) -> TrainingBatch:
    """The batch after swap, overlay, shift, filters, band limits, gain, masks, mixup and blinding, in that order.

    The codec is not among them: it needs audio, see `encode_lossy`. What is not asked for draws no random number.
    """
    batch = swap_channels(batch, settings.channel_swap, rng)
    batch = overlay_clips(batch, settings.overlay, rng)
    batch = shift_bands(batch, settings.band_shift, rng)
    batch = filter_bands(batch, settings.band_filter, rng)
    batch = limit_bandwidth(batch, settings.band_limit, rng)
    batch = change_gain(batch, settings.gain_db, rng)
    batch = mask_bands_and_time(batch, settings.spec_mask, rng)
    batch = mix_clips(batch, settings.mixup, rng)
    return drop_picture(batch, settings.drop_picture, rng)
