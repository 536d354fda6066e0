"""What each member's direction and distance are worth, class by class."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.directions import azimuth_from_direction
from seldfuse.fusion.averages import NEAREST_M
from seldfuse.fusion.perclass import PerClass
from seldfuse.geometry import fold_front
from seldfuse.posterior import Posterior
from seldfuse.tune.shrinkage import SHRINKAGE_FRAMES

HEARD = 0.3
"""A member is judged by the frames in which it hears something."""

LEAST_VARIANCE = {"direction": 2.0**2, "distance": 0.1**2}
"""Nobody is trusted beyond 2° and a tenth of the distance."""


def fit_weights(members: Mapping[str, Posterior], truth: Posterior) -> dict[str, dict[str, PerClass]]:
    """Weights of direction and distance by member, field and class: one over the mean squared error.

    Errors are of azimuth (folded to the front) and of the logarithm of the distance, towards the nearest true source of
    the class, in frames in which the member hears the class and it sounds. A class's error is joined by
    `SHRINKAGE_FRAMES` frames of the member's mean error. Weights of a field and class have the mean 1.
    """
    found: dict[str, dict[str, PerClass]] = {name: {} for name in members}
    for field in LEAST_VARIANCE:
        givers = {name: posterior for name, posterior in members.items() if field in posterior.provides}
        if len(givers) < 2:
            continue
        precision = torch.stack([1.0 / _variance(posterior, truth, field) for posterior in givers.values()])
        weight = precision / precision.mean(0)
        for name, row in zip(givers, weight, strict=True):
            names = truth.labels.names
            found[name][field] = dict(zip(names, (round(value, 3) for value in row.tolist()), strict=True))
    return found


def _variance(said: Posterior, truth: Posterior, field: str) -> Float[Tensor, "cls"]:
    error, known = _errors(said, truth, field)
    squares = torch.where(known, error.square(), 0.0).sum((0, 1, 3))
    frames = known.sum((0, 1, 3))
    mean = squares.sum() / frames.sum().clamp_min(1)
    return ((squares + SHRINKAGE_FRAMES * mean) / (frames + SHRINKAGE_FRAMES)).clamp_min(LEAST_VARIANCE[field])


def _errors(
    said: Posterior, truth: Posterior, field: str
) -> tuple[Float[Tensor, "clip frame cls track"], Bool[Tensor, "clip frame cls track"]]:
    """The distance on the field's scale to the nearest true source, and where there is one."""
    given, true = _scale(said, field).unsqueeze(-1), _scale(truth, field).unsqueeze(-2)
    there = (truth.activity > 0.5).unsqueeze(-2)
    apart = torch.where(there, (given - true).abs(), torch.inf).amin(-1)
    known = (said.activity > HEARD) & apart.isfinite() & ~given.squeeze(-1).isnan()
    return torch.where(known, apart, 0.0), known


def _scale(posterior: Posterior, field: str) -> Float[Tensor, "clip frame cls track"]:
    if field == "distance":
        assert posterior.distance is not None
        return posterior.distance.clamp_min(NEAREST_M).log()
    assert posterior.direction is not None
    folded_deg: Tensor = fold_front(azimuth_from_direction(posterior.direction))
    return folded_deg
