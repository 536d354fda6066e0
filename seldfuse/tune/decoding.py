"""Thresholds, hysteresis, shortest duration and longest pause of each class, fitted to the score itself."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.core.labels import LabelSet
from seldfuse.fusion.decode import DecodeSettings, find_active_by
from seldfuse.tune.outcomes import OutcomeRows, compute_f
from seldfuse.tune.shrinkage import SHRINKAGE_FRAMES

LOWEST, HIGHEST = 0.05, 0.95


@dataclass(frozen=True)
class _Choice:
    """The numbers of each class, as `find_active_by` takes them."""

    high: Float[Tensor, "cls"]
    low_share: Float[Tensor, "cls"]
    gap: Float[Tensor, "cls"]
    shortest: Float[Tensor, "cls"]

    def active(self, rows: OutcomeRows) -> Bool[Tensor, "frame row track"]:
        high, share, gap, shortest = (
            values[rows.cls].unsqueeze(-1) for values in (self.high, self.low_share, self.gap, self.shortest)
        )
        return find_active_by(rows.activity[None], high, high * share, gap, shortest)[1][0]


def fit_decoding(rows: OutcomeRows, labels: LabelSet, base: DecodeSettings) -> DecodeSettings:
    """Fit the settings of each class that score best on these rows, one kind of number after the other.

    A class of few frames follows what is best for all: `SHRINKAGE_FRAMES` frames of the mean class join its own.
    `base` gives what is not fitted.
    """
    ones = torch.ones(len(labels), device=rows.activity.device)
    choice = _Choice(0.5 * ones, ones, 0.0 * ones, ones)
    choice = _best(rows, choice, "high", torch.arange(0.1, 0.95, 0.1)[:, None] * ones.cpu())
    choice = _finer(rows, choice, (-0.075, -0.05, -0.025, 0.0, 0.025, 0.05, 0.075))
    for name, values in {
        "low_share": (1.0, 0.8, 0.6, 0.4),  # the lower threshold of hysteresis, as a share of the upper one
        "shortest": (1.0, 2.0, 3.0, 4.0, 6.0),
        "gap": (0.0, 1.0, 2.0, 4.0, 8.0),
    }.items():
        choice = _best(rows, choice, name, torch.tensor(values)[:, None] * ones.cpu())
    choice = _finer(rows, choice, (-0.05, -0.025, 0.0, 0.025, 0.05, 0.1, 0.15))
    return _settings(choice, labels, base)


def count_hits(rows: OutcomeRows, settings: DecodeSettings, labels: LabelSet) -> Float[Tensor, "3 cls"]:
    """Count hits, predictions and references of each class under some settings."""
    return _by_class(rows, select_active_rows(rows, settings, labels), len(labels))


def select_active_rows(
    rows: OutcomeRows, settings: DecodeSettings, labels: LabelSet
) -> Bool[Tensor, "frame row track"]:
    """Select the tracks that are active under some settings."""
    limits = settings.resolve_for(labels, rows.activity.device).per_class(rows.activity)
    return find_active_by(rows.activity[None], *(limit[rows.cls].unsqueeze(-1) for limit in limits))[1][0]


def _finer(rows: OutcomeRows, choice: _Choice, offsets: tuple[float, ...]) -> _Choice:
    values = choice.high.cpu() + torch.tensor(offsets)[:, None]
    return _best(rows, choice, "high", values.clamp(LOWEST, HIGHEST))


def _best(rows: OutcomeRows, choice: _Choice, name: str, values: Float[Tensor, "value cls"]) -> _Choice:
    """Choose the best of these values for each class; the first among equals."""
    values = values.to(rows.activity)
    tried = [replace(choice, **{name: value}) for value in values]
    lowest = torch.stack([one.high for one in tried]).amin(0)
    audible = rows.activity.amax((0, 2)) > lowest[rows.cls]
    loud, faint = rows.take(audible), rows.take(~audible)
    missed = _by_class(faint, torch.zeros_like(faint.activity, dtype=torch.bool), values.shape[1])
    counts = missed[:, None] + torch.stack([_by_class(loud, one.active(loud), values.shape[1]) for one in tried], dim=1)
    shared = counts.sum(-1, keepdim=True)
    shared = shared * SHRINKAGE_FRAMES / shared[2].clamp_min(1.0)
    best = compute_f(counts + shared).argmax(0, keepdim=True)
    return replace(choice, **{name: values.gather(0, best)[0]})


def _by_class(rows: OutcomeRows, active: Bool[Tensor, "frame row track"], classes: int) -> Float[Tensor, "3 cls"]:
    by_row = rows.from_data(active)
    return torch.zeros(3, classes, device=by_row.device).index_add_(1, rows.cls, by_row)


def _settings(choice: _Choice, labels: LabelSet, base: DecodeSettings) -> DecodeSettings:
    def table(values: Tensor, digits: int) -> dict[str, float]:
        return dict(zip(labels.names, (round(value, digits) for value in values.tolist()), strict=True))

    return replace(
        base,
        threshold=table(choice.high, 4),
        offset_threshold=table(choice.high * choice.low_share, 4),
        max_gap_frames={name: int(frames) for name, frames in table(choice.gap, 0).items()},
        min_frames={name: int(frames) for name, frames in table(choice.shortest, 0).items()},
    )
