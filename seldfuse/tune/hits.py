"""Which of the chosen tracks are hits: pairs of target sources and predictions, matched as the scores do."""

from collections.abc import Mapping
from itertools import permutations
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.catalogue.values import PairLimits
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import TRACKS

_FAR_DEG = 1e4
"""Dearer than any azimuth: what must not be matched."""

_FIRST = torch.tensor([1e-5, 1e-7, 1e-9], dtype=torch.float64)
"""What decides between matchings that cost the same."""


class MatchSide(NamedTuple):
    """Predictions or targets of some cells, on three tracks; NaN where a track, or a value of it, is missing."""

    active: Bool[Tensor, "cell 3"]
    azimuth_deg: Float[Tensor, "cell 3"]
    distance_m: Float[Tensor, "cell 3"]
    onscreen: Float[Tensor, "cell 3"]

    @classmethod
    def from_fields(cls, fields: Mapping[str, Tensor], active: Bool[Tensor, "cell track"]) -> "MatchSide":
        """Convert the fields of a posterior, `(cell, track, *xyz)`."""
        unknown = torch.full_like(fields["activity"], torch.nan)
        folded_deg = fold_azimuth(azimuth_from_direction(fields["direction"])) if "direction" in fields else unknown
        known = (folded_deg, fields.get("distance", unknown), fields.get("onscreen", unknown))
        return cls(pad_tracks(active), *(F.pad(value, _lacking(value), value=torch.nan) for value in known))

    def take(self, cells: Bool[Tensor, "cell"]) -> "MatchSide":
        """Select some of the cells."""
        return MatchSide(*(value[cells] for value in self))


def pad_tracks(active: Bool[Tensor, "*cell track"]) -> Bool[Tensor, "*cell 3"]:
    """Pad to three tracks with silent ones."""
    return F.pad(active, _lacking(active))


def _lacking(value: Tensor) -> tuple[int, int]:
    return 0, TRACKS - value.shape[-1]


class CandidatePairs(NamedTuple):
    """Every target source (rows) beside every prediction (columns) of some cells, and whether the two are a hit."""

    real: Bool[Tensor, "cell 3"]
    apart_deg: Float[Tensor, "cell 3 3"]
    passed: Bool[Tensor, "cell 3 3"]

    @classmethod
    def from_sides(cls, estimate: MatchSide, target: MatchSide, limits: PairLimits) -> "CandidatePairs":
        """Pair every target source with every track, whether or not the track is active."""
        apart_deg = (target.azimuth_deg.unsqueeze(-1) - estimate.azimuth_deg.unsqueeze(-2)).abs()
        return cls(target.active, apart_deg.nan_to_num(0.0), _passes(estimate, target, apart_deg, limits))

    def count_hits(self, active: Bool[Tensor, "cell 3"]) -> UInt8[Tensor, "cell"]:
        """Count the hits among those pairs of active tracks whose azimuths differ least in sum."""
        pairs = self.real.unsqueeze(-1) & active.unsqueeze(-2)
        passed = self.passed & pairs
        # What is alone on its side has the nearest of the other; seldom are there several on both.
        nearest = torch.where(pairs, self.apart_deg, torch.inf).flatten(-2).argmin(-1, keepdim=True)
        hits = passed.flatten(-2).gather(-1, nearest).squeeze(-1).to(torch.uint8)
        several = (self.real.sum(-1) > 1) & (active.sum(-1) > 1)
        cost = torch.where(pairs[several], self.apart_deg[several], 0.0)
        order = _match(cost, self.real[several], active[several])
        hits[several] = passed[several].gather(-1, order.unsqueeze(-1)).sum((-1, -2), dtype=torch.uint8)
        return hits


def _match(
    cost: Float[Tensor, "cell 3 3"], rows: Bool[Tensor, "cell 3"], columns: Bool[Tensor, "cell 3"]
) -> Int[Tensor, "cell 3"]:
    """Find the column of each row at the least sum of costs, such that all of the scarcer side is matched.

    On a line several matchings cost the same as a rule; among them the scarcer side's first has its cheapest partner,
    then the second, which is what the scorer's solver nearly always does.
    """
    more = (rows.sum(-1) - columns.sum(-1))[:, None]
    without_column = rows.unsqueeze(-1) & ~columns.unsqueeze(-2) & (more <= 0).unsqueeze(-1)
    without_row = ~rows.unsqueeze(-1) & columns.unsqueeze(-2) & (more >= 0).unsqueeze(-1)
    cost = cost.double() + _FAR_DEG * (without_column | without_row)
    orders = torch.tensor(list(permutations(range(TRACKS))), device=cost.device)
    tracks = torch.arange(TRACKS, device=cost.device)
    by_row, by_column = cost[:, tracks, orders], cost[:, orders.argsort(-1), tracks]  # (cell, order, row or column)
    first = torch.where((more > 0), by_column @ _FIRST.to(cost.device), by_row @ _FIRST.to(cost.device))
    return orders[(by_row.sum(-1) + first).argmin(-1)]


def _passes(
    estimate: MatchSide, target: MatchSide, apart_deg: Float[Tensor, "cell 3 3"], limits: PairLimits
) -> Bool[Tensor, "cell 3 3"]:
    """Which pairs are within the limits; what is NaN is within none."""
    passed = torch.ones_like(apart_deg, dtype=torch.bool)
    if limits.azimuth_deg is not None:
        passed = passed & (apart_deg <= limits.azimuth_deg)
    if limits.relative_distance is not None:
        target_m = target.distance_m.unsqueeze(-1)
        error_m = (estimate.distance_m.unsqueeze(-2) - target_m).abs()
        passed = passed & (error_m <= limits.relative_distance * target_m)
    if limits.onscreen:
        estimated_onscreen, target_onscreen = estimate.onscreen.unsqueeze(-2), target.onscreen.unsqueeze(-1)
        passed = (
            passed
            & ((estimated_onscreen > 0.5) == (target_onscreen > 0.5))
            & ~(estimated_onscreen + target_onscreen).isnan()
        )
    return passed
