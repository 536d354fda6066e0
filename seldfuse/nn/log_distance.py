"""Distance as a Laplace distribution of its logarithm: a network that is unsure widens it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.nn.band_attention import HIDDEN

NEAREST_M, FARTHEST_M = 0.05, 50.0
NARROWEST, WIDEST = 0.03, 0.6
"""Bounds of the scale of the distribution. Distances even in the logarithm from 0.5 to 6 m have the wider one."""


class DistanceHead(nn.Module):
    """Median and scale, before they are bounded, for each class and frame, of what `BandAttention` gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(HIDDEN, 2)

    def forward(self, hidden: Float[Tensor, "batch frame cls 64"]) -> Float[Tensor, "batch frame cls 2"]:
        with torch.autocast(hidden.device.type, enabled=False):
            return self.layer(hidden)  # type: ignore[no-any-return]


def split_distance(values: Float[Tensor, "*shape 2"]) -> tuple[Tensor, Tensor]:
    """Split a head's output into the median of the logarithm of the distance in metres and the scale around it."""
    median, raw = values.float().unbind(dim=-1)
    scale = NARROWEST + (WIDEST - NARROWEST) * raw.sigmoid()
    return median.clamp(math.log(NEAREST_M), math.log(FARTHEST_M)), scale


def read_distance(
    values: Float[Tensor, "*shape 2"],
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Read the distance in metres, and the standard deviation of its logarithm.

    The distance is the one whose relative error is least to be expected: the median of the distribution weighted by
    1 / distance, which for a Laplace distribution of scale b lies b·ln(1 + b) / (1 − b) below its own.
    """
    median, scale = split_distance(values)
    shift = scale * torch.log1p(scale) / (1.0 - scale)
    return (median - shift).exp().clamp(NEAREST_M, FARTHEST_M), scale * math.sqrt(2.0)


def compute_distance_loss(
    values: Float[Tensor, "batch frame cls 2"],
    activity: Float[Tensor, "batch frame cls track"],
    distance_m: Float[Tensor, "batch frame cls track"],
) -> Float[Tensor, ""]:
    """Compute the negative log-likelihood of the distance where the class sounds, the mean over active cells.

    Several sources of one class count by their activity. Cells of activity NaN, of classes that were not annotated, do
    not count.
    """
    activity = activity.nan_to_num()
    median, scale = (part.unsqueeze(-1) for part in split_distance(values))
    error = (distance_m.clamp_min(NEAREST_M).log() - median).abs() / scale + (2.0 * scale).log()
    return (activity * error).sum() / activity.sum().clamp_min(1.0)
