"""Aligned posteriors become one, field by field."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.fusion.align import Aligned
from seldfuse.fusion.averages import mean_of, spoken, voice

WEIGHED_AS = {"azimuth_std_deg": "direction", "distance_log_std": "distance"}
"""The members' own doubts count like what they doubt."""
WIDEST_DEG = 180.0


def combine(aligned: Aligned, weights: Mapping[str, Float[Tensor, "member cls"]]) -> dict[str, Tensor]:
    """The fields of the common posterior, `[batch, frame, cls, track]`, each from the members that provide it.

    Activity is the weighted mean; direction the sum of vectors, weighted by weight × activity; distance the weighted
    mean of logarithms and on-screen of log-odds, with the same weights. Weights need not add up to 1. On a track where
    nobody of any weight speaks, all who speak count alike; where nobody speaks at all, the activity is 0 and the other
    fields are NaN, or left out where they are nothing else. Where two or more members give a direction,
    `azimuth_std_deg` is their circular standard deviation √(−2 ln R), R the length of the weighted mean vector
    (Mardia & Jupp, Directional Statistics, 2000, 2.3): the members' spread, not yet a fitted doubt. Elsewhere it is
    what a member itself says, or NaN.
    """
    activity = aligned.values["activity"].nan_to_num()
    fields: dict[str, Tensor] = {}
    for name, value in aligned.values.items():
        if name != "activity" and not aligned.speaks[name].any():
            continue
        weight = _weight(weights[WEIGHED_AS.get(name, name)], aligned.speaks[name])
        loudness = voice(name, weight, activity)
        total = spoken(name, value, loudness).sum(0)
        fields[name] = mean_of(name, total, loudness.sum(0))
        if name == "direction":
            several, spread = (weight > 0).sum(0) > 1, _spread_deg(total.norm(dim=-1) / loudness.sum(0))
    fields["activity"] = fields["activity"].nan_to_num()
    if "direction" in fields and several.any():
        own = fields.get("azimuth_std_deg", torch.full_like(spread, torch.nan))
        fields["azimuth_std_deg"] = torch.where(several, spread, own)
    return fields


def _weight(
    weight: Float[Tensor, "member cls"], speaks: Bool[Tensor, "member batch frame cls track"]
) -> Float[Tensor, "member batch frame cls track"]:
    weighted = weight[:, None, None, :, None] * speaks
    return torch.where(weighted.sum(0) > 0, weighted, speaks.to(weight.dtype))


def _spread_deg(length: Float[Tensor, "*cell"]) -> Float[Tensor, "*cell"]:
    return torch.rad2deg((-2 * length.clamp(1e-6, 1.0).log()).sqrt()).clamp_max(WIDEST_DEG)
