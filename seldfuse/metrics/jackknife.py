"""How far a score would move with other clips, or with other sounds: intervals by leaving out one at a time.

By clips: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11; level and bias correction as in the
DCASE challenge's scorer.

By groups of sounds: clips that share a voice, a bell or a recording do not vary independently, and a thousand clips of
four doors say little about doors. Where it is known which group (a speaker, an instrument, a recording) sounds for each
class in each clip, the groups are left out in turn: with one go its cells, which are the classes of the clips in which
it sounds (the delete-a-group jackknife; Kott, The delete-a-group jackknife, Journal of Official Statistics 17, 2001).
Groups differ in size, and a class of one group goes as a whole, so that the mean of what is left is no estimate of a
bias: these intervals lie around the score itself. They cover the choice of sounds and what comes with it (places,
rooms, noise of these cells), not what all cells of a clip have in common.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import stdtrit

from seldfuse.metrics.counts import Counts
from seldfuse.metrics.scores import Average, average_scores, score_classes

LEVEL = 0.95

SoundGroups = Int64[np.ndarray, "clip cls"]
"""The number of the group of sounds that each clip has of each class; where it has none, of the group to which false
alarms are put down."""


@dataclass(frozen=True)
class Interval:
    """A score, its estimate without the bias of few clips, and bounds around that estimate at a level of 95 %.

    Estimate and bounds are NaN where one clip, or group, is all there is, or leaving one out leaves no score. Neither
    is beyond what the score can be, where that is known.
    """

    value: float
    estimate: float
    low: float
    high: float


def clip_interval(interval: Interval, lowest: float, highest: float) -> Interval:
    """Clip an estimate and its bounds to the range of what is estimated."""
    clipped = np.clip([interval.estimate, interval.low, interval.high], lowest, highest)
    return Interval(interval.value, *map(float, clipped))


def compute_intervals(
    counts: Counts, average: Average = "macro", groups: SoundGroups | None = None
) -> dict[str, Interval]:
    """Compute an interval for every score, from counts of shape `clip cls`, by clips or by `groups` of sounds."""
    whole, partial = _score_parts(counts, average, groups)
    ranges = {score.name: score.value_range for score in counts.scores}
    return {
        name: clip_interval(_estimate(float(value), partial[name], groups), *ranges[name])
        for name, value in whole.items()
    }


def compute_class_intervals(counts: Counts, score: str) -> list[Interval]:
    """Compute an interval for one score of every class, from counts of shape `clip cls`, by clips."""
    whole, left = score_classes(counts.sum_clips())[score], score_classes(counts.leave_one_out())[score]
    return [estimate_interval(float(value), partial) for value, partial in zip(whole, left.T, strict=True)]


def compare_systems(
    counts: Counts, other: Counts, average: Average = "macro", groups: SoundGroups | None = None
) -> dict[str, Interval]:
    """Compute how much larger each score is than that of another system on the same clips, pair by pair.

    Raises ValueError where the two do not count equally many clips.
    """
    if counts.pairs.shape != other.pairs.shape:
        raise ValueError(f"expected counts of the same clips, got {counts.pairs.shape} and {other.pairs.shape}")
    whole, partial = _score_parts(counts, average, groups)
    minus_whole, minus_partial = _score_parts(other, average, groups)
    ranges = {score.name: np.subtract(score.value_range, score.value_range[::-1]) for score in counts.scores}
    return {
        name: clip_interval(
            _estimate(float(value - minus_whole[name]), partial[name] - minus_partial[name], groups), *ranges[name]
        )
        for name, value in whole.items()
    }


def estimate_interval(value: float, partial: Float64[np.ndarray, "clip"]) -> Interval:
    """Estimate the interval of a score whose value without clip i is `partial[i]`."""
    clips = len(partial)
    if clips < 2:
        return Interval(value, float("nan"), float("nan"), float("nan"))
    mean = partial.mean()
    estimate = value - (clips - 1) * (mean - value)
    error = np.sqrt((clips - 1) * np.mean((partial - mean) ** 2))
    reach = stdtrit(clips - 1, (1 + LEVEL) / 2) * error
    return Interval(value, float(estimate), float(estimate - reach), float(estimate + reach))


def estimate_group_interval(value: float, partial: Float64[np.ndarray, "group"]) -> Interval:
    """Estimate the interval of a score whose value without group i of the sounds is `partial[i]`, around the score."""
    groups = len(partial)
    if groups < 2:
        return Interval(value, float("nan"), float("nan"), float("nan"))
    error = np.sqrt((groups - 1) * np.mean((partial - value) ** 2))
    reach = float(stdtrit(groups - 1, (1 + LEVEL) / 2) * error)
    # Where one is left out and no score is left there are no bounds, and no estimate, either.
    return Interval(value, value + 0 * reach, value - reach, value + reach)


def number_groups(groups: SoundGroups) -> SoundGroups:
    """Number the groups that some clips have from 0, without gaps."""
    return np.unique(groups, return_inverse=True)[1].reshape(groups.shape)


def _score_parts(
    counts: Counts, average: Average, groups: SoundGroups | None
) -> tuple[dict[str, Float64[np.ndarray, ""]], dict[str, Float64[np.ndarray, "part"]]]:
    """All scores of all clips, and those without each clip or group."""
    left = counts.leave_one_out() if groups is None else counts.leave_group_out(number_groups(groups))
    return average_scores(counts.sum_clips(), average), average_scores(left, average)


def _estimate(value: float, partial: Float64[np.ndarray, "part"], groups: SoundGroups | None) -> Interval:
    return estimate_interval(value, partial) if groups is None else estimate_group_interval(value, partial)
