"""What each choice of sounding tracks would score, so that thresholds are tried without matching anything anew.

With P predicted and R true sources of a class in a frame, the challenge's F is 2·Σ hits / (Σ P + Σ R): a pair that is
no hit counts 1 in its denominator, a surplus on either side ½. A frame's hits and P depend on which tracks sound and
not on how that was decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from seldfuse.catalogue.values import PairLimits
from seldfuse.core.class_values import Number
from seldfuse.core.grid import TRACKS
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.unify import group_tracks, merge_cells
from seldfuse.tune.hits import CandidatePairs, MatchSide, pad_tracks

FAINTEST = 0.05
"""A class whose activity never exceeds this is taken for silent."""

SCORED = ("activity", "direction", "distance", "onscreen")


@dataclass(frozen=True)
class OutcomeRows:
    """Counts by rows: a row is a class of a clip in which it is detected, or active in the target.

    `hits` and `predictions` are those of each choice of sounding tracks, whose bit k is set where track k
    sounds; `references` counts target sources. Copies of one source are one prediction.
    """

    clip: Int[Tensor, "row"]
    cls: Int[Tensor, "row"]
    activity: Float[Tensor, "frame row track"]
    hits: UInt8[Tensor, "frame row choice"]
    predictions: UInt8[Tensor, "frame row choice"]
    references: UInt8[Tensor, "frame row"]

    def from_data(self, active: Bool[Tensor, "frame row track"]) -> Float[Tensor, "3 row"]:
        """Count hits, predictions and references of every row where these tracks sound."""
        choice = torch.stack([track.long() << bit for bit, track in enumerate(active.unbind(-1))]).sum(0).unsqueeze(-1)
        counted = [found.gather(-1, choice).squeeze(-1) for found in (self.hits, self.predictions)]
        return torch.stack([count.sum(dim=0, dtype=torch.float32) for count in (*counted, self.references)])

    def take(self, rows: Bool[Tensor, "row"]) -> "OutcomeRows":
        """Select some of the rows."""
        cells = (self.activity, self.hits, self.predictions, self.references)
        return OutcomeRows(self.clip[rows], self.cls[rows], *(value[:, rows] for value in cells))

    def replace_activity(self, activity: Float[Tensor, "clip frame cls track"]) -> "OutcomeRows":
        """Replace the activities by others that are a monotonic function of them."""
        return replace(self, activity=_rows(activity, self.clip, self.cls))


def compute_f(counts: Float[Tensor, "3 *set"]) -> Float[Tensor, "*set"]:
    """Compute F from hits, predictions and references; 0 where there is none of either."""
    hits, predictions, references = counts
    score: Tensor = 2 * hits / (predictions + references).clamp_min(1e-9)
    return score


def compute_outcomes(
    estimate: Posterior,
    target: Posterior,
    limits: PairLimits,
    angle_deg: Number = 15.0,
    scored: Bool[Tensor, "clip frame"] | None = None,
    among: OutcomeRows | None = None,
) -> OutcomeRows:
    """Compute the outcomes of a posterior of all clips against the target, whose activity is 0 or 1.

    `limits` are what a pair must meet to be a hit, `angle_deg` is that of decoding. Frames that are not `scored` have
    no outcome. A limit on what either side does not know is passed by none. With `among`, the rows are those. Raises
    ValueError for more than three tracks on either side.
    """
    if max(estimate.tracks, target.tracks) > TRACKS:
        raise ValueError(f"expected at most {TRACKS} tracks, got {estimate.tracks} and {target.tracks}")
    real = target.activity > 0.5
    if scored is not None:
        real = real & scored[..., None, None]
    if among is None:
        clip, cls = ((estimate.activity > FAINTEST).any(-1) | real.any(-1)).any(1).nonzero(as_tuple=True)
    else:
        clip, cls = among.clip, among.cls
    activity, sounds = _rows(estimate.activity, clip, cls), _rows(real, clip, cls)
    choices = [
        torch.tensor([bool(choice >> track & 1) for track in range(estimate.tracks)], device=real.device)
        for choice in range(2**estimate.tracks)
    ]
    at = sounds.any(-1)
    index = _index_cells(at, clip, cls)
    side = MatchSide.from_fields(_cells(target, index), sounds[at])
    hits = torch.zeros((*at.shape, len(choices)), dtype=torch.uint8, device=real.device)
    hits[at] = _hits_by_choice(_cells(estimate, index), side, choices, angle_deg, limits)
    predictions = _sources_by_choice(estimate, activity, (clip, cls), choices, angle_deg)
    if scored is not None:
        predictions = predictions * scored[clip].T.unsqueeze(-1)
    return OutcomeRows(clip, cls, activity, hits, predictions, sounds.sum(-1, dtype=torch.uint8))


def _rows(value: Tensor, clip: Int[Tensor, "row"], cls: Int[Tensor, "row"]) -> Tensor:
    """`(frame, row, track)` from `(clip, frame, cls, track)`."""
    return value.movedim(1, 2)[clip, cls].movedim(0, 1).contiguous()


def _index_cells(
    at: Bool[Tensor, "frame row"], clip: Int[Tensor, "row"], cls: Int[Tensor, "row"]
) -> tuple[Tensor, ...]:
    """Clip, frame and class of some cells of rows."""
    frame, row = at.nonzero(as_tuple=True)
    return clip[row], frame, cls[row]


def _cells(posterior: Posterior, index: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The fields that are scored, `(cell, track, *xyz)`."""
    return {name: value[index] for name, value in posterior.tensors().items() if name in SCORED}


def _sources_by_choice(
    estimate: Posterior,
    activity: Float[Tensor, "frame row track"],
    rows: tuple[Int[Tensor, "row"], Int[Tensor, "row"]],
    choices: Sequence[Bool[Tensor, "track"]],
    angle_deg: Number,
) -> UInt8[Tensor, "frame row choice"]:
    """How many sources remain of the chosen tracks once copies are merged."""
    sizes = torch.stack([chosen.sum(dtype=torch.uint8) for chosen in choices])
    sources = sizes.expand(*activity.shape[:2], -1).clone()
    if estimate.direction is None:
        return sources
    # Elsewhere no two tracks are ever active at once.
    at = (activity > FAINTEST).sum(-1) > 1
    direction = estimate.direction[_index_cells(at, *rows)]
    loud = (activity > FAINTEST)[at]
    for number, chosen in enumerate(choices):
        if chosen.sum() > 1:
            owner = group_tracks(direction, chosen.expand_as(loud), angle_deg)
            left = ((owner == torch.arange(len(chosen), device=owner.device)) & chosen).sum(-1, dtype=torch.uint8)
            sources[..., number][at] = torch.where((loud & chosen).sum(-1) > 1, left, sizes[number])
    return sources


def _hits_by_choice(
    cells: Mapping[str, Tensor],
    target: MatchSide,
    choices: Sequence[Bool[Tensor, "track"]],
    angle_deg: Number,
    limits: PairLimits,
) -> UInt8[Tensor, "cell choice"]:
    """How many hits each choice of tracks has, copies merged."""
    everything = torch.ones_like(cells["activity"], dtype=torch.bool)
    pairs = CandidatePairs.from_sides(MatchSide.from_fields(cells, everything), target, limits)
    hits = torch.stack([pairs.count_hits(pad_tracks(chosen).expand_as(target.active)) for chosen in choices], -1)
    if "direction" not in cells:
        return hits
    # Where all tracks stand apart no choice merges any; elsewhere, in few cells, each merges its own.
    owner = group_tracks(cells["direction"], everything, angle_deg)
    near = (owner != torch.arange(owner.shape[-1], device=owner.device)).any(-1)
    few, few_true = {name: value[near] for name, value in cells.items()}, target.take(near)
    for number, chosen in enumerate(choices):
        if chosen.sum() > 1:
            merged = MatchSide.from_fields(*merge_cells(few, chosen.expand_as(few["activity"]), angle_deg))
            hits[near, number] = CandidatePairs.from_sides(merged, few_true, limits).count_hits(merged.active)
    return hits
