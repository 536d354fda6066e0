"""How far off an estimate is from the truth."""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import NEAREST_M

ACTIVE_ABOVE = 0.3
"""Errors are those of frames in which the estimate is active."""


def compute_errors(estimate: Posterior, truth: Posterior, field: str) -> Float[Tensor, "clip frame cls track"]:
    """Compute errors of azimuth (field `direction`, in degrees, folded to the front) or of the logarithm of distance.

    Towards the nearest true source of the class; NaN where either side is silent or does not know the
    field. Both sides must have it.
    """
    real = truth.activity > 0.5
    # Where both a source and a track are active: few cells, and only there is anything to compare.
    at = (real.any(-1, keepdim=True) & (estimate.activity > ACTIVE_ABOVE)).nonzero(as_tuple=True)
    apart = _scale(estimate, field, at).unsqueeze(-1) - _scale(truth, field, at[:3])  # (cell, true track)
    there = real[at[:3]] & ~apart.isnan()
    nearest = torch.where(there, apart.abs(), torch.inf).argmin(-1, keepdim=True)
    found = torch.full_like(estimate.activity, torch.nan)
    found[at] = torch.where(there.any(-1), apart.gather(-1, nearest).squeeze(-1), torch.nan)
    return found


def _scale(posterior: Posterior, field: str, at: tuple[Tensor, ...]) -> Tensor:
    """Select azimuth in degrees, folded to the front, or the logarithm of the distance, at some cells."""
    if field == "distance":
        assert posterior.distance is not None
        return posterior.distance[at].clamp_min(NEAREST_M).log()
    assert posterior.direction is not None
    folded_deg: Tensor = fold_azimuth(azimuth_from_direction(posterior.direction[at]))
    return folded_deg


def take_loudest_track(
    value: Float[Tensor, "clip frame cls track"], estimate: Posterior
) -> Float[Tensor, "clip frame cls"]:
    """Take the value of a posterior's loudest track of each class."""
    return value.gather(-1, estimate.activity.nan_to_num().argmax(-1, keepdim=True)).squeeze(-1)


def rank_active_tracks(estimate: Posterior, truth: Posterior) -> Float[Tensor, "clip frame cls track"]:
    """Mark with 1 where as many sources of the class sound as a track has rank in loudness: which track means which
    source is not asked.
    """
    louder = estimate.activity.unsqueeze(-2) > estimate.activity.unsqueeze(-1)
    alike = estimate.activity.unsqueeze(-2) == estimate.activity.unsqueeze(-1)
    rank = 1 + (louder | alike.tril(-1)).sum(-1)
    return ((truth.activity > 0.5).sum(-1, keepdim=True) >= rank).float()
