"""Thresholds, hysteresis, shortest duration and longest pause of each class, fitted to the score itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.fusion.decode import DecodeSettings, sounding_by
from seldfuse.fusion.perclass import Number
from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior
from seldfuse.tune.outcomes import Outcomes, f_of
from seldfuse.tune.shrinkage import SHRINKAGE_FRAMES

THRESHOLDS = [round(0.05 + 0.025 * step, 3) for step in range(37)]
LOW_SHARES = (1.0, 0.8, 0.6, 0.4)
"""The lower threshold of hysteresis, as a share of the upper one."""
SHORTEST_FRAMES = (1, 2, 3, 4, 6)
GAPS_FRAMES = (0, 1, 2, 4, 8)


@dataclass(frozen=True)
class _Rows:
    """The rows (one of a clip and class) in which something is heard or true; in all others nothing can be counted."""

    activity: Float[Tensor, "1 frame row track"]
    outcomes: Outcomes
    cls: Int[Tensor, "row"]
    classes: int

    @classmethod
    def of(cls, said: Posterior, found: Outcomes) -> "_Rows":
        heard = (said.activity > THRESHOLDS[0] * LOW_SHARES[-1]).any(-1).any(1)
        clip, kind = (heard | found.references.any(1)).nonzero(as_tuple=True)

        def rows(tensor: Tensor) -> Tensor:
            return tensor.movedim(2, 1)[clip, kind].movedim(0, 1)[None]

        parts = (rows(part) for part in (found.hits, found.predictions, found.references))
        return cls(rows(said.activity), Outcomes(*parts), kind, len(said.labels))

    def counts(self, active: Bool[Tensor, "1 frame row track"]) -> Float[Tensor, "3 cls"]:
        """Hits, predictions and references of each class."""
        by_row = self.outcomes.of(active)[:, 0]
        return torch.zeros(3, self.classes, device=by_row.device).index_add_(1, self.cls, by_row)


@dataclass(frozen=True)
class _Choice:
    """The numbers of each class, as `sounding_by` takes them."""

    high: Float[Tensor, "cls"]
    low_share: Float[Tensor, "cls"]
    gap: Float[Tensor, "cls"]
    shortest: Float[Tensor, "cls"]

    def active(self, rows: _Rows) -> Bool[Tensor, "1 frame row track"]:
        high, share, gap, shortest = (
            values[rows.cls].unsqueeze(-1) for values in (self.high, self.low_share, self.gap, self.shortest)
        )
        return sounding_by(rows.activity, high, high * share, gap, shortest)[1]


def fit_decoding(said: Posterior, found: Outcomes, base: DecodeSettings) -> DecodeSettings:
    """The settings of each class that score best on these outcomes of `said`, one kind of number after the other.

    A class of few frames follows what is best for all: `SHRINKAGE_FRAMES` frames of the mean class join its own.
    `base` gives what is not fitted.
    """
    rows, labels = _Rows.of(said, found), said.labels
    ones = torch.ones(len(labels), device=said.activity.device)
    choice = _Choice(0.5 * ones, ones, 0.0 * ones, ones)
    sweeps: list[tuple[str, Sequence[Number]]] = [
        ("high", THRESHOLDS),
        ("low_share", LOW_SHARES),
        ("shortest", SHORTEST_FRAMES),
        ("gap", GAPS_FRAMES),
        ("high", THRESHOLDS),
    ]
    for name, values in sweeps:
        choice = _best(rows, choice, name, values)
    return _settings(choice, labels, base)


def _best(rows: _Rows, choice: _Choice, name: str, values: Sequence[Number]) -> _Choice:
    """The choice with the best of these values for each class; the first among equals."""
    tried = [replace(choice, **{name: torch.full_like(choice.high, value)}) for value in values]
    counts = torch.stack([rows.counts(one.active(rows)) for one in tried], dim=1)  # (3, value, cls)
    shared = counts.sum(-1, keepdim=True)
    shared = shared * SHRINKAGE_FRAMES / shared[2].clamp_min(1.0)
    best = f_of(counts + shared).argmax(0)
    return replace(choice, **{name: torch.tensor(list(values), device=best.device, dtype=torch.float32)[best]})


def _settings(choice: _Choice, labels: LabelSet, base: DecodeSettings) -> DecodeSettings:
    def table(values: Tensor, digits: int) -> dict[str, float]:
        return dict(zip(labels.names, (round(value, digits) for value in values.tolist()), strict=True))

    return replace(
        base,
        threshold=table(choice.high, 4),
        low=table(choice.high * choice.low_share, 4),
        max_gap_frames={name: int(frames) for name, frames in table(choice.gap, 0).items()},
        min_frames={name: int(frames) for name, frames in table(choice.shortest, 0).items()},
    )
