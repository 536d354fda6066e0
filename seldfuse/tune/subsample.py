"""Fits of a few numbers to millions of cells need no more than some of them."""

from jaxtyping import Bool
from torch import Tensor


def subsample(chosen: Bool[Tensor, "*axes"], most: int) -> tuple[Tensor, ...]:
    """Find where `chosen` is true, an index for each axis; of more than `most` cells every n-th, always the same."""
    index = chosen.nonzero(as_tuple=True)
    every = max(1, -(-len(index[0]) // most))
    return tuple(axis[::every] for axis in index)
