"""Decoding that is fitted finds what each class needs."""

from dataclasses import replace

import numpy as np
import torch
from worlds import THREE

from seldfuse.catalogue.values import PairLimits
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, decode_frames
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.scores import compute_scores
from seldfuse.tune.decoding import SHRINKAGE_FRAMES, fit_decoding
from seldfuse.tune.outcomes import compute_outcomes

CLIPS, FRAMES = 60, 50


F20_1 = PairLimits(azimuth_deg=20.0, relative_distance=1.0)


def draw_target(seed: int = 0, shares: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> Posterior:
    """Stretches of twelve frames, of each class in so many clips."""
    rng = np.random.default_rng(seed)
    activity = torch.zeros(CLIPS, FRAMES, 3, 1)
    for clip in range(CLIPS):
        for cls in np.flatnonzero(rng.random(3) < shares):
            start = int(rng.integers(0, FRAMES - 12))
            activity[clip, start : start + 12, cls] = 1.0
    return locate(activity)


def locate(activity: torch.Tensor) -> Posterior:
    direction = direction_from_azimuth(torch.full_like(activity, 20.0))
    return Posterior(activity, direction, torch.full_like(activity, 2.0), labels=THREE)


def spoil(target: Posterior, seed: int = 1) -> Posterior:
    """Class 0 is predicted too faintly, class 1 flickers on for a frame or two, class 2 drops out for a frame."""
    generator = torch.Generator().manual_seed(seed)
    activity = target.activity * 0.8 + 0.02
    chance = torch.rand(activity.shape[:3], generator=generator)
    activity[:, :, 0] *= 0.3
    activity[:, :, 1, 0] = torch.where(chance[:, :, 1] < 0.06, 0.9, activity[:, :, 1, 0])
    activity[:, :, 2, 0] = torch.where(chance[:, :, 2] < 0.15, 0.02, activity[:, :, 2, 0])
    return replace(target, activity=activity)


def test_each_class_gets_what_it_needs_and_scores_higher_on_other_clips() -> None:
    target, other = draw_target(0), draw_target(5)
    fitted = fit_decoding(compute_outcomes(spoil(target), target, F20_1), THREE, DecodeSettings())
    assert fitted.threshold["hiss"] < 0.26
    assert fitted.min_frames["tone"] > 1
    assert fitted.max_gap_frames["tick"] > 0
    references = decode_frames(other)
    before, after = (
        compute_scores(count_matches(references, decode_frames(spoil(other, 9), settings), THREE, mode="strict")).f20_1
        for settings in (DecodeSettings(), fitted)
    )
    assert after > before + 0.2


def test_a_class_that_is_hardly_there_follows_the_others() -> None:
    target = draw_target(0, shares=(0.6, 0.6, 0.0))
    target.activity[0, 10:12, 2] = 1.0
    estimate = replace(target, activity=target.activity * 0.26 + 0.02)
    estimate.activity[0, 10:12, 2] = 0.9  # on its own any threshold would do
    fitted = fit_decoding(compute_outcomes(estimate, target, F20_1), THREE, DecodeSettings())
    assert fitted.threshold["tick"] == fitted.threshold["hiss"] < 0.28
    assert target.activity[:, :, 2].sum() < SHRINKAGE_FRAMES


def test_what_is_not_fitted_stays() -> None:
    target = draw_target(0)
    fitted = fit_decoding(compute_outcomes(target, target, F20_1), THREE, DecodeSettings(unify_angle_deg=22.0))
    assert fitted.unify_angle_deg == 22.0
    assert [len(events) for events in decode_frames(target, fitted)] == [
        len(events) for events in decode_frames(target)
    ]
