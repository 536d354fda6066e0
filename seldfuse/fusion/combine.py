"""Aligned posteriors become one, field by field."""

from collections.abc import Mapping
from functools import partial, reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.fusion.align import AlignedMembers
from seldfuse.fusion.averages import compute_terms, finish_mean, to_linear_scale, weigh_tracks
from seldfuse.fusion.combiners import Combiner

WEIGHED_AS = {"azimuth_std_deg": "direction", "distance_log_std": "distance"}
"""The members' own uncertainties count like what they are about."""
DOUBTS = {"direction": "azimuth_std_deg", "distance": "distance_log_std"}
"""Of each field what is uncertain about it."""
WIDEST_DEG = 180.0


def combine(
    aligned: AlignedMembers, weights: Mapping[str, Float[Tensor, "member cls"]], combiner: Combiner
) -> dict[str, Tensor]:
    """Combine the fields of members, `[batch, frame, cls, track]`, each from the members that provide it.

    Activity is the weighted mean on the combiner's scale; direction the sum of vectors, weighted by weight × activity;
    distance the weighted mean of logarithms and on-screen of log-odds, with the same weights. Weights need not add up
    to 1. On a track of which no member of any weight knows the field, all that know it count alike; where none does,
    the activity is 0 and the other fields are NaN, or left out where they are nothing else.

    Where two or more members give a direction, `azimuth_std_deg` is that of the mixture of what they say, each counting
    as far as its activity, whatever its weight: the circular standard deviation √(−2 ln R), R the length of the mean of
    vectors of length exp(−σ²/2), σ a member's own uncertainty, 0 where it states none (Mardia & Jupp, Directional
    Statistics, 2000, 2.3 and 3.5.7). So is `distance_log_std` that of the logarithms of distance: the variance is the
    members' own and that between them. Elsewhere they are a member's own, or NaN.
    """
    activity = aligned.values["activity"].nan_to_num()
    values = {**aligned.values, "activity": combiner.forward(aligned.values["activity"])}
    fields: dict[str, Tensor] = {}
    for name, value in values.items():
        if name != "activity" and not aligned.known[name].any():
            continue
        weight = _weight(weights[WEIGHED_AS.get(name, name)], aligned.known[name])
        fields[name] = _mean(name, value, weigh_tracks(name, weight, activity))
    fields["activity"] = combiner.inverse(fields["activity"]).nan_to_num()
    for name in DOUBTS.keys() & fields.keys():
        known = aligned.known[name]
        several = known.sum(0) > 1
        if several.any():
            own = aligned.values.get(DOUBTS[name])
            mixed = _mixed_std(name, values[name], own, weigh_tracks(name, known.to(activity.dtype), activity))
            alone = fields.get(DOUBTS[name], torch.full_like(mixed, torch.nan))
            fields[DOUBTS[name]] = torch.where(several, mixed, alone)
    return fields


def _mean(name: str, value: Tensor, loudness: Float[Tensor, "member *cell"]) -> Tensor:
    return finish_mean(name, _total(name, value, loudness), loudness.sum(0))


def _total(name: str, value: Tensor, loudness: Float[Tensor, "member *cell"]) -> Tensor:
    """Sum `compute_terms` over members, one after the other: all at once would not fit the processor's cache."""
    return reduce(torch.add, map(partial(compute_terms, name), value, loudness))


def _mixed_std(
    name: str, value: Tensor, own: Float[Tensor, "member *cell"] | None, loudness: Float[Tensor, "member *cell"]
) -> Float[Tensor, "*cell"]:
    """Compute the standard deviation of the mixture of members, in degrees or of a natural logarithm."""
    own = torch.zeros_like(loudness) if own is None else own.nan_to_num()
    whole = loudness.sum(0)
    if name == "direction":
        shortened = loudness * (-own.deg2rad().square() / 2).exp()
        length = (_total(name, value, shortened).norm(dim=-1) / whole).clamp(1e-6, 1.0)
        return torch.rad2deg((-2 * length.log()).sqrt()).clamp_max(WIDEST_DEG)
    apart = to_linear_scale(name, value) - _total(name, value, loudness) / whole
    return ((loudness * (apart.square() + own.square())).nan_to_num_().sum(0) / whole).sqrt()


def _weight(
    weight: Float[Tensor, "member cls"], known: Bool[Tensor, "member batch frame cls track"]
) -> Float[Tensor, "member batch frame cls track"]:
    # A copy for each track: to broadcast along the last axis, which is short, takes five times as long.
    of_track = weight[:, None, None, :, None].expand(-1, -1, -1, -1, known.shape[-1]).contiguous()
    counted = known.to(weight.dtype)
    weighted = of_track * counted
    return weighted + counted * (weighted.sum(0) == 0)
