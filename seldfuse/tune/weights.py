"""Weights of members, field by field and class by class."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.tune.errors import compute_errors, take_loudest_track
from seldfuse.tune.shrinkage import SHRINKAGE_FRAMES
from seldfuse.tune.subsample import subsample

LEAST_VARIANCE = {"direction": 2.0**2, "distance": 0.1**2}
"""No member's error counts as smaller than 2° or a tenth of the distance."""
AUDIBLE = 0.05
"""Cells in which no member's activity exceeds this are not compared."""
MOST_CELLS = 400_000
ROUNDS = 40


def fit_weights(members: Mapping[str, Posterior], target: Posterior) -> dict[str, dict[str, ClassValues]]:
    """Fit weights by member, field and class, of the mean 1 in each field and class.

    Those of direction and distance are one over the mean squared error, of azimuth and of the logarithm of the
    distance. Those of activity and on-screen are the shares of a linear pool under which the target is likeliest (found
    by expectation maximisation: Dempster, Laird & Rubin, J. R. Stat. Soc. B 39(1), 1977). In each, a class is joined
    by `SHRINKAGE_FRAMES` frames of all classes.
    """
    found: dict[str, dict[str, ClassValues]] = {name: {} for name in members}
    for field in ("activity", "direction", "distance", "onscreen"):
        if field not in target.provides:
            continue
        providers = {name: posterior for name, posterior in members.items() if field in posterior.provides}
        if len(providers) < 2:
            continue
        if field in LEAST_VARIANCE:
            worth = torch.stack([1.0 / _variance(posterior, target, field) for posterior in providers.values()])
        else:
            worth = _solve_shares(*_chances(list(providers.values()), target, field), len(target.labels))
        names = target.labels.names
        for name, row in zip(providers, worth / worth.mean(0), strict=True):
            found[name][field] = dict(zip(names, (round(value, 3) for value in row.tolist()), strict=True))
    return found


def _variance(estimate: Posterior, target: Posterior, field: str) -> Float[Tensor, "cls"]:
    error = compute_errors(estimate, target, field)
    squares = error.square().nansum((0, 1, 3))
    frames = (~error.isnan()).sum((0, 1, 3))
    mean = squares.sum() / frames.sum().clamp_min(1)
    return ((squares + SHRINKAGE_FRAMES * mean) / (frames + SHRINKAGE_FRAMES)).clamp_min(LEAST_VARIANCE[field])


def _chances(members: list[Posterior], target: Posterior, field: str) -> tuple[Float[Tensor, "member cell"], Tensor]:
    """Compute the probability that each member gave to the target, and the class of each cell.

    A cell is a class of a frame, of whose tracks the loudest counts. On-screen is compared where one source sounds.
    """
    most = torch.stack([member.activity.amax(-1) for member in members])
    sounds = (target.activity > 0.5).sum(-1)
    compared = (most.nan_to_num() > AUDIBLE).any(0) & ~most.isnan().any(0)
    estimate, positive = most, sounds > 0
    if field == "onscreen":
        assert target.onscreen is not None
        given = [member.onscreen for member in members if member.onscreen is not None]
        estimate = torch.stack(
            [take_loudest_track(value, member) for value, member in zip(given, members, strict=True)]
        )
        only = target.onscreen.gather(-1, (target.activity > 0.5).int().argmax(-1, keepdim=True)).squeeze(-1)
        compared, positive = compared & (sounds == 1) & ~only.isnan() & ~estimate.isnan().any(0), only > 0.5
    where = subsample(compared, MOST_CELLS)
    chance = estimate.movedim(0, -1)[where].T
    return torch.where(positive[where], chance, 1 - chance).clamp(ODDS_EPSILON, 1.0), where[2]


def _solve_shares(chance: Float[Tensor, "member cell"], cls: Tensor, classes: int) -> Float[Tensor, "member cls"]:
    share = torch.full((len(chance), classes), 1.0 / len(chance), device=chance.device)
    for _ in range(ROUNDS):
        part = share[:, cls] * chance
        owed = torch.zeros_like(share).index_add_(1, cls, part / part.sum(0))
        pooled = owed.sum(1, keepdim=True)
        owed = owed + SHRINKAGE_FRAMES * pooled / pooled.sum().clamp_min(1.0)
        share = owed / owed.sum(0)
    return share
