"""Tracks have no order of their own: which track of one posterior is which of another."""

from collections.abc import Mapping
from functools import cache
from itertools import permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MAX_TRACKS = 6
"""All permutations are tried, 720 at six tracks."""


def compute_cosines(
    one: Float[Tensor, "*cell row 3"], other: Float[Tensor, "*cell column 3"]
) -> Float[Tensor, "*cell row column"]:
    """Compute the cosine of the angle between every direction of `one` (rows) and every one of `other` (columns)."""
    axes = zip(one.unbind(-1), other.unbind(-1), strict=True)
    x, y, z = (mine.unsqueeze(-1) * theirs.unsqueeze(-2) for mine, theirs in axes)
    return x + y + z


def compute_affinity(
    reference: Mapping[str, Tensor], member: Mapping[str, Tensor]
) -> Float[Tensor, "*cell row column"]:
    """Compute how well tracks of `member` (columns) fit those of `reference` (rows): activity × activity × cosine.

    Both map field names to tensors `[*cell, track]`, of which one may have fewer tracks than the other. A silent track
    fits everywhere equally, so that it never draws an active one to itself. Where either side knows no direction the
    cosine is 1 and activities alone decide.
    """
    fit = reference["activity"].unsqueeze(-1) * member["activity"].unsqueeze(-2)
    if "direction" in reference and "direction" in member:
        fit = fit * compute_cosines(reference["direction"], member["direction"]).nan_to_num(1.0)
    return fit


def find_best_permutation(fit: Float[Tensor, "*cell row column"]) -> Int[Tensor, "*cell row"]:
    """Find for each row of `fit` its column, so that the sum over rows is greatest; among equals the first in order.

    There may be fewer columns than rows: those that are lacking fit everywhere equally, and get the numbers that
    follow. Raises ValueError above `MAX_TRACKS` tracks.
    """
    rows, columns = fit.shape[-2:]
    if rows > MAX_TRACKS:
        raise ValueError(f"at most {MAX_TRACKS} tracks can be matched, got {rows}")
    orders = torch.tensor(_orders(rows, columns), device=fit.device)
    chosen = F.one_hot(orders, rows)[..., :columns].flatten(1).to(fit)
    return orders[(fit.flatten(-2) @ chosen.T).argmax(-1)]


@cache
def _orders(rows: int, columns: int) -> tuple[tuple[int, ...], ...]:
    """List all permutations, but of those that differ only in columns that are lacking the first alone."""
    first: dict[tuple[int, ...], tuple[int, ...]] = {}
    for order in permutations(range(rows)):
        first.setdefault(tuple(min(column, columns) for column in order), order)
    return tuple(first.values())


def reorder_tracks(value: Tensor, order: Int[Tensor, "*cell track"]) -> Tensor:
    """Reorder a field `[*cell, track]` or `[*cell, track, 3]`: track k is the former track `order[..., k]`."""
    return take_along_track(value, order, order.ndim - 1)


def take_along_track(value: Tensor, index: Int[Tensor, "*axes"], dim: int) -> Tensor:
    """Gather as `value.gather(dim, index)` does, one index for all of x, y and z where `value` has one axis more."""
    if value.ndim > index.ndim:
        index = index.unsqueeze(-1).expand(*index.shape, value.shape[-1])
    return value.gather(dim, index)
