"""What each choice of sounding tracks would score, so that thresholds are tried without matching anything anew.

With P predicted and R true sources of a class in a frame, the challenge's F is 2·Σ hits / (Σ P + Σ R): a pair that is
no hit counts 1 in its denominator, a surplus on either side ½. A frame's hits and P depend on which tracks sound and
not on how that was decided.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.directions import azimuth_from_direction
from seldfuse.fusion.perclass import Number
from seldfuse.fusion.unify import merge
from seldfuse.geometry import fold_front
from seldfuse.metrics.counts import AZIMUTH_LIMIT_DEG, RELATIVE_LIMIT
from seldfuse.posterior import Posterior

Criterion = Literal["f20_1", "f20_1_on", "f20", "f1", "f_class"]

MOST_TRACKS = 3
"""Eight choices and six ways to match; neither posteriors nor truth have more tracks."""

_FAR_DEG = 1e4
"""Dearer than any azimuth: what must not be matched."""

_FIRST = torch.tensor([1e-5, 1e-7, 1e-9], dtype=torch.float64)
"""What decides between matchings that cost the same."""


@dataclass(frozen=True)
class Outcomes:
    """Hits and predictions of each frame and class by choice, whose bit k says whether track k sounds; and true
    sources. Copies of one source are one prediction.
    """

    hits: UInt8[Tensor, "clip frame cls choice"]
    predictions: UInt8[Tensor, "clip frame cls choice"]
    references: UInt8[Tensor, "clip frame cls"]

    def of(self, active: Bool[Tensor, "clip frame cls track"]) -> Float[Tensor, "3 clip cls"]:
        """Hits, predictions and references of every clip and class where these tracks sound."""
        bits = 1 << torch.arange(active.shape[-1], device=active.device)
        choice = (active * bits).sum(-1, keepdim=True)
        counted = [found.gather(-1, choice).squeeze(-1) for found in (self.hits, self.predictions)]
        return torch.stack([count.sum(dim=1, dtype=torch.float32) for count in (*counted, self.references)])


def f_of(counts: Float[Tensor, "3 *set cls"]) -> Float[Tensor, "*set cls"]:
    """F of every class from hits, predictions and references; 0 where there is none of either."""
    hits, predictions, references = counts
    score: Tensor = 2 * hits / (predictions + references).clamp_min(1e-9)
    return score


def outcomes(
    said: Posterior,
    truth: Posterior,
    criterion: Criterion,
    angle_deg: Number = 15.0,
    scored: Bool[Tensor, "clip frame"] | None = None,
) -> Outcomes:
    """The outcomes of a posterior of all clips beside the truth, whose activity is 0 or 1.

    `angle_deg` is that of decoding. Frames that are not `scored` have no outcome. A limit on what either side does not
    know is passed by none. Raises ValueError for more than three tracks on either side.
    """
    if max(said.tracks, truth.tracks) > MOST_TRACKS:
        raise ValueError(f"expected at most {MOST_TRACKS} tracks, got {said.tracks} and {truth.tracks}")
    real = truth.activity > 0.5
    if scored is not None:
        real = real & scored[..., None, None]
    hits, predictions = [], []
    for choice in range(2**said.tracks):
        chosen = torch.tensor([bool(choice >> track & 1) for track in range(said.tracks)], device=real.device)
        merged, sounding = merge(said, chosen.expand_as(said.activity), angle_deg)
        if scored is not None:
            sounding = sounding & scored[..., None, None]
        both = sounding.any(-1) & real.any(-1)
        count = torch.zeros(both.shape, dtype=torch.uint8, device=both.device)
        count[both] = _hits(_Side.of(merged, sounding, both), _Side.of(truth, real, both), criterion)
        hits.append(count)
        predictions.append(sounding.sum(-1, dtype=torch.uint8))
    return Outcomes(torch.stack(hits, -1), torch.stack(predictions, -1), real.sum(-1, dtype=torch.uint8))


class _Side(NamedTuple):
    """One side of some cells, on three tracks; NaN where a track, or what it should know, is not there."""

    active: Bool[Tensor, "cell 3"]
    azimuth_deg: Float[Tensor, "cell 3"]
    distance_m: Float[Tensor, "cell 3"]
    onscreen: Float[Tensor, "cell 3"]

    @classmethod
    def of(
        cls, posterior: Posterior, active: Bool[Tensor, "clip frame cls track"], at: Bool[Tensor, "clip frame cls"]
    ) -> "_Side":
        lacking = MOST_TRACKS - posterior.tracks

        def cells(value: Tensor | None) -> Tensor:
            found = torch.full_like(posterior.activity[at], torch.nan) if value is None else value[at]
            return F.pad(found, (0, lacking), value=torch.nan)

        azimuth_deg = None if posterior.direction is None else azimuth_from_direction(posterior.direction)
        folded_deg = None if azimuth_deg is None else fold_front(azimuth_deg)
        known = map(cells, (folded_deg, posterior.distance, posterior.onscreen))
        return cls(F.pad(active[at], (0, lacking)), *known)


def _hits(said: _Side, truth: _Side, criterion: Criterion) -> UInt8[Tensor, "cell"]:
    """How many of the pairs that lie nearest in sum are hits. Rows are true sources, columns predictions."""
    apart_deg = (truth.azimuth_deg.unsqueeze(-1) - said.azimuth_deg.unsqueeze(-2)).abs()
    pairs = truth.active.unsqueeze(-1) & said.active.unsqueeze(-2)
    order = _matched(torch.where(pairs, apart_deg.nan_to_num(0.0), 0.0), truth.active, said.active)
    passed = pairs & _passes(said, truth, apart_deg, criterion)
    return passed.gather(-1, order.unsqueeze(-1)).sum((-1, -2), dtype=torch.uint8)


def _matched(
    cost: Float[Tensor, "cell 3 3"], rows: Bool[Tensor, "cell 3"], columns: Bool[Tensor, "cell 3"]
) -> Int[Tensor, "cell 3"]:
    """The column of each row at the least sum of costs, such that the scarcer side is matched wholly.

    On a line several matchings cost the same as a rule; among them the scarcer side's first has its cheapest partner,
    then the second, which is what the scorer's solver nearly always does.
    """
    more = (rows.sum(-1) - columns.sum(-1))[:, None]
    without_column = rows.unsqueeze(-1) & ~columns.unsqueeze(-2) & (more <= 0).unsqueeze(-1)
    without_row = ~rows.unsqueeze(-1) & columns.unsqueeze(-2) & (more >= 0).unsqueeze(-1)
    cost = cost.double() + _FAR_DEG * (without_column | without_row)
    orders = torch.tensor(list(permutations(range(MOST_TRACKS))), device=cost.device)
    places = torch.arange(MOST_TRACKS, device=cost.device)
    by_row, by_column = cost[:, places, orders], cost[:, orders.argsort(-1), places]  # (cell, order, row or column)
    first = torch.where((more > 0), by_column @ _FIRST.to(cost.device), by_row @ _FIRST.to(cost.device))
    return orders[(by_row.sum(-1) + first).argmin(-1)]


def _passes(
    said: _Side, truth: _Side, apart_deg: Float[Tensor, "cell 3 3"], criterion: Criterion
) -> Bool[Tensor, "cell 3 3"]:
    """Which pairs are within the criterion's limits; what is NaN is within none."""
    passed = torch.ones_like(apart_deg, dtype=torch.bool)
    if criterion in ("f20_1", "f20_1_on", "f20"):
        passed = passed & (apart_deg <= AZIMUTH_LIMIT_DEG)
    if criterion in ("f20_1", "f20_1_on", "f1"):
        true_m = truth.distance_m.unsqueeze(-1)
        passed = passed & ((said.distance_m.unsqueeze(-2) - true_m).abs() <= RELATIVE_LIMIT * true_m)
    if criterion == "f20_1_on":
        shown, seen = said.onscreen.unsqueeze(-2), truth.onscreen.unsqueeze(-1)
        passed = passed & ((shown > 0.5) == (seen > 0.5)) & ~(shown + seen).isnan()
    return passed
