"""How far off what is said is from what was true."""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import NEAREST_M

HEARD = 0.3
"""Errors are those of frames in which something is heard."""


def compute_errors(said: Posterior, truth: Posterior, field: str) -> Float[Tensor, "clip frame cls track"]:
    """Of azimuth (field `direction`, in degrees, folded to the front) or of the logarithm of the distance.

    Towards the nearest true source of the class; NaN where nothing is heard, nothing sounds, or either side says
    nothing. Both sides must have the field.
    """
    real = truth.activity > 0.5
    # Where both a source and a track are heard: few cells, and only there is anything to compare.
    at = (real.any(-1, keepdim=True) & (said.activity > HEARD)).nonzero(as_tuple=True)
    apart = _scale(said, field, at).unsqueeze(-1) - _scale(truth, field, at[:3])  # (cell, true track)
    there = real[at[:3]] & ~apart.isnan()
    nearest = torch.where(there, apart.abs(), torch.inf).argmin(-1, keepdim=True)
    found = torch.full_like(said.activity, torch.nan)
    found[at] = torch.where(there.any(-1), apart.gather(-1, nearest).squeeze(-1), torch.nan)
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
    value: Float[Tensor, "clip frame cls track"], said: Posterior
) -> Float[Tensor, "clip frame cls"]:
    """What a posterior's loudest track of each class has."""
    return value.gather(-1, said.activity.nan_to_num().argmax(-1, keepdim=True)).squeeze(-1)


def rank_active_tracks(said: Posterior, truth: Posterior) -> Float[Tensor, "clip frame cls track"]:
    """1 where as many sources of the class sound as a track has rank in loudness, else 0: which track means which
    source is not asked.
    """
    louder = said.activity.unsqueeze(-2) > said.activity.unsqueeze(-1)
    alike = said.activity.unsqueeze(-2) == said.activity.unsqueeze(-1)
    rank = 1 + (louder | alike.tril(-1)).sum(-1)
    return ((truth.activity > 0.5).sum(-1, keepdim=True) >= rank).float()
