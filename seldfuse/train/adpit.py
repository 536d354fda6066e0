"""ADPIT, the loss of multi-ACCDDOA heads: any track may learn any source, and none is left without one.

Where a class has fewer sources than tracks, sources are duplicated; of all ways to give them to tracks, the one that
fits best counts. Shimada et al., "Multi-ACCDOA: Localizing and Detecting Overlapping Sounds from the Same Class with
Auxiliary Duplicating Permutation Invariant Training", ICASSP 2022; with the distance Krause, Politis, Mesaros, EUSIPCO
2024; with on-screen the DCASE 2025 Task 3 baseline. The head is that of `seldfuse.nn.accddoa`.
"""

from itertools import product

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.grid import TRACKS
from seldfuse.core.posterior import Posterior

PLACE_ELEMENTS = 3
"""x, y and metres, which say which way of giving sources to tracks fits best."""

GROUPS = ((0,), (1, 2), (3, 4, 5))
"""The dummy tracks A0, B0, B1, C0, C1, C2 by the number of sources of one class at a time: one, two, three."""

_SIZE = [len(group) for group in GROUPS for _ in group]
_LANE = [lane for group in GROUPS for lane in range(len(group))]

_WAYS_OF_GROUP = [[way for way in product(group, repeat=TRACKS) if set(way) == set(group)] for group in GROUPS]
_WAYS = [way for ways in _WAYS_OF_GROUP for way in ways]
"""The dummy track that each track learns, in each of the 1 + 6 + 6 ways."""

# The groups that are absent are zero, and so would be what their ways ask for: silence would often fit best. So to each
# dummy track the first way of the other groups is added, and a way of an absent group asks for what is there.
_ADDED = [
    [
        [dummy, *(ways[0][track] for group, ways in zip(GROUPS, _WAYS_OF_GROUP, strict=True) if dummy not in group)]
        for dummy in range(len(_SIZE))
    ]
    for track in range(TRACKS)
]


def adpit_targets(truth: Posterior, onscreen: bool = False) -> Float[Tensor, "batch frame 6 element cls"]:
    """Compute the targets of a head: for the dummy tracks A0, B0, B1, C0, C1, C2 the elements activity, x, y, metres[,
    on].

    `truth` holds horizontal directions, distances and, with `onscreen`, on-screen, on tracks filled from the first; a
    track counts as a source where its activity is above 0, and a fourth is left out. Where it is NaN, as of classes
    that were not annotated, all elements are NaN, and the losses leave the cell out.
    """
    assert truth.direction is not None
    assert truth.distance is not None
    elements = [truth.activity, *truth.direction[..., :2].unbind(-1), truth.distance]
    if onscreen:
        assert truth.onscreen is not None
        elements.append(truth.onscreen)
    source = torch.stack(elements, dim=-1)  # (batch, frame, cls, track, element)
    source = F.pad(source, (0, 0, 0, TRACKS - truth.tracks))  # of more than three the first three
    sources = (source[..., 0] > 0).sum(-1, keepdim=True)
    here = sources == torch.tensor(_SIZE, device=source.device)  # (batch, frame, cls, 6)
    dummies = source[..., _LANE, :].masked_fill(~here.unsqueeze(-1), 0.0)
    dummies = dummies.masked_fill(truth.activity.isnan().any(-1)[..., None, None], torch.nan)
    return dummies.permute(0, 1, 3, 4, 2)


def adpit_loss(
    output: Float[Tensor, "batch frame out"], target: Float[Tensor, "batch frame 6 element cls"], onscreen: bool = False
) -> Float[Tensor, ""]:
    """Mean over frames and classes that are labelled of the error of the way that fits best.

    `output` is an activated head, flattened over track, element and class; `target` is that of `adpit_targets`. The
    error is the mean square over tracks and elements, with `onscreen` plus the mean binary cross-entropy of on-screen
    over tracks, which has no say in which way fits best. Raises ValueError where the sizes do not fit together.
    """
    labelled, target = _split_labelled(target)
    error, best, predicted, targets = _best_fit(output, target, onscreen)
    if onscreen:
        error = error + _chosen(_onscreen_error(predicted, targets), best)
    return _mean_labelled(error, labelled)


def adpit_onscreen_loss(
    output: Float[Tensor, "batch frame out"],
    target: Float[Tensor, "batch frame 6 element cls"],
    onscreen_weight: float = 0.1,
    active_positive_weight: float = 1.0,
    overlap_weight: float | None = None,
) -> Float[Tensor, ""]:
    """Compute `adpit_loss` with on-screen, whose cross-entropy is a mean over sources: where nothing sounds it says
    nothing.

    With the mean over all cells, as the baseline has it, nineteen of twenty teach that all is off-screen. Cells in
    which something sounds count `active_positive_weight` times: of an uncertain source the mean square makes a short
    vector. Those with several sources of the class count `overlap_weight` times (as other active ones, where it is not
    given): they are few, and only they teach tracks not to be copies of each other.
    """
    labelled, target = _split_labelled(target)
    error, best, predicted, targets = _best_fit(output, target, True)
    present = target[:, :, :, 0][:, :, _ADDED].sum(4)  # (batch, frame, track, 6, cls)
    onscreen_error, sources = _chosen(_onscreen_error(predicted, targets) * present, best), _chosen(present, best)
    overlap_weight = active_positive_weight if overlap_weight is None else overlap_weight
    active, crowded = target[:, :, :, 0].amax(dim=2), target[:, :, 1:, 0].amax(dim=2)  # (batch, frame, cls)
    weight = 1.0 + (active_positive_weight - 1.0) * active + (overlap_weight - active_positive_weight) * crowded
    return _mean_labelled(weight * error, labelled) + onscreen_weight * onscreen_error.sum() / sources.sum().clamp_min(
        1.0
    )


def _split_labelled(target: Tensor) -> tuple[Bool[Tensor, "batch frame cls"], Tensor]:
    """Which cells are labelled, and the target without NaN."""
    return ~target[:, :, 0, 0].isnan(), target.nan_to_num()


def _mean_labelled(error: Tensor, labelled: Bool[Tensor, "batch frame cls"]) -> Float[Tensor, ""]:
    return error.mean() if labelled.all() else (error * labelled).sum() / labelled.sum().clamp_min(1)


def _best_fit(
    output: Float[Tensor, "batch frame out"], target: Float[Tensor, "batch frame 6 element cls"], onscreen: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the position error of the best permutation, which that is, and predictions and targets of each track."""
    elements, classes = PLACE_ELEMENTS + onscreen, target.shape[-1]
    if target.shape[-2] != 1 + elements or output.shape[-1] != TRACKS * elements * classes:
        raise ValueError(
            f"expected {1 + elements} elements in the target and {TRACKS * elements * classes} outputs for {classes} "
            f"classes, got {target.shape[-2]} and {output.shape[-1]}"
        )
    # (batch, frame, track, 1, element, cls)
    predicted = output.reshape(*output.shape[:2], TRACKS, 1, elements, classes)
    meant = target[:, :, :, :1] * target[:, :, :, 1:]  # (batch, frame, 6, element, cls)
    targets = meant[:, :, _ADDED].sum(4)  # (batch, frame, track, 6, element, cls)
    places = slice(PLACE_ELEMENTS)
    off = (predicted[..., places, :] - targets[..., places, :]).square().mean(-2)  # (batch, frame, track, 6, cls)
    error, best = _of_ways(off).min(dim=2)  # (batch, frame, cls)
    return error, best, predicted, targets


def _onscreen_error(predicted: Tensor, targets: Tensor) -> Float[Tensor, "batch frame 3 6 cls"]:
    """The cross-entropy of on-screen of each track against each dummy track."""
    target_onscreen = targets[..., -1, :]
    return F.binary_cross_entropy(predicted[..., -1, :].expand_as(target_onscreen), target_onscreen, reduction="none")


def _chosen(values: Float[Tensor, "batch frame 3 6 cls"], best: Tensor) -> Float[Tensor, "batch frame cls"]:
    return _of_ways(values).gather(2, best.unsqueeze(2)).squeeze(2)


def _of_ways(error: Float[Tensor, "batch frame 3 6 cls"]) -> Float[Tensor, "batch frame 13 cls"]:
    """The mean over tracks, of each way, of each track's error against the dummy track that it would learn."""
    return error[:, :, list(range(TRACKS)), _WAYS].mean(3)
