"""Windows of one long recording become one posterior."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import compute_terms, finish_mean, is_known, weigh_tracks
from seldfuse.fusion.tracks import compute_affinity, find_best_permutation, reorder_tracks, take_along_track


class WindowAggregator:
    """A sum of overlapping windows of one recording, which come in order, a few at a time.

    Each fades into the next: a window counts fully, but for linear ramps over `overlap_frames` at its ends. Fields are
    averaged as by `combine`; a direction counts as far as its window's activity. The tracks of a window are first put
    in the order of the window before, one permutation per class, by the frames that both cover. Sums are held, not
    windows.
    """

    def __init__(self, overlap_frames: int = 10) -> None:
        self._overlap_frames = overlap_frames
        self._windows = 0
        self._last: Posterior | None = None
        self._last_start = -1
        self._totals: dict[str, Tensor] = {}
        self._loudness: dict[str, Tensor] = {}

    def add(self, windows: Posterior, start_frames: Sequence[int]) -> None:
        """Add windows, one row of the batch each, and the frames of the recording at which they begin.

        Raises ValueError where there is not one start for each window, or the starts do not grow.
        """
        starts = [self._last_start, *start_frames]
        if len(start_frames) != len(windows.activity) or any(later <= start for start, later in pairwise(starts)):
            raise ValueError(
                f"expected {len(windows.activity)} starts that grow from {starts[0]}, got {list(start_frames)}"
            )
        windows = windows.map(Tensor.float)
        if self._last is None:
            ordered = sort_tracks(windows, start_frames)
        else:
            ordered = sort_tracks(_prepend(self._last, windows), starts).map(lambda value: value[1:])
        self._sum_up(ordered, start_frames)
        self._windows += len(start_frames)
        self._last, self._last_start = ordered.map(lambda value: value[-1:]), start_frames[-1]

    def finish(self, total_frames: int) -> Posterior:
        """Average the recording to a batch of one, `[1, total_frames, cls, track]`; what lies beyond is cut off.

        A single window comes back unchanged. Raises ValueError where a frame is covered by no window.
        """
        covered = self._loudness["activity"][:total_frames].amax((-2, -1)) > 0 if self._last else torch.zeros(0)
        if self._last is None or len(covered) < total_frames or not covered.all():
            raise ValueError(f"the windows cover {int(covered.sum())} of {total_frames} frames")
        if self._windows == 1:
            return self._last.map(lambda value: value[:, :total_frames])
        means = {name: finish_mean(name, total, self._loudness[name]) for name, total in self._totals.items()}
        return replace(self._last, **{name: mean[None, :total_frames] for name, mean in means.items()})  # type: ignore[arg-type]

    def _sum_up(self, windows: Posterior, starts: Sequence[int]) -> None:
        frame = torch.tensor(starts)[:, None] + torch.arange(windows.frames)
        frame = frame.flatten().to(windows.activity.device)
        weight = self._ramps(windows.frames).to(windows.activity)[:, None, None]
        for name, value in windows.tensors().items():
            loudness = weigh_tracks(name, weight * is_known(name, value), windows.activity)
            self._totals[name] = _add(self._totals.get(name), frame, compute_terms(name, value, loudness))
            self._loudness[name] = _add(self._loudness.get(name), frame, loudness)

    def _ramps(self, frames: int) -> Float[Tensor, "frame"]:
        rise = torch.arange(1, frames + 1) / (self._overlap_frames + 1)
        return torch.minimum(rise, rise.flip(0)).clamp_max(1.0)


def sort_tracks(windows: Posterior, starts: Sequence[int]) -> Posterior:
    """Order each window's tracks as those of the window before, and so of the first, one permutation per class."""
    if len(starts) == 1 or windows.tracks == 1:
        return windows
    steps = _steps(windows, starts)
    order = torch.arange(windows.tracks, device=steps.device).expand(steps.shape[1:])
    orders = [order]
    for step in steps:
        order = step.gather(-1, order)
        orders.append(order)
    every_frame = torch.stack(orders).unsqueeze(1).expand_as(windows.activity)
    return windows.map(lambda value: reorder_tracks(value, every_frame))


def _steps(windows: Posterior, starts: Sequence[int]) -> Int[Tensor, "pair cls track"]:
    """Find for each window but the first which of its tracks continues each track of the window before."""
    fields = {name: value for name, value in windows.tensors().items() if name in ("activity", "direction")}
    shift = torch.tensor(starts).diff()[:, None] + torch.arange(windows.frames)  # (pair, frame): the same frame, before
    shared = (shift < windows.frames).to(windows.activity)[:, :, None, None]
    index = shift.clamp_max(windows.frames - 1).to(shared.device)[:, :, None, None]
    before = {
        name: take_along_track(value[:-1], index.expand_as(windows.activity[1:]), 1) for name, value in fields.items()
    }
    before["activity"] = before["activity"] * shared
    return find_best_permutation(compute_affinity(before, {name: value[1:] for name, value in fields.items()}).sum(1))


def _prepend(last: Posterior, windows: Posterior) -> Posterior:
    fields = windows.tensors()
    return replace(windows, **{name: torch.cat([value, fields[name]]) for name, value in last.tensors().items()})  # type: ignore[arg-type]


def _add(
    sums: Float[Tensor, "frame *cell"] | None, frame: Int[Tensor, "row"], rows: Float[Tensor, "window within *cell"]
) -> Float[Tensor, "later *cell"]:
    rows = rows.flatten(0, 1)
    grown = rows.new_zeros(int(frame[-1]) + 1, *rows.shape[1:])
    if sums is not None:
        grown[: len(sums)] = sums
    return grown.index_add_(0, frame, rows)
