"""The direct path per mel band: where it comes from, and how much of the sound it is.

With W = (L + R) / 2 and Y' = (L − R) / 2 one plane wave from azimuth θ has Y' = sin θ · W, and a diffuse field, such as
late reverberation, has a Y' that is independent of W, with a third of its power. So the covariance of W and √3·Y' is

    one plane wave of power p                 the diffuse field of power d
    p · ( 1          √3 sin θ )       +       d · ( 1  0 )
        ( √3 sin θ   3 sin² θ )                   ( 0  1 )

and its smaller eigenvalue is d, wherever the plane wave comes from. That leaves p, and sin θ without the pull to the
middle that reverberation has on level differences.

After an onset the direct sound is there first and its reflections are not yet (precedence effect). So covariances are
also averaged with weights that are 0 where a band is not louder than what has just been in it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.logmel import FLOOR_POWER
from seldfuse.features.power_shares import PowerShares
from seldfuse.features.smoothing import average_past, smooth

SHORT_STEPS, LONG_STEPS = 4, 50
"""Half widths of the Hann windows of averages, of 20 ms steps: they weigh like 80 ms and 1 s."""

PAST_STEPS = 3
"""The past fades by e in so many steps, 60 ms."""

ONSET_RISE = 4.0
"""Where the power is not at least so many times that of the past, there is no onset."""

LEAST_WEIGHT = 1e-4
"""Without any onset the average is that of all cells."""

LARGEST_SINE = 1.5
"""Two sources at once can give more than 1."""

LEAST_SHARE = 0.02
"""Directions of less of a direct path than this are drawn to the middle."""

Cells = Float[Tensor, "batch 1 time mel"]


class _Field(NamedTuple):
    """Averages of |W|², |Y'|² and Re(W·Y'*)."""

    mid: Cells
    side: Cells
    cross: Cells


def compute_direct(batch: ClipBatch) -> Float[Tensor, "batch 6 time mel"]:
    """Compute sin θ of the direct path in three channels, −1.5 to 1.5, and its share of |W|² in three more, 0 to 1.

    Each of the two over 80 ms, over 1 s, and over the onsets of 1 s. Silence is 0 throughout.
    """
    left, right = batch["mel_power"][:, :1], batch["mel_power"][:, 1:]
    cross = batch["mel_cross_power"]
    total = (left + right) / 2.0
    field = _Field((total + cross) / 2.0, (total - cross) / 2.0, (left - right) / 4.0)
    return _describe([_Field(*parts) for parts in zip(*(_average(part, total) for part in field), strict=True)])


def mirror_direct(features: Float[Tensor, "batch 6 time mel"]) -> Float[Tensor, "batch 6 time mel"]:
    """Compute the features with left and right exchanged: directions change sides, shares stay."""
    sine, share = features.chunk(2, dim=1)
    return torch.cat([-sine, share], dim=1)


def add_direct(
    first: Float[Tensor, "batch 6 time mel"], second: Float[Tensor, "batch 6 time mel"], shares: PowerShares
) -> Float[Tensor, "batch 6 time mel"]:
    """Compute the features of two sounds at once: their covariances add up.

    Directions and shares give back each covariance but for its size, which the powers have.
    """
    powers = [power.mean(dim=1, keepdim=True) for power in (shares.first, shares.second)]
    both = powers[0] + powers[1]
    fields = [_recover(part, _average(power, both)) for part, power in zip((first, second), powers, strict=True)]
    return _describe(
        [_Field(*(one + two for one, two in zip(*pair, strict=True))) for pair in zip(*fields, strict=True)]
    )


def _average(part: Cells, total: Cells) -> tuple[Cells, Cells, Cells]:
    """Averages over the short window, the long one, and the onsets within it, for which `total` is the power."""
    onset = _weigh_onsets(total)
    at_onsets = smooth(onset * part, LONG_STEPS) / smooth(onset, LONG_STEPS)
    return smooth(part, SHORT_STEPS), smooth(part, LONG_STEPS), at_onsets


def _weigh_onsets(power: Cells) -> Cells:
    """Between 0 and 1: how far the power of each cell stands above that of the moment before."""
    return (1.0 - ONSET_RISE * average_past(power, PAST_STEPS) / (power + FLOOR_POWER)).clamp_min(LEAST_WEIGHT)


def _describe(fields: Sequence[_Field]) -> Float[Tensor, "batch 6 time mel"]:
    mid, side, cross = (torch.cat(parts, dim=1) for parts in zip(*fields, strict=True))
    mid, side, cross = mid + FLOOR_POWER, 3.0 * side + FLOOR_POWER, math.sqrt(3.0) * cross
    diffuse = (mid + side) / 2.0 - torch.hypot((mid - side) / 2.0, cross)
    share = (1.0 - diffuse / mid).clamp(0.0, 1.0)
    sine = cross / math.sqrt(3.0) / (mid * (share + LEAST_SHARE))
    return torch.cat([sine.clamp(-LARGEST_SINE, LARGEST_SINE), share], dim=1)


def _recover(features: Float[Tensor, "batch 6 time mel"], totals: Sequence[Cells]) -> list[_Field]:
    """Find the covariances that `_describe` describes, whose |W|² and |Y'|² add up to `totals`."""
    sine, share = features.chunk(2, dim=1)
    cross = sine * (share + LEAST_SHARE)
    side = (1.0 - share) / 3.0 + cross.square() / share.clamp_min(LEAST_SHARE)
    mid = torch.cat(list(totals), dim=1) / (1.0 + side)
    return [
        _Field(*parts)
        for parts in zip(*((mid * part).split(1, dim=1) for part in (torch.ones_like(side), side, cross)), strict=True)
    ]
