"""What each choice of sounding tracks would score, so that thresholds are tried without matching anything anew.

With P predicted and R true sources of a class in a frame, the challenge's F is 2·Σ hits / (Σ P + Σ R): a pair that is
no hit counts 1 in its denominator, a surplus on either side ½. A frame's hits and P depend on which tracks sound and
not on how that was decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.directions import azimuth_from_direction
from seldfuse.fusion.perclass import Number
from seldfuse.fusion.unify import merge_cells, owners
from seldfuse.geometry import fold_front
from seldfuse.metrics.counts import AZIMUTH_LIMIT_DEG, RELATIVE_LIMIT
from seldfuse.posterior import Posterior

Criterion = Literal["f20_1", "f20_1_on", "f20", "f1", "f_class"]

MOST_TRACKS = 3
"""Eight choices and six ways to match; neither posteriors nor truth have more tracks."""

FAINTEST = 0.05
"""A class whose activity never exceeds this is taken for silent."""

_FAR_DEG = 1e4
"""Dearer than any azimuth: what must not be matched."""

_FIRST = torch.tensor([1e-5, 1e-7, 1e-9], dtype=torch.float64)
"""What decides between matchings that cost the same."""


@dataclass(frozen=True)
class Rows:
    """What can be counted, by rows: a row is a class of a clip in which something is heard or true.

    `hits` and `predictions` are those of each choice of sounding tracks, whose bit k says whether track k sounds;
    `references` counts true sources. Copies of one source are one prediction.
    """

    clip: Int[Tensor, "row"]
    cls: Int[Tensor, "row"]
    activity: Float[Tensor, "frame row track"]
    hits: UInt8[Tensor, "frame row choice"]
    predictions: UInt8[Tensor, "frame row choice"]
    references: UInt8[Tensor, "frame row"]

    def of(self, active: Bool[Tensor, "frame row track"]) -> Float[Tensor, "3 row"]:
        """Hits, predictions and references of every row where these tracks sound."""
        bits = 1 << torch.arange(active.shape[-1], device=active.device)
        choice = (active * bits).sum(-1, keepdim=True)
        counted = [found.gather(-1, choice).squeeze(-1) for found in (self.hits, self.predictions)]
        return torch.stack([count.sum(dim=0, dtype=torch.float32) for count in (*counted, self.references)])

    def take(self, rows: Bool[Tensor, "row"]) -> "Rows":
        """Some of the rows."""
        cells = (self.activity, self.hits, self.predictions, self.references)
        return Rows(self.clip[rows], self.cls[rows], *(value[:, rows] for value in cells))

    def heard_as(self, activity: Float[Tensor, "clip frame cls track"]) -> "Rows":
        """The same with other activities, which rise and fall as the first ones do."""
        return replace(self, activity=_rows(activity, self.clip, self.cls))


def f_of(counts: Float[Tensor, "3 *set"]) -> Float[Tensor, "*set"]:
    """F from hits, predictions and references; 0 where there is none of either."""
    hits, predictions, references = counts
    score: Tensor = 2 * hits / (predictions + references).clamp_min(1e-9)
    return score


def outcomes(
    said: Posterior,
    truth: Posterior,
    criterion: Criterion,
    angle_deg: Number = 15.0,
    scored: Bool[Tensor, "clip frame"] | None = None,
    among: Rows | None = None,
) -> Rows:
    """The outcomes of a posterior of all clips beside the truth, whose activity is 0 or 1.

    `angle_deg` is that of decoding. Frames that are not `scored` have no outcome. A limit on what either side does not
    know is passed by none. With `among`, the rows are those. Raises ValueError for more than three tracks on either
    side.
    """
    if max(said.tracks, truth.tracks) > MOST_TRACKS:
        raise ValueError(f"expected at most {MOST_TRACKS} tracks, got {said.tracks} and {truth.tracks}")
    real = truth.activity > 0.5
    if scored is not None:
        real = real & scored[..., None, None]
    if among is None:
        clip, cls = ((said.activity > FAINTEST).any(-1) | real.any(-1)).any(1).nonzero(as_tuple=True)
    else:
        clip, cls = among.clip, among.cls
    heard = {name: _rows(value, clip, cls) for name, value in said.tensors().items()}
    true = {name: _rows(value, clip, cls) for name, value in truth.tensors().items()}
    sounds = _rows(real, clip, cls)
    counted = torch.ones_like(sounds[..., 0]) if scored is None else scored[clip].T
    choices = [
        torch.tensor([bool(choice >> track & 1) for track in range(said.tracks)], device=real.device)
        for choice in range(2**said.tracks)
    ]
    at = sounds.any(-1)
    side = _Side.of({name: value[at] for name, value in true.items()}, sounds[at])
    cells = {name: value[at] for name, value in heard.items()}
    shape = (*at.shape, len(choices))
    hits = torch.zeros(shape, dtype=torch.uint8, device=real.device)
    hits[at] = torch.stack([_hits(_merged(cells, chosen, angle_deg), side, criterion) for chosen in choices], -1)
    predictions = torch.stack([_sources(heard, chosen, angle_deg) for chosen in choices], -1) * counted.unsqueeze(-1)
    return Rows(clip, cls, heard["activity"], hits, predictions.to(torch.uint8), sounds.sum(-1, dtype=torch.uint8))


def _rows(value: Tensor, clip: Int[Tensor, "row"], cls: Int[Tensor, "row"]) -> Tensor:
    """`(frame, row, track, *xyz)` from `(clip, frame, cls, track, *xyz)`."""
    return value.movedim(1, 2)[clip, cls].movedim(0, 1)


def _sources(heard: Mapping[str, Tensor], chosen: Bool[Tensor, "track"], angle_deg: Number) -> Int[Tensor, "frame row"]:
    """How many sources remain of the chosen tracks once copies are merged."""
    number = chosen.sum().expand(heard["activity"].shape[:-1]).clone()
    if "direction" in heard and chosen.sum() > 1:
        # Elsewhere no two of the tracks are ever heard at once.
        crowded = ((heard["activity"] > FAINTEST) & chosen).sum(-1) > 1
        owner = owners(heard["direction"][crowded], chosen.expand_as(heard["activity"])[crowded], angle_deg)
        number[crowded] = ((owner == torch.arange(len(chosen), device=owner.device)) & chosen).sum(-1)
    return number


def _merged(cells: Mapping[str, Tensor], chosen: Bool[Tensor, "track"], angle_deg: Number) -> "_Side":
    active = chosen.expand_as(cells["activity"])
    if "direction" in cells and chosen.sum() > 1:
        return _Side.of(*merge_cells(cells, active, angle_deg))
    return _Side.of(cells, active)


class _Side(NamedTuple):
    """One side of some cells, on three tracks; NaN where a track, or what it should know, is not there."""

    active: Bool[Tensor, "cell 3"]
    azimuth_deg: Float[Tensor, "cell 3"]
    distance_m: Float[Tensor, "cell 3"]
    onscreen: Float[Tensor, "cell 3"]

    @classmethod
    def of(cls, fields: Mapping[str, Tensor], active: Bool[Tensor, "cell track"]) -> "_Side":
        unknown = torch.full_like(fields["activity"], torch.nan)
        folded_deg = fold_front(azimuth_from_direction(fields["direction"])) if "direction" in fields else unknown
        known = (folded_deg, fields.get("distance", unknown), fields.get("onscreen", unknown))
        lacking = (0, MOST_TRACKS - active.shape[-1])
        return cls(F.pad(active, lacking), *(F.pad(value, lacking, value=torch.nan) for value in known))


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
