"""How often a class sounds when a member predicts it, and the temperature and bias that calibrate the prediction."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.calibrate import Calibration
from seldfuse.tune.shrinkage import SHRINKAGE_FRAMES

WIDEST = 12.0
"""Log-odds beyond this (a chance of 1 in 160,000) share a bin."""

BINS = 241
ROUNDS = 30
PLOTTED = 15
"""Bins of equal width in which probability and frequency are compared (Guo et al., ICML 2017)."""


@dataclass(frozen=True)
class Reliability:
    """Frames by the log-odds of a class's activity (its loudest track's): those silent in the target, and sounding."""

    counts: Float[Tensor, "2 cls bin"]
    labels: LabelSet

    @classmethod
    def from_posteriors(cls, estimate: Posterior, target: Posterior) -> "Reliability":
        """Count a posterior of all clips against the target, whose activity is 0 or 1; what is NaN is not counted."""
        activity, sounds = estimate.activity.amax(-1), target.activity.amax(-1) > 0.5
        known = ~activity.isnan()
        position = (activity.nan_to_num(0.5).logit(1e-6).clamp(-WIDEST, WIDEST) / WIDEST + 1) / 2 * (BINS - 1)
        classes = torch.arange(len(estimate.labels), device=position.device).expand_as(position)
        slot = ((sounds * len(estimate.labels) + classes) * BINS + position.round().long())[known]
        counts = torch.bincount(slot, minlength=2 * len(estimate.labels) * BINS).to(torch.float64)
        return cls(counts.reshape(2, len(estimate.labels), BINS).cpu().float(), estimate.labels)

    def fit(self) -> Calibration:
        """Fit temperature and bias of each class by maximum likelihood (Platt, 1999), rare classes drawn to the mean.

        A class's frames are joined by `SHRINKAGE_FRAMES` sounding frames, and the silent ones that belong to them, of
        all classes together.
        """
        pooled = self.counts.sum(1, keepdim=True)
        counts = self.counts + pooled * SHRINKAGE_FRAMES / pooled[1].sum().clamp_min(1.0)
        slope, bias = _logistic(counts, _bin_centers())
        names = self.labels.names
        return Calibration(
            dict(zip(names, (round(1.0 / value, 4) for value in slope.tolist()), strict=True)),
            dict(zip(names, (round(value, 4) for value in bias.tolist()), strict=True)),
        )

    def compute_expected_error(self, calibration: Calibration) -> Float[Tensor, "cls"]:
        """Compute the expected calibration error of each class: mean distance of frequency and probability by bins."""
        probability, frequency, weight = self.to_diagram(calibration)
        return ((probability - frequency).abs() * weight).sum(-1)

    def to_diagram(self, calibration: Calibration) -> tuple[Tensor, Tensor, Tensor]:
        """Compute mean probability, frequency and share of the frames, each `(cls, plotted bin)`; 0 without frames."""
        chance = (
            calibration.resolve_for(self.labels, self.counts.device)
            .apply_to_log_odds(_bin_centers().expand(len(self.labels), -1))
            .sigmoid()
        )
        bin_number = (chance * PLOTTED).long().clamp_max(PLOTTED - 1)
        silent, sounding = self.counts
        frames = silent + sounding

        def binned(value: Tensor) -> Tensor:
            return torch.zeros(len(self.labels), PLOTTED).scatter_add(1, bin_number, value)

        total = binned(frames)
        known = total.clamp_min(1e-9)
        return binned(frames * chance) / known, binned(sounding) / known, total / frames.sum(-1, keepdim=True)


def _bin_centers() -> Float[Tensor, "bin"]:
    return torch.linspace(-WIDEST, WIDEST, BINS)


def _logistic(
    counts: Float[Tensor, "2 cls bin"], log_odds: Float[Tensor, "bin"]
) -> tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]:
    """Slope and bias of each class by Newton's method; the slope stays above 0.05."""
    silent, sounding = counts.double()
    x = torch.stack([log_odds, torch.ones_like(log_odds)]).double()  # (2, bin)
    found = torch.tensor([1.0, 0.0], dtype=torch.float64).repeat(silent.shape[0], 1)
    for _ in range(ROUNDS):
        chance = (found @ x).sigmoid()
        gradient = ((silent + sounding) * chance - sounding) @ x.T
        curvature = torch.einsum("cb,ib,jb->cij", (silent + sounding) * chance * (1 - chance), x, x)
        step = torch.linalg.solve(curvature + 1e-6 * torch.eye(2, dtype=torch.float64), gradient)
        found = found - step.clamp(-1.0, 1.0)
        found[:, 0].clamp_(min=0.05)
    return found[:, 0].float(), found[:, 1].float()
