"""Smoothing along time, fitted; a field that is better left alone is left alone."""

import torch
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.posterior import Posterior
from seldfuse.fusion.averages import ODDS_EPSILON
from seldfuse.fusion.smooth import WALKED, SmoothSettings, smooth_posterior
from seldfuse.fusion.smooth_activity import fit_hmm
from seldfuse.fusion.smooth_tracks import RandomWalkSettings, fit_random_walk
from seldfuse.tune.errors import compute_errors, rank_active_tracks
from seldfuse.tune.subsample import subsample

MOST_CLIPS = 500
"""A chain has three numbers a class; more clips than this would not fit them better."""


def fit_smoothing(target: Posterior, estimate: Posterior) -> SmoothSettings:
    """Fit settings for the fields that are nearer to the target when they are smoothed.

    Networks that process a window at once give what smoothing would give; a chain on top of them counts their evidence
    twice. Where the smoothed probabilities make the target no likelier, or the smoothed errors are no smaller (in the
    mean of squares), there are no settings.
    """
    clips = subsample(torch.ones(len(estimate.activity), dtype=torch.bool), MOST_CLIPS)
    target, estimate = (one.map(lambda value: value[clips]) for one in (target, estimate))
    active = rank_active_tracks(estimate, target)
    chain = fit_hmm(active, estimate.labels, estimate.activity)
    likelier = _negative_log_likelihood(
        smooth_posterior(estimate, SmoothSettings(chain)).activity, active
    ) < _negative_log_likelihood(estimate.activity, active)
    walks = {
        name: _fit_walk(target, estimate, name)
        for name in WALKED
        if name in target.provides and name in estimate.provides
    }
    return SmoothSettings(chain if likelier else None, **walks)


def _fit_walk(target: Posterior, estimate: Posterior, name: str) -> RandomWalkSettings | None:
    before = compute_errors(estimate, target, name)
    if before.isnan().all():
        return None
    walk = fit_random_walk(target, estimate, name)
    settings = SmoothSettings(direction=walk) if name == "direction" else SmoothSettings(distance=walk)
    after = compute_errors(smooth_posterior(estimate, settings), target, name)
    return walk if after.square().nanmean() < before.square().nanmean() else None


def _negative_log_likelihood(activity: Tensor, active: Tensor) -> Tensor:
    log_odds = activity.logit(ODDS_EPSILON)
    return F.binary_cross_entropy_with_logits(log_odds, active)
