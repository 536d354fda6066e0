"""Level difference between left and right: where a source is, as the challenge's stereo pair is coincident."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.logmel import FLOOR_POWER
from seldfuse.features.power_shares import PowerShares

_DB = 10.0 / math.log(10.0)


def compute_ild(batch: ClipBatch) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the level difference in dB, left over right, per mel band: +9.5 dB for one source at +30°."""
    power = batch["mel_power"].clamp_min(FLOOR_POWER)
    return 10.0 * (power[:, :1] / power[:, 1:]).log10()


def add_ild(
    first: Float[Tensor, "batch 1 time mel"], second: Float[Tensor, "batch 1 time mel"], shares: PowerShares
) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the level difference of two sounds at once, in dB, from the share of each that is on its left."""
    one, two = shares.bands
    left = one * torch.sigmoid(first / _DB) + two * torch.sigmoid(second / _DB)
    return _DB * torch.logit(left / (one + two), eps=1e-6)
