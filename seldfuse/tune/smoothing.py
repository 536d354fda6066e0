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
"""A chain has three numbers a class; more clips than this would tell them no better."""


def fit_smoothing(truth: Posterior, said: Posterior) -> SmoothSettings:
    """Settings for the fields that are nearer to the truth when they are smoothed.

    Networks that hear a whole window give what smoothing would give; a chain on top of them counts their evidence
    twice. Where the smoothed probabilities make the truth no likelier, or the smoothed errors are no smaller (in the
    mean of squares), there are no settings.
    """
    clips = subsample(torch.ones(len(said.activity), dtype=torch.bool), MOST_CLIPS)
    truth, said = (one.map(lambda value: value[clips]) for one in (truth, said))
    sounds = rank_active_tracks(said, truth)
    chain = fit_hmm(sounds, said.labels, said.activity)
    likelier = _negative_log_likelihood(
        smooth_posterior(said, SmoothSettings(chain)).activity, sounds
    ) < _negative_log_likelihood(said.activity, sounds)
    walks = {name: _walk(truth, said, name) for name in WALKED if name in truth.provides and name in said.provides}
    return SmoothSettings(chain if likelier else None, **walks)


def _walk(truth: Posterior, said: Posterior, name: str) -> RandomWalkSettings | None:
    before = compute_errors(said, truth, name)
    if before.isnan().all():
        return None
    walk = fit_random_walk(truth, said, name)
    settings = SmoothSettings(direction=walk) if name == "direction" else SmoothSettings(distance=walk)
    after = compute_errors(smooth_posterior(said, settings), truth, name)
    return walk if after.square().nanmean() < before.square().nanmean() else None


def _negative_log_likelihood(activity: Tensor, sounds: Tensor) -> Tensor:
    log_odds = activity.logit(ODDS_EPSILON)
    return F.binary_cross_entropy_with_logits(log_odds, sounds)
