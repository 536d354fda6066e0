"""Activity smoothed along time: sounds go on and pauses go on, so one frame alone is seldom right.

Each track is a chain of two states, silent and active (a hidden Markov model), and the members' probabilities are its
observations. Forward-backward: L. R. Rabiner, "A tutorial on hidden Markov models and selected applications in
speech recognition", Proc. IEEE 77(2), 1989, III.B.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from seldfuse.core.class_values import ClassValues, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.settings.bounds import STRICT, Bounds

START, STOP, TRUST = 0.005, 0.05, 1.0
"""A sound begins after 20 s of silence and lasts 2 s: a place to begin where nothing was fitted."""
PSEUDO_EVENTS = 5
"""Every class is fitted as if it had so many more events, of the kind that all classes have on average."""
TRUSTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
PRIOR_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Odds of the prior over those of the chain. Where a track is only for second sources, the first has odds above it."""

RATE = Bounds("a number between 0 and 1", gt=0, lt=1)


@dataclass(frozen=True)
class HmmSettings:
    """How sounds begin and end, by class: probabilities per frame.

    A silent track becomes active with probability `start`, an active one stops with `stop`. `prior` is the share of
    active frames that the members' probabilities take for granted; what exceeds it speaks for a sound. By default it
    is the chain's own, start / (start + stop). The frames of a network are not independent, they overlap and err alike:
    their evidence is raised to the power `trust`, lest the sum of many be overconfident; 1 believes all.
    """

    __pydantic_config__ = STRICT

    start: Annotated[ClassValues, RATE] = START
    stop: Annotated[ClassValues, RATE] = STOP
    prior: Annotated[ClassValues, RATE] | None = None
    trust: Annotated[ClassValues, Bounds("a number above 0, at most 1", gt=0, le=1)] = TRUST

    def resolve_rates(self, labels: LabelSet) -> "Rates":
        """Resolve to numbers of each class. Raises UsageError for unknown classes."""
        start, stop = to_class_tensor(self.start, labels, START), to_class_tensor(self.stop, labels, STOP)
        share = start / (start + stop)
        prior = share if self.prior is None else to_class_tensor(self.prior, labels, share)
        return Rates(
            _clip_to_open_interval(start),
            _clip_to_open_interval(stop),
            _clip_to_open_interval(prior),
            to_class_tensor(self.trust, labels, TRUST),
        )


@dataclass(frozen=True)
class Rates:
    """`HmmSettings` as numbers of each class."""

    start: Float[Tensor, "cls"]
    stop: Float[Tensor, "cls"]
    prior: Float[Tensor, "cls"]
    trust: Float[Tensor, "cls"]

    def to(self, device: torch.device) -> "Rates":
        return Rates(self.start.to(device), self.stop.to(device), self.prior.to(device), self.trust.to(device))


def smooth_activity(
    activity: Float[Tensor, "batch frame cls track"], rates: Rates
) -> Float[Tensor, "batch frame cls track"]:
    """Compute the probability that a track is active in a frame, given its probabilities in all frames of the clip.

    Chains begin in equilibrium. NaN is no evidence: the chain bridges it.
    """
    odds = _smooth_odds(activity.logit(ODDS_EPSILON), rates)
    return odds / (1 + odds)


def fit_hmm(
    truth: Shaped[Tensor, "clip frame cls track"],
    labels: LabelSet,
    estimate: Float[Tensor, "_ _ _ _"] | None = None,
) -> HmmSettings:
    """Fit settings to the true activity (0 and 1, or booleans); with the members' `estimate` of it, trust as well.

    `start` and `stop` are counted; the step from one clip to the next is none. `trust` and `prior` are those of a grid
    under which the smoothed probabilities make the truth, frame by frame, likeliest; the tracks of `estimate` must then
    be those of the truth. Rare classes lean on the others: each gets `PSEUDO_EVENTS` events of the average class more.

    Raises ValueError where the classes do not fit or `estimate` does not have the shape of the truth.
    """
    if truth.shape[2] != len(labels) or (estimate is not None and estimate.shape != truth.shape):
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in (truth, estimate) if tensor is not None)
        raise ValueError(f"expected truth of {len(labels)} classes, and an estimate of the same shape, got {shapes}")
    active = truth > 0.5
    before, after = active[:, :-1], active[:, 1:]
    start = _rate((~before & after).sum((0, 1, 3)), (~before).sum((0, 1, 3)))
    stop = _rate((before & ~after).sum((0, 1, 3)), before.sum((0, 1, 3)))
    settings = HmmSettings(split_classes(start, labels), split_classes(stop, labels))
    return settings if estimate is None else _fit_trust(settings, labels, active, estimate)


def split_classes(numbers: Float[Tensor, "cls"], labels: LabelSet) -> dict[str, float]:
    """Name numbers by class, with four digits: a file of settings is read by people."""
    return {name: float(f"{number:.4g}") for name, number in zip(labels.names, numbers.tolist(), strict=True)}


def _smooth_odds(
    log_odds: Float[Tensor, "batch frame cls track"], rates: Rates
) -> Float[Tensor, "batch frame cls track"]:
    """Compute odds, the scaled form of forward and backward probabilities: of two states one number is left.

    A chain of two states looks alike from both ends, so the backward probabilities are the forward ones of the clip
    turned round, over the odds of equilibrium, which else would count twice. No rate and no probability is nearer than
    `ODDS_EPSILON` to 0 or 1, so odds stay within 1e±24: float32 neither overflows nor underflows.
    """
    # Numbers for each track, and frames one after the other: to broadcast along the last axis, which is short, or to
    # pick a frame out of each clip, takes several times as long.
    start, stop, prior, trust = (
        getattr(rates, name).to(log_odds)[:, None].repeat(1, log_odds.shape[-1]) for name in vars(rates)
    )
    evidence = (trust * (torch.stack(log_odds.unbind(1)) - prior.logit())).exp().nan_to_num_(1.0).unbind()
    ahead = _predict(evidence, start, stop)
    behind = _predict(evidence[::-1], start, stop)[::-1]
    twice = stop / start
    return torch.stack(
        [past * now * future * twice for past, now, future in zip(ahead, evidence, behind, strict=True)]
    ).movedim(0, 1)


def _predict(
    evidence: Sequence[Float[Tensor, "batch cls track"]],
    start: Float[Tensor, "cls track"],
    stop: Float[Tensor, "cls track"],
) -> list[Float[Tensor, "batch cls track"]]:
    """Predict the odds of activity in each frame from the frames before it."""
    odds = (start / stop).expand_as(evidence[0])
    predicted = [odds]
    stay_silent, stay_active = 1 - start, 1 - stop
    for now in evidence[:-1]:
        odds = odds * now
        odds = (start + stay_active * odds) / (stay_silent + stop * odds)
        predicted.append(odds)
    return predicted


def _rate(events: Int[Tensor, "cls"], chances: Int[Tensor, "cls"]) -> Float[Tensor, "cls"]:
    # The halves (Jeffreys' prior) keep the rate of all classes off 0 and 1 where nothing ever happens.
    pooled = (events.sum() + 0.5) / (chances.sum() + 1)
    return (events + PSEUDO_EVENTS) / (chances + PSEUDO_EVENTS / pooled)


def _fit_trust(
    settings: HmmSettings,
    labels: LabelSet,
    active: Bool[Tensor, "clip frame cls track"],
    estimate: Float[Tensor, "clip frame cls track"],
) -> HmmSettings:
    rates, log_odds = settings.resolve_rates(labels), estimate.logit(ODDS_EPSILON)
    odds = rates.start / rates.stop
    active = active.movedim(1, 0).contiguous().movedim(0, 1)  # in memory as the smoothed odds are
    grid = []
    for trust, factor in product(TRUSTS, PRIOR_FACTORS):
        prior = _clip_to_open_interval(odds * factor / (1 + odds * factor))
        grid.append(replace(rates, prior=prior, trust=torch.full_like(prior, trust)))
    fit = torch.stack([_log_likelihood(active, _smooth_odds(log_odds, point)) for point in grid])  # (grid, cls)
    events = (active[:, 1:] & ~active[:, :-1]).sum().clamp_min(1)
    best = (fit + PSEUDO_EVENTS / events * fit.sum(1, keepdim=True)).argmax(0).tolist()
    prior = torch.stack([grid[row].prior[cls] for cls, row in enumerate(best)])
    trusts = torch.stack([grid[row].trust[cls] for cls, row in enumerate(best)])
    return replace(settings, prior=split_classes(prior, labels), trust=split_classes(trusts, labels))


def _log_likelihood(
    active: Bool[Tensor, "clip frame cls track"], odds: Float[Tensor, "clip frame cls track"]
) -> Float[Tensor, "cls"]:
    return -torch.where(active, 1 / odds, odds).log1p().sum((0, 1), dtype=torch.float64).sum(-1)


def _clip_to_open_interval(probability: Float[Tensor, "cls"]) -> Float[Tensor, "cls"]:
    return probability.clamp(ODDS_EPSILON, 1 - ODDS_EPSILON)
