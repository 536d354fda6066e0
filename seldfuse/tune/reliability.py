"""How often a class is active for a probability of a member, and the temperature and bias that calibrate it."""

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
    """Frames counted by the log-odds of a class's activity (its loudest track's): silent in truth, and sounding."""

    counts: Float[Tensor, "2 cls bin"]
    labels: LabelSet

    @classmethod
    def from_posteriors(cls, estimate: Posterior, truth: Posterior) -> "Reliability":
        """Count the frames of all clips of an estimate beside the truth, whose activity is 0 or 1, but for NaN."""
        loudest, sounds = estimate.activity.amax(-1), truth.activity.amax(-1) > 0.5
        known = ~loudest.isnan()
        place = (loudest.nan_to_num(0.5).logit(1e-6).clamp(-WIDEST, WIDEST) / WIDEST + 1) / 2 * (BINS - 1)
        classes = torch.arange(len(estimate.labels), device=place.device).expand_as(place)
        slot = ((sounds * len(estimate.labels) + classes) * BINS + place.round().long())[known]
        counts = torch.bincount(slot, minlength=2 * len(estimate.labels) * BINS).to(torch.float64)
        return cls(counts.reshape(2, len(estimate.labels), BINS).cpu().float(), estimate.labels)

    def fit(self) -> Calibration:
        """Fit temperature and bias of each class by maximum likelihood (Platt, 1999), rare classes drawn to the mean.

        A class's frames are joined by `SHRINKAGE_FRAMES` sounding frames, and the silent ones that belong to them, of
        all classes together.
        """
        pooled = self.counts.sum(1, keepdim=True)
        counts = self.counts + pooled * SHRINKAGE_FRAMES / pooled[1].sum().clamp_min(1.0)
        slope, bias = _logistic(counts, _centres())
        names = self.labels.names
        return Calibration(
            dict(zip(names, (round(1.0 / value, 4) for value in slope.tolist()), strict=True)),
            dict(zip(names, (round(value, 4) for value in bias.tolist()), strict=True)),
        )

    def compute_expected_error(self, calibration: Calibration) -> Float[Tensor, "cls"]:
        """Compute the expected calibration error of each class: mean distance of frequency and probability by bin."""
        probability, frequency, weight = self.to_diagram(calibration)
        return ((probability - frequency).abs() * weight).sum(-1)

    def to_diagram(self, calibration: Calibration) -> tuple[Tensor, Tensor, Tensor]:
        """Compute mean probability, frequency and share of frames, each `(cls, plotted bin)`; 0 where no frame is."""
        by_class = calibration.resolve_for(self.labels, self.counts.device)
        chance = by_class.apply_to_log_odds(_centres().expand(len(self.labels), -1)).sigmoid()
        place = (chance * PLOTTED).long().clamp_max(PLOTTED - 1)
        silent, sounding = self.counts
        frames = silent + sounding

        def binned(value: Tensor) -> Tensor:
            return torch.zeros(len(self.labels), PLOTTED).scatter_add(1, place, value)

        total = binned(frames)
        known = total.clamp_min(1e-9)
        return binned(frames * chance) / known, binned(sounding) / known, total / frames.sum(-1, keepdim=True)


def _centres() -> Float[Tensor, "bin"]:
    return torch.linspace(-WIDEST, WIDEST, BINS)


def _logistic(
    counts: Float[Tensor, "2 cls bin"], log_odds: Float[Tensor, "bin"]
) -> tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]:
    """Fit slope and bias of each class by Newton's method; the slope stays above 0.05."""
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
