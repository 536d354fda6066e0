"""Fits of a few numbers to millions of cells need no more than some of them."""

from jaxtyping import Bool
from torch import Tensor


def subsample(chosen: Bool[Tensor, "*axes"], most: int) -> tuple[Tensor, ...]:
    """Where `chosen` is true, an index for each axis; of more than `most` places every n-th, always the same ones."""
    places = chosen.nonzero(as_tuple=True)
    every = max(1, -(-len(places[0]) // most))
    return tuple(place[::every] for place in places)
