"""The direct path per mel band: where it comes from, and how much of the sound it is.

With W = (L + R) / 2 and Y' = (L − R) / 2 one plane wave from azimuth θ has Y' = sin θ · W, and a diffuse field, such as
late reverberation, has a Y' that is independent of W, with a third of its power. So the covariance of W and √3·Y' is

    one plane wave of power p               a diffuse field of power d
    p · ( 1          √3 sin θ )       +     d · ( 1  0 )
        ( √3 sin θ   3 sin² θ )                 ( 0  1 )

and its smaller eigenvalue is d, wherever the plane wave comes from. That leaves p, and sin θ without the pull to the
middle that reverberation has on level differences.

After an onset the direct sound is there, and its reflections are not yet. So covariances are also averaged with the
weights of `onsets`.

Diffuseness from the eigenvalues of a covariance: N. Epain, C. T. Jin, "Spherical harmonic signal covariance and sound
field diffuseness", IEEE/ACM TASLP 24, 2016. What it is worth is measured in `docs/training.md`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.logmel import FLOOR_POWER
from seldfuse.features.onsets import weigh_onsets
from seldfuse.features.power_shares import PowerShares
from seldfuse.features.smoothing import smooth

SHORT_STEPS, LONG_STEPS = 4, 50
"""Half widths of the Hann windows, in steps of 20 ms: averages over about 80 ms and 1 s."""

LEAST_WEIGHT = 1e-4
"""Of cells without an onset: where there is none far and wide, the average is that of all cells."""

LARGEST_SINE = 1.5
"""More than 1 is possible where two sources sound at once."""

LEAST_SHARE = 0.1
"""Directions of a direct path of no more than this are drawn to the middle: nothing is known where it is lost in
reverberation, or where two sources of different sides are as loud.
"""

_TINY = 1e-3

Covariance = Float[Tensor, "batch 3 scale time mel"]
"""|W|², |Y'|² and Re(W·Y'*), averaged over the short window, the long one, and the onsets of the long one."""


def compute_direct(batch: ClipBatch) -> Float[Tensor, "batch 6 time mel"]:
    """Compute sin θ of the direct path in three channels, −1.5 to 1.5, and its share of |W|² in three more, 0 to 1.

    Each of the two over 80 ms, over 1 s, and over the onsets of 1 s. Silence is 0 throughout.
    """
    left, right = batch["mel_power"].unbind(dim=1)
    cross = batch["mel_cross_power"].squeeze(1)
    total = (left + right) / 2.0
    cells = torch.stack([(total + cross) / 2.0, (total - cross) / 2.0, (left - right) / 4.0], dim=1)
    return _describe(_average(cells, total.unsqueeze(1)))


def mirror_direct(features: Float[Tensor, "batch 6 time mel"]) -> Float[Tensor, "batch 6 time mel"]:
    """Compute the features with left and right exchanged: directions change sides, shares stay."""
    sine, share = features.chunk(2, dim=1)
    return torch.cat([-sine, share], dim=1)


def add_direct(
    first: Float[Tensor, "batch 6 time mel"], second: Float[Tensor, "batch 6 time mel"], shares: PowerShares
) -> Float[Tensor, "batch 6 time mel"]:
    """Compute the features of two sounds at once, whose covariances add up.

    Direction and share tell each covariance but for its size, which follows from the powers.
    """
    one, two = (power.mean(dim=1, keepdim=True) for power in (shares.first, shares.second))
    totals = _average(torch.cat([one, two], dim=1), one + two)
    return _describe(_recover(first, totals[:, :1]) + _recover(second, totals[:, 1:]))


def _average(
    cells: Float[Tensor, "batch part time mel"], power: Float[Tensor, "batch 1 time mel"]
) -> Float[Tensor, "batch part scale time mel"]:
    """Average over the short window, the long one, and the onsets of the long one, which `power` has."""
    onset = weigh_onsets(power).clamp_min(LEAST_WEIGHT)
    at_onsets = smooth(onset * cells, LONG_STEPS) / smooth(onset, LONG_STEPS)
    return torch.stack([smooth(cells, SHORT_STEPS), smooth(cells, LONG_STEPS), at_onsets], dim=2)


def _describe(covariance: Covariance) -> Float[Tensor, "batch 6 time mel"]:
    mid, side, cross = covariance.unbind(dim=1)
    mid, side = mid + FLOOR_POWER, 3.0 * side + FLOOR_POWER
    diffuse = (mid + side) / 2.0 - ((mid - side).square() / 4.0 + 3.0 * cross.square()).sqrt()
    share = (1.0 - diffuse / mid).clamp(0.0, 1.0)
    sine = cross / mid * share / (share.square() + LEAST_SHARE**2)
    return torch.cat([sine.clamp(-LARGEST_SINE, LARGEST_SINE), share], dim=1)


def _recover(features: Float[Tensor, "batch 6 time mel"], total: Float[Tensor, "batch 1 scale time mel"]) -> Covariance:
    """Find the covariances that `_describe` describes, whose |W|² and |Y'|² add up to `total`."""
    sine, share = features.chunk(2, dim=1)
    share = share.clamp_min(_TINY)
    cross = sine * (share.square() + LEAST_SHARE**2) / share
    side = (1.0 - share) / 3.0 + cross.square() / share
    return torch.stack([torch.ones_like(side), side, cross], dim=1) * (total / (1.0 + side.unsqueeze(1)))
