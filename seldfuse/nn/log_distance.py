"""Distance as a Laplace distribution of its logarithm: a network that is unsure widens it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.nn.heads import build_mlp_head

NEAREST_M, FARTHEST_M = 0.05, 50.0
NARROWEST, WIDEST = 0.03, 0.6
"""Bounds of the scale of the distribution. Distances even in the logarithm from 0.5 to 6 m have the wider one."""


class DistanceHead(nn.Module):
    """Two values for each class, first those of the median, then those of the scale.

    A part of them is common to all classes: how far a sound comes is learned from whatever sounds.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.layers = build_mlp_head(dim, 2 * (1 + classes))

    def forward(self, x: Float[Tensor, "batch frame dim"]) -> Float[Tensor, "batch frame twice"]:
        values = self.layers(x).unflatten(-1, (2, -1))
        return (values[..., :1] + values[..., 1:]).flatten(-2)  # type: ignore[no-any-return]


def split_distance(values: Float[Tensor, "*shape twice"]) -> tuple[Tensor, Tensor]:
    """Split a head's output into the median of the logarithm of the distance in metres and the scale around it."""
    median, raw = values.float().chunk(2, dim=-1)
    scale = NARROWEST + (WIDEST - NARROWEST) * raw.sigmoid()
    return median.clamp(math.log(NEAREST_M), math.log(FARTHEST_M)), scale


def read_distance(
    values: Float[Tensor, "*shape twice"],
) -> tuple[Float[Tensor, "*shape cls"], Float[Tensor, "*shape cls"]]:
    """Read the distance in metres, and the standard deviation of its logarithm.

    The distance is the one whose relative error is least to be expected: the median of the distribution weighted by
    1 / distance, which for a Laplace distribution of scale b lies b·ln(1 + b) / (1 − b) below its own.
    """
    median, scale = split_distance(values)
    shift = scale * torch.log1p(scale) / (1.0 - scale)
    return (median - shift).exp().clamp(NEAREST_M, FARTHEST_M), scale * math.sqrt(2.0)


def compute_distance_loss(
    values: Float[Tensor, "batch frame twice"],
    activity: Float[Tensor, "batch frame cls track"],
    distance_m: Float[Tensor, "batch frame cls track"],
) -> Float[Tensor, ""]:
    """Compute the negative log-likelihood of the distance where the class sounds, the mean over active cells.

    Several sources of one class count by their activity.
    """
    median, scale = (part.unsqueeze(-1) for part in split_distance(values))
    error = (distance_m.clamp_min(NEAREST_M).log() - median).abs() / scale + (2.0 * scale).log()
    return (activity * error).sum() / activity.sum().clamp_min(1.0)
