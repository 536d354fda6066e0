"""Several posteriors on one grid, with one meaning for each track."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.averages import is_known
from seldfuse.fusion.tracks import compute_affinity, find_best_permutation, reorder_tracks, take_along_track

FORBIDDEN = -1e4
"""Worse than any sum of fits, of which none is below −1."""


@dataclass(frozen=True)
class AlignedMembers:
    """Posteriors stacked member by member.

    Shape: `values[field]` is `[member, batch, frame, cls, track]` (`direction` has a last axis of 3), NaN where a
    member does not provide it. `known[field]` is boolean, `[member, batch, frame, cls, track]`: whether the member has
    the track and knows both its activity and the field there (NaN is not knowing).
    """

    members: tuple[str, ...]
    reference: str
    values: Mapping[str, Tensor]
    known: Mapping[str, Tensor]


def align(posteriors: Mapping[str, Posterior], activity_weight: Float[Tensor, "member cls"]) -> AlignedMembers:
    """Match the tracks of members to those of the reference member, per frame and class.

    The reference has the most tracks, then the largest activity weight, then the first name; where it knows no
    activity, the next takes its place. A member's tracks are assigned so that the sum of activity × activity × cosine
    is greatest; a member with fewer tracks abstains on the rest. One frame more or less is trimmed. Raises UsageError
    where labels, hops, clips or frames do not fit together.
    """
    check_compatible(posteriors)
    names = tuple(posteriors)
    frames = min(posterior.frames for posterior in posteriors.values())
    tracks = max(posterior.tracks for posterior in posteriors.values())
    weight = dict(zip(names, activity_weight.mean(-1).tolist(), strict=True))
    ranked = sorted(names, key=lambda name: (-posteriors[name].tracks, -weight[name], name))
    padded = {name: _pad(posterior, frames, tracks) for name, posterior in posteriors.items()}
    source, anchor = _select_anchor([padded[name] for name in ranked])
    matched = [_match(anchor, padded[name], posteriors[name].tracks, source == ranked.index(name)) for name in names]
    fields = list(dict.fromkeys(field for member in matched for field in member if field != "present"))
    stacks = {field: _stack(field, matched) for field in fields}
    present = torch.stack([member["present"] for member in matched]) & is_known("activity", stacks["activity"])
    return AlignedMembers(
        members=names,
        reference=ranked[0],
        values=stacks,
        known={field: present & is_known(field, stack) for field, stack in stacks.items()},
    )


def check_compatible(posteriors: Mapping[str, Posterior]) -> None:
    """Check that members fit together.

    Raises UsageError, naming two members, where labels, hops, clips or frames do not.
    """
    first, *others = posteriors.items()
    for other in others:
        _check_pair(*first, *other)
    frames = {name: posterior.frames for name, posterior in posteriors.items()}
    short, long = min(frames, key=frames.__getitem__), max(frames, key=frames.__getitem__)
    if frames[long] - frames[short] > 1:
        raise UsageError(
            f"{long} has {frames[long]} frames and {short} {frames[short]}; were they computed from the same clips?"
        )


def _check_pair(one: str, first: Posterior, two: str, second: Posterior) -> None:
    if not first.labels.has_same_classes(second.labels):
        mine, theirs = set(first.labels.names), set(second.labels.names)
        differing = ", ".join(sorted(mine ^ theirs)) or "the same names in another order"
        raise UsageError(f"{one} and {two} do not speak of the same classes; they differ in: {differing}")
    if abs(first.hop_s - second.hop_s) > 1e-6:
        raise UsageError(f"{one} has a frame every {first.hop_s:g} s and {two} every {second.hop_s:g} s")
    if len(first.activity) != len(second.activity):
        raise UsageError(f"{one} holds {len(first.activity)} clips and {two} {len(second.activity)}")


def _pad(posterior: Posterior, frames: int, tracks: int) -> dict[str, Tensor]:
    spare = tracks - posterior.tracks
    cut = {name: value[:, :frames] for name, value in posterior.tensors().items()}
    cut["present"] = torch.ones_like(cut["activity"], dtype=torch.bool)
    return {name: F.pad(value, (0, 0, 0, spare) if name == "direction" else (0, spare)) for name, value in cut.items()}


def _select_anchor(ranked: list[dict[str, Tensor]]) -> tuple[Int[Tensor, "batch frame cls"], dict[str, Tensor]]:
    """Select for every class and frame the first member that knows its activity, with the fields of that member."""
    knows = torch.stack([(member["present"] & is_known("activity", member["activity"])).any(-1) for member in ranked])
    source = knows.int().max(0).indices  # the first of the greatest, as by argmax, which is slow along this axis
    if not source.any():
        return source, ranked[0]
    fields = [field for field in ("activity", "direction", "present") if any(field in member for member in ranked)]
    stacks = {field: _stack(field, ranked) for field in fields}
    index = source[None, ..., None].expand_as(stacks["activity"][:1])
    return source, {field: take_along_track(stack, index, 0)[0] for field, stack in stacks.items()}


def _match(
    anchor: Mapping[str, Tensor], member: Mapping[str, Tensor], tracks: int, is_anchor: Bool[Tensor, "batch frame cls"]
) -> dict[str, Tensor]:
    """Order the member's tracks as the anchor's; where the member itself is the anchor, they stay in their own."""
    if is_anchor.all():
        return dict(member)
    rows = anchor["activity"].shape[-1]
    fit = compute_affinity(_select_for_affinity(anchor, rows), _select_for_affinity(member, tracks))
    # Among members that know a class the anchor has most tracks; what only others have is no place for a source.
    fit = fit.masked_fill(~anchor["present"].unsqueeze(-1), FORBIDDEN)
    order = torch.where(is_anchor.unsqueeze(-1), torch.arange(rows, device=fit.device), find_best_permutation(fit))
    return {name: reorder_tracks(value, order) for name, value in member.items()}


def _select_for_affinity(fields: Mapping[str, Tensor], tracks: int) -> dict[str, Tensor]:
    """Select what distinguishes the first so many tracks; unknown activity draws no track to itself."""
    activity = fields["activity"][..., :tracks].nan_to_num()
    direction = {"direction": fields["direction"][..., :tracks, :]} if "direction" in fields else {}
    return {"activity": activity, **direction}


def _stack(field: str, members: list[dict[str, Tensor]]) -> Tensor:
    template = next(member[field] for member in members if field in member)
    unknown = torch.full_like(template, torch.nan)
    return torch.stack([member.get(field, unknown) for member in members])
