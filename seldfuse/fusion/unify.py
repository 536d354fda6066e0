"""One source on several tracks becomes one track.

Twice: `merge_duplicate_tracks` before members are combined, by a fixed activity, and `merge_active_tracks` when events
are decoded, among the tracks that the thresholds made active.

A network trained with auxiliary duplicates (ADPIT: Shimada et al., "Multi-ACCDOA", ICASSP 2022) repeats a source on
the tracks that it has to spare.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.core.class_values import Number
from seldfuse.core.directions import normalize
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import SILENT
from seldfuse.fusion.tracks import compute_cosines


def merge_duplicate_tracks(posterior: Posterior, angle_deg: Number = 15.0, active_above: float = 0.5) -> Posterior:
    """Merge copies of one source on the first of their tracks.

    Copies are tracks of one class whose activity exceeds `active_above` and that lie strictly nearer than `angle_deg`,
    directly or by way of others. A freed track gets activity 0. A posterior of one track, or without direction, comes
    back as it is.
    """
    return merge_active_tracks(posterior, posterior.activity > active_above, angle_deg)[0]


def merge_active_tracks(
    posterior: Posterior, active: Bool[Tensor, "batch frame cls track"], angle_deg: Number
) -> tuple[Posterior, Bool[Tensor, "batch frame cls track"]]:
    """Merge as `merge_duplicate_tracks` does, among the tracks that `active` marks; with what is active afterwards.

    The merged track has the mean direction (vectors weighted by activity), the plain mean of distance and of the
    uncertainties, the greatest activity, and the on-screen probability of the first.
    """
    if posterior.tracks == 1 or posterior.direction is None:
        return posterior, active
    # Few cells hold two active tracks; the rest is left alone.
    crowded = active.sum(-1) > 1
    cells = {name: value[crowded] for name, value in posterior.tensors().items()}
    values, left = merge_cells(cells, active[crowded], angle_deg)
    merged = {name: value.index_put((crowded,), values[name]) for name, value in posterior.tensors().items()}
    return replace(posterior, **merged), active.index_put((crowded,), left)  # type: ignore[arg-type]


def merge_cells(
    cells: Mapping[str, Tensor], active: Bool[Tensor, "cell track"], angle_deg: Number
) -> tuple[dict[str, Tensor], Bool[Tensor, "cell track"]]:
    """Merge as `merge_active_tracks` does, of fields `(cell, track)` that have a direction."""
    owner = group_tracks(cells["direction"], active, angle_deg)
    tracks = torch.arange(active.shape[-1], device=owner.device)
    owns = owner.unsqueeze(-2) == tracks.unsqueeze(-1)  # (cell, owner, track)
    return {**cells, **_means(cells, owns)}, active & (owner == tracks)


def _means(values: Mapping[str, Tensor], owns: Bool[Tensor, "cell owner track"]) -> dict[str, Tensor]:
    shared = owns.sum(-1) > 1
    means = {"activity": _mask_by_owner(owns, values["activity"]).amax(-1)}
    pull = values["direction"] * values["activity"].clamp_min(SILENT).unsqueeze(-1)
    towards = normalize(_mask_by_owner(owns, pull).sum(-2))
    means["direction"] = torch.where(shared.unsqueeze(-1), towards, values["direction"])
    for name in values.keys() & {"distance", "azimuth_std_deg", "distance_log_std"}:
        means[name] = torch.where(
            shared, _mask_by_owner(owns, values[name]).sum(-1) / owns.sum(-1).clamp_min(1), values[name]
        )
    return means


def _mask_by_owner(owns: Bool[Tensor, "cell owner track"], value: Float[Tensor, "cell track *xyz"]) -> Tensor:
    """Mask each owner's tracks, `(cell, owner, track, *xyz)`, with 0 at tracks of others (these may be NaN)."""
    mask = owns.unsqueeze(-1) if value.ndim > 2 else owns
    return torch.where(mask, value.unsqueeze(1), 0.0)


def group_tracks(
    direction: Float[Tensor, "*cell track 3"], active: Bool[Tensor, "*cell track"], angle_deg: Number
) -> Int[Tensor, "*cell track"]:
    """Group tracks: the first track of each one's group, itself where it stands alone."""
    tracks = active.shape[-1]
    near = compute_cosines(direction, direction) > math.cos(math.radians(angle_deg))
    linked = near & active.unsqueeze(-1) & active.unsqueeze(-2)
    linked = linked | torch.eye(tracks, dtype=torch.bool, device=active.device)
    # Each round doubles the length of the chains that are followed; a chain has at most tracks − 1 links.
    for _ in range(math.ceil(math.log2(max(tracks - 1, 1)))):
        linked = (linked.unsqueeze(-1) & linked.unsqueeze(-3)).any(-2)
    return linked.int().argmax(-1)
