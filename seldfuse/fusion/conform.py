"""Members that have other classes or frames of another length, brought to one grid.

What a member does not know becomes NaN, and there it abstains.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seldfuse.core.directions import fold_to_front
from seldfuse.core.events import Events
from seldfuse.core.grid import FRAME_S
from seldfuse.core.labels import LabelSet, match_classes
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.averages import compute_terms, finish_mean, is_known, weigh_tracks
from seldfuse.fusion.tracks import MAX_TRACKS, compute_affinity, find_best_permutation, reorder_tracks, take_along_track
from seldfuse.storage.text import name_some

SAME_HOP_S = 1e-6
"""Frames whose lengths differ by less are of one length."""
SLIVER = 1e-6
"""Overlaps below this share of a frame are rounding errors."""
CLASSES_NAMED = 5
"""Classes that a note names; it counts the others."""


@dataclass(frozen=True)
class TargetGrid:
    """The classes, in their order, and the length of a frame to which members are brought."""

    labels: LabelSet
    hop_s: float

    @classmethod
    def from_members(cls, members: Sequence[Posterior | Events], labels: LabelSet | None = None) -> "TargetGrid":
        """Take the classes of `labels`, or else the first member's, and the challenge's frames of 0.1 s, in which
        labels are written and scored."""
        return cls(labels or members[0].labels, FRAME_S)


def conform_members(
    posteriors: Mapping[str, Posterior], grid: TargetGrid
) -> tuple[dict[str, Posterior], tuple[str, ...]]:
    """Bring posteriors `[batch, frame, cls, track]` of the same clips to the classes and frames of `grid`; with notes.

    Classes are matched by name, title and alias. One that the member does not have is NaN in all fields; one that the
    grid does not have is dropped, which a note lists. Frames of another length are averaged, or held where they are
    longer, each field as `averages` has it; a frame beyond the member's end is NaN. Directions to the rear are folded
    to the front, for the mean of a direction and its mirror image is neither. A posterior that fits comes back as it
    is. Raises UsageError, naming the member, where it has no class of the grid or no frames, more tracks than
    can be matched, or where it is longer or shorter than the others by more than the longer of two frames.
    """
    for name, posterior in posteriors.items():
        _check(name, posterior)
    resampled = _resample_all({name: _fold(posterior) for name, posterior in posteriors.items()}, grid.hop_s)
    fitted, notes = {}, []
    for name, posterior in resampled.items():
        if not posterior.labels.has_same_classes(grid.labels):
            notes += _list_dropped(name, posterior.labels, grid.labels)
            posterior = _select_classes(name, posterior, grid.labels)
        fitted[name] = posterior
    return fitted, tuple(notes)


def _fold(posterior: Posterior) -> Posterior:
    if posterior.direction is None or not (posterior.direction[..., 0] < 0).any():
        return posterior
    return replace(posterior, direction=fold_to_front(posterior.direction))


# --- classes --------------------------------------------------------------------------------------------------------


def _select_classes(name: str, posterior: Posterior, labels: LabelSet) -> Posterior:
    places = match_classes(labels, posterior.labels)
    if all(place is None for place in places):
        theirs = posterior.labels
        raise UsageError(
            f"{name} has no class of {labels.name}: it has {', '.join(theirs.names)} ({theirs.name}), "
            f"{labels.name} has {', '.join(labels.names)}; --labels names the classes of the result"
        )
    device = posterior.activity.device
    source = torch.tensor([place or 0 for place in places], device=device)
    lacking = torch.tensor([n for n, place in enumerate(places) if place is None], dtype=torch.long, device=device)
    moved = {
        field: value.index_select(2, source).index_fill(2, lacking, torch.nan)
        for field, value in posterior.tensors().items()
    }
    return replace(posterior, **moved, labels=labels)  # type: ignore[arg-type]


def _list_dropped(name: str, theirs: LabelSet, labels: LabelSet) -> list[str]:
    taken = match_classes(labels, theirs)
    spare = [word for place, word in enumerate(theirs.names) if place not in taken]
    if not spare or len(spare) == len(theirs):
        return []
    return [f"{name} also tells of {name_some(spare, CLASSES_NAMED)}, no class of {labels.name}: left out"]


# --- time -----------------------------------------------------------------------------------------------------------


def _resample_all(posteriors: Mapping[str, Posterior], hop_s: float) -> dict[str, Posterior]:
    """Bring all to frames of `hop_s`; as many as the longest has whose frames are of that length already."""
    others = {name: member for name, member in posteriors.items() if not _same_hop(member.hop_s, hop_s)}
    if not others:
        return dict(posteriors)
    fitting = {name: member for name, member in posteriors.items() if name not in others}
    # Without one that fits, the shortest frames tell best how long the clip is.
    guide = max(
        fitting, key=lambda name: fitting[name].frames, default=min(others, key=lambda name: others[name].hop_s)
    )
    frames = math.ceil(_duration_s(posteriors[guide]) / hop_s - SLIVER)
    for name, member in others.items():
        _check_duration(name, member, guide, posteriors[guide])
    return {name: resample(member, frames, hop_s) if name in others else member for name, member in posteriors.items()}


def resample(posterior: Posterior, frames: int, hop_s: float) -> Posterior:
    """Resample a posterior `[batch, frames, cls, track]` to frames of another length, in single precision.

    Each new frame is the mean of the old ones that it overlaps, weighted by how long it does. Tracks of the old frames
    are first matched to those of the loudest of them, class by class; from one new frame to the next nothing is.
    """
    index, share = compute_overlaps(posterior.frames, posterior.hop_s, frames, hop_s)
    index, share = index.to(posterior.activity.device), share.to(posterior.activity.device)
    parts = {name: value.float()[:, index] for name, value in posterior.tensors().items()}
    weight = share[..., None, None] * is_known("activity", parts["activity"])  # (batch, frame, within, cls, track)
    parts["activity"] = parts["activity"].nan_to_num()
    if posterior.tracks > 1 and index.shape[1] > 1:
        order = _match_to_loudest(parts, weight)
        parts = {name: reorder_tracks(value, order) for name, value in parts.items()}
        weight = reorder_tracks(weight, order)
    means = {}
    for name, value in parts.items():
        loudness = weigh_tracks(name, weight * is_known(name, value), parts["activity"])
        means[name] = finish_mean(name, compute_terms(name, value, loudness).sum(2), loudness.sum(2))
    return replace(posterior, **means, hop_s=hop_s)  # type: ignore[arg-type]


def compute_overlaps(
    old_frames: int, old_hop_s: float, frames: int, hop_s: float
) -> tuple[Int[Tensor, "frame within"], Float[Tensor, "frame within"]]:
    """Compute the old frames that each new one overlaps, and its share of each: a banded matrix by its rows.

    Shares of a row add up to 1, less where the old frames end before the new one does.
    """
    ratio = hop_s / old_hop_s
    begin = torch.arange(frames, dtype=torch.float64).unsqueeze(-1) * ratio  # counted in old frames
    index = (begin + SLIVER * min(ratio, 1.0)).floor().long() + torch.arange(math.ceil(ratio) + 1)
    share = (torch.minimum(index + 1, begin + ratio) - torch.maximum(index, begin)) / ratio
    share = torch.where((index < old_frames) & (share > SLIVER), share, 0.0)
    used = share.any(0)
    return index[:, used].clamp_max(old_frames - 1), share[:, used].float()


def _match_to_loudest(
    parts: Mapping[str, Tensor], weight: Float[Tensor, "batch frame within cls track"]
) -> Int[Tensor, "batch frame within cls track"]:
    fields = {name: value for name, value in parts.items() if name in ("activity", "direction")}
    loudest = (parts["activity"] * (weight > 0)).sum(-1).argmax(2)  # (batch, frame, cls)
    index = loudest[:, :, None, :, None].expand_as(weight)
    return find_best_permutation(
        compute_affinity({name: take_along_track(value, index, 2) for name, value in fields.items()}, fields)
    )


def _same_hop(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= SAME_HOP_S


def _duration_s(posterior: Posterior) -> float:
    return posterior.frames * posterior.hop_s


# --- what cannot be fitted ------------------------------------------------------------------------------------------


def _check(name: str, posterior: Posterior) -> None:
    if not 0 < posterior.hop_s < math.inf:
        raise UsageError(f"{name} must have a frame every so many seconds, more than 0, got {posterior.hop_s:g}")
    if posterior.frames == 0:
        raise UsageError(f"{name} has no frames")
    if posterior.tracks > MAX_TRACKS:
        raise UsageError(f"{name} has {posterior.tracks} tracks; at most {MAX_TRACKS} can be matched")


def _check_duration(one: str, first: Posterior, two: str, second: Posterior) -> None:
    longer_s = max(first.hop_s, second.hop_s)
    if abs(_duration_s(first) - _duration_s(second)) > longer_s * (1 + SLIVER):
        raise UsageError(
            f"{one} has {first.frames} frames of {first.hop_s:g} s and {two} {second.frames} of {second.hop_s:g} s; "
            "were they computed from the same clips?"
        )
