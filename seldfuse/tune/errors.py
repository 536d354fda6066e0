"""Errors of predicted azimuths and distances."""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import NEAREST_M

ACTIVE_ABOVE = 0.3
"""Errors are those of tracks whose activity exceeds this."""


def compute_errors(estimate: Posterior, target: Posterior, field: str) -> Float[Tensor, "clip frame cls track"]:
    """Compute errors of azimuth (field `direction`, in degrees, folded to the front) or of the distance's logarithm.

    An error is measured to the nearest target source of the class; NaN where no track is detected, no source is
    active, or either side is unknown. Both sides must have the field.
    """
    active = target.activity > 0.5
    # Where both a source is active and a track is detected: few cells, and only there is anything to compare.
    at = (active.any(-1, keepdim=True) & (estimate.activity > ACTIVE_ABOVE)).nonzero(as_tuple=True)
    difference = _scale(estimate, field, at).unsqueeze(-1) - _scale(target, field, at[:3])  # (cell, target track)
    comparable = active[at[:3]] & ~difference.isnan()
    nearest = torch.where(comparable, difference.abs(), torch.inf).argmin(-1, keepdim=True)
    found = torch.full_like(estimate.activity, torch.nan)
    found[at] = torch.where(comparable.any(-1), difference.gather(-1, nearest).squeeze(-1), torch.nan)
    return found


def _scale(posterior: Posterior, field: str, at: tuple[Tensor, ...]) -> Tensor:
    """Azimuth in degrees, folded to the front, or the logarithm of the distance, at some cells."""
    if field == "distance":
        assert posterior.distance is not None
        return posterior.distance[at].clamp_min(NEAREST_M).log()
    assert posterior.direction is not None
    folded_deg: Tensor = fold_azimuth(azimuth_from_direction(posterior.direction[at]))
    return folded_deg


def take_loudest_track(
    value: Float[Tensor, "clip frame cls track"], estimate: Posterior
) -> Float[Tensor, "clip frame cls"]:
    """Take the value of the loudest track of each class of a posterior."""
    return value.gather(-1, estimate.activity.nan_to_num().argmax(-1, keepdim=True)).squeeze(-1)


def rank_active_tracks(estimate: Posterior, target: Posterior) -> Float[Tensor, "clip frame cls track"]:
    """Mark the tracks whose rank in loudness is at most the number of active sources of the class: 1 there, else 0.

    Tracks are not matched to sources.
    """
    louder = estimate.activity.unsqueeze(-2) > estimate.activity.unsqueeze(-1)
    alike = estimate.activity.unsqueeze(-2) == estimate.activity.unsqueeze(-1)
    rank = 1 + (louder | alike.tril(-1)).sum(-1)
    return ((target.activity > 0.5).sum(-1, keepdim=True) >= rank).float()
