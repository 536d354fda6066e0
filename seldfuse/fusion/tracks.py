"""Tracks have no order of their own: which track of one posterior is which of another."""

from collections.abc import Mapping
from itertools import permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MAX_TRACKS = 6
"""All permutations are tried, 720 at six tracks."""


def cosines(
    one: Float[Tensor, "*cell track 3"], other: Float[Tensor, "*cell track 3"]
) -> Float[Tensor, "*cell track track"]:
    """Cosine of the angle between every direction of `one` (rows) and every one of `other` (columns)."""
    return (one.unsqueeze(-2) * other.unsqueeze(-3)).sum(-1)


def affinity(reference: Mapping[str, Tensor], member: Mapping[str, Tensor]) -> Float[Tensor, "*cell track track"]:
    """How well each track of `member` (columns) fits each of `reference` (rows): activity × activity × cosine.

    Both map field names to tensors `[*cell, track]`. A silent track fits everywhere equally, so that it never draws an
    active one to itself. Where either side knows no direction the cosine is 1 and activities alone decide.
    """
    fit = reference["activity"].unsqueeze(-1) * member["activity"].unsqueeze(-2)
    if "direction" in reference and "direction" in member:
        fit = fit * cosines(reference["direction"], member["direction"]).nan_to_num(1.0)
    return fit


def best_permutation(fit: Float[Tensor, "*cell track track"]) -> Int[Tensor, "*cell track"]:
    """For each row of `fit` its column, so that the sum over rows is greatest; among equals the first in order.

    Raises ValueError above `MAX_TRACKS` tracks.
    """
    tracks = fit.shape[-1]
    if tracks > MAX_TRACKS:
        raise ValueError(f"at most {MAX_TRACKS} tracks can be matched, got {tracks}")
    orders = torch.tensor(list(permutations(range(tracks))), device=fit.device)
    chosen = F.one_hot(orders, tracks).flatten(1).to(fit)
    return orders[(fit.flatten(-2) @ chosen.T).argmax(-1)]


def reordered(value: Tensor, order: Int[Tensor, "*cell track"]) -> Tensor:
    """A field `[*cell, track]` or `[*cell, track, 3]` whose track k is the former track `order[..., k]`."""
    return picked(value, order, order.ndim - 1)


def picked(value: Tensor, index: Int[Tensor, "*axes"], dim: int) -> Tensor:
    """`value.gather(dim, index)`, one index for all of x, y and z where `value` has one axis more."""
    if value.ndim > index.ndim:
        index = index.unsqueeze(-1).expand(*index.shape, value.shape[-1])
    return value.gather(dim, index)
