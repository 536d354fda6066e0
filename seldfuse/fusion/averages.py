"""How each field of a posterior is averaged, over members and over windows alike.

A field is brought to a scale on which a weighted mean makes sense, and back: directions add as vectors, distances as
logarithms, on-screen probabilities as log-odds. All but the activity of a track counts as far as it is active.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.directions import normalize

NEAREST_M = 0.01
"""Distances below a centimetre have no useful logarithm."""
ODDS_EPSILON = 1e-6
SILENT = 1e-6
"""Activity below which tracks count alike, so that the mean stays defined where all are silent."""


def weigh_tracks(
    name: str, weight: Float[Tensor, "*cell"], activity: Float[Tensor, "*#cell"]
) -> Float[Tensor, "*cell"]:
    """Weigh tracks for the mean of field `name`: by weight, times activity for all fields but the activity itself."""
    return weight if name == "activity" else weight * activity.clamp_min(SILENT)


def to_linear_scale(name: str, value: Tensor) -> Tensor:
    """Bring field `name` to the scale of its mean."""
    if name == "distance":
        return value.clamp_min(NEAREST_M).log()
    if name == "onscreen":
        return value.logit(ODDS_EPSILON)
    return value


def to_natural_scale(name: str, mean: Tensor) -> Tensor:
    """Invert `to_linear_scale`; a mean direction gets length 1."""
    if name == "distance":
        return mean.exp()
    if name == "onscreen":
        return mean.sigmoid()
    return normalize(mean) if name == "direction" else mean


def is_known(name: str, value: Tensor) -> Tensor:
    """Mark where field `name` has a value: a boolean without the last axis of a direction."""
    if name != "direction":
        return ~value.isnan()
    x, y, z = value.isnan().unbind(-1)
    return ~(x | y | z)


def compute_terms(name: str, value: Tensor, loudness: Tensor) -> Tensor:
    """Compute the summands of a weighted mean: `to_linear_scale` times `loudness`.

    They are 0 where `loudness` is 0 (the value may be NaN there).
    """
    scale = loudness.unsqueeze(-1) if name == "direction" else loudness
    return (to_linear_scale(name, value) * scale).nan_to_num_(0.0, torch.inf, -torch.inf)


def finish_mean(name: str, total: Tensor, loudness: Tensor) -> Tensor:
    """Compute the weighted mean of field `name` from the sums of `compute_terms` and of the loudness.

    It is NaN where the loudness is 0.
    """
    scale = loudness.unsqueeze(-1) if name == "direction" else loudness
    return torch.where(scale > 0, to_natural_scale(name, total / scale), torch.nan)
