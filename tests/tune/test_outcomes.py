"""Counts without matching anew equal those of the scorer."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from seldfuse.catalogue.values import PairLimits
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, decode_frames
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.registered import find_score
from seldfuse.metrics.scores import score_classes
from seldfuse.tune.outcomes import FAINTEST, OutcomeRows, compute_f, compute_outcomes


def posterior(tracks: int, seed: int, share: float, hard: bool = False, **without: None) -> Posterior:
    """Twelve frames of six clips, in which tracks of a class are seldom near each other."""
    generator = torch.Generator().manual_seed(seed)
    shape = (6, 12, 13, tracks)

    def random(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    activity = random(0.0, 1.0)
    if hard:
        activity = (activity < share).float().sort(dim=-1, descending=True).values
    fields: Mapping[str, torch.Tensor | None] = {
        "direction": direction_from_azimuth(random(-89, 89)),
        "distance": random(0.5, 4.0),
        "onscreen": random(0.0, 1.0).round() if hard else random(0.0, 1.0),
        **without,
    }
    return Posterior(activity, **fields)


def limits_of(name: str) -> PairLimits:
    limits = find_score(name).limits
    assert limits is not None
    return limits


def by_cell(found: OutcomeRows, active: torch.Tensor) -> torch.Tensor:
    """Counts of each clip and class."""
    counts = torch.zeros(3, 6, 13)
    counts[:, found.clip, found.cls] = found.from_data(active)
    return counts


@pytest.mark.parametrize("criterion", ["f20_1", "f20_1_on", "f20", "f1", "f20_03", "f03", "f_class"])
@pytest.mark.parametrize("tracks", [1, 2, 3])
def test_every_threshold_scores_as_the_scorer_counts(criterion, tracks: int) -> None:
    estimate, target = posterior(tracks, 1, 1.0), posterior(3, 2, 0.3, hard=True)
    found = compute_outcomes(estimate, target, limits_of(criterion))
    references = decode_frames(target, DecodeSettings(unify_angle_deg=0.0))
    for threshold in (FAINTEST, 0.3, 0.6, 0.9):
        counts = count_matches(
            references, decode_frames(estimate, DecodeSettings(threshold=threshold)), mode="strict"
        ).sum_clips()
        got = compute_f(by_cell(found, found.activity > threshold).sum(1))
        assert np.allclose(got, score_classes(counts)[criterion], atol=1e-6)


def test_what_is_alone_has_the_first_of_equals_as_with_the_scorer() -> None:
    estimate, target = posterior(3, 1, 1.0, direction=None), posterior(3, 2, 0.6, hard=True)
    estimate.activity[..., [0, 2]] = 0.0  # the second track alone is active, without direction: every source is as near
    found = compute_outcomes(estimate, target, limits_of("f1"))
    counts = count_matches(
        decode_frames(target, DecodeSettings(unify_angle_deg=0.0)), decode_frames(estimate), mode="strict"
    ).sum_clips()
    assert found.from_data(found.activity > 0.5)[0].sum() == counts.hits["f1"].sum() > 0


def test_a_limit_on_what_is_unknown_is_passed_by_none() -> None:
    target = posterior(3, 2, 0.3, hard=True)
    for field, criterion in (("direction", "f20"), ("distance", "f1"), ("onscreen", "f20_1_on")):
        estimate = posterior(2, 1, 1.0, **{field: None})
        assert compute_outcomes(estimate, target, limits_of(criterion)).hits.sum() == 0
        assert compute_outcomes(estimate, target, limits_of("f_class")).hits.sum() > 0


def test_frames_that_are_not_scored_have_no_outcome() -> None:
    estimate, target = posterior(2, 1, 1.0), posterior(3, 2, 0.3, hard=True)
    scored = torch.zeros(6, 12, dtype=torch.bool)
    scored[:4, 3:] = True
    masked = compute_outcomes(estimate, target, limits_of("f20_1"), scored=scored)
    of_scored = compute_outcomes(estimate.map(lambda t: t[:4, 3:]), target.map(lambda t: t[:4, 3:]), limits_of("f20_1"))
    counts_masked, counts_of_scored = (by_cell(found, found.activity > 0.4) for found in (masked, of_scored))
    assert torch.equal(counts_masked[:, :4], counts_of_scored[:, :4])
    assert counts_masked[:, 4:].sum() == 0


def test_rows_are_those_in_which_a_class_is_detected_or_in_the_target() -> None:
    estimate, target = posterior(2, 1, 1.0), posterior(3, 2, 0.3, hard=True)
    estimate.activity[:, :, 4:] = 0.01
    target.activity[:, :, 4:] = 0.0
    target.activity[2, 5, 7, 0] = 1.0
    found = compute_outcomes(estimate, target, limits_of("f20_1"))
    rows = set(zip(found.clip.tolist(), found.cls.tolist(), strict=True))
    assert rows == {(clip, cls) for clip in range(6) for cls in range(4)} | {(2, 7)}
    some = found.take(found.cls == 7)
    assert some.from_data(torch.zeros_like(some.activity, dtype=torch.bool)).tolist() == [[0.0], [0.0], [1.0]]


def test_more_than_three_tracks_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 3 tracks, got 4 and 3"):
        compute_outcomes(posterior(4, 1, 1.0), posterior(3, 2, 0.3, hard=True), limits_of("f20_1"))
