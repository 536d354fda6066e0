"""Intervals, against recounting and against the textbook."""

import math

import numpy as np
import pytest

from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.jackknife import (
    compare_systems,
    compute_intervals,
    estimate_group_interval,
    estimate_interval,
)
from seldfuse.metrics.scores import compute_scores


def clips(seed: int, number: int = 6, right: float = 0.7) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """References, and predictions that hold a share of them and scatter around them."""
    rng = np.random.default_rng(seed)
    references, predictions = [], []
    for _ in range(number):
        cls = rng.integers(0, 3, 40)
        table = np.stack(
            [np.arange(40), cls, np.zeros(40), rng.uniform(-60, 60, 40), rng.uniform(1, 4, 40), cls % 2], axis=1
        )
        noise = np.stack([rng.normal(0, 15, 40), rng.normal(0, 0.3, 40)], axis=1)
        found = table.copy()
        found[:, 3:5] += noise
        references.append(table)
        predictions.append(found[rng.random(40) < right])
    return references, predictions


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_leaving_one_out_by_subtraction_is_counting_the_others_again(average: str) -> None:
    references, predictions = clips(0)
    got = compute_intervals(count_matches(references, predictions), average)
    whole = compute_scores(count_matches(references, predictions), average)
    others = [
        compute_scores(
            count_matches(references[:i] + references[i + 1 :], predictions[:i] + predictions[i + 1 :]), average
        )
        for i in range(len(references))
    ]
    assert list(got) == list(whole)
    for name, value in whole.items():
        expected = estimate_interval(value, np.array([other[name] for other in others]))
        assert got[name].low == pytest.approx(expected.low)
        assert got[name].high == pytest.approx(expected.high)


def test_the_interval_of_a_mean_is_that_of_student() -> None:
    sample = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    got = estimate_interval(sample.mean(), (sample.sum() - sample) / 4)
    reach = 2.7764451 * sample.std(ddof=1) / math.sqrt(5)
    assert (got.value, got.estimate) == (pytest.approx(4.0), pytest.approx(4.0))
    assert (got.low, got.high) == (pytest.approx(4 - reach), pytest.approx(4 + reach))


def test_the_estimate_takes_out_the_bias_of_a_variance() -> None:
    sample = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    partial = np.array([np.delete(sample, i).var() for i in range(5)])
    assert estimate_interval(sample.var(), partial).estimate == pytest.approx(sample.var(ddof=1))


def test_one_clip_has_no_interval() -> None:
    references, predictions = clips(1, number=1)
    got = compute_intervals(count_matches(references, predictions))["f_class"]
    assert got.value > 0
    assert math.isnan(got.low)
    assert math.isnan(got.high)


def test_intervals_narrow_with_more_clips() -> None:
    few, many = (compute_intervals(count_matches(*clips(2, number)))["f20_1"] for number in (5, 80))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_a_system_does_not_differ_from_itself() -> None:
    counts = count_matches(*clips(3))
    for difference in compare_systems(counts, counts).values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_paired_differences_are_sharper_than_the_intervals_of_each() -> None:
    references, predictions = clips(4, number=30)
    worse = [table[: int(0.8 * len(table))] for table in predictions]
    better, other = count_matches(references, predictions), count_matches(references, worse)
    paired, alone = compare_systems(better, other)["f_class"], compute_intervals(better)["f_class"]
    assert paired.value == pytest.approx(compute_scores(better).f_class - compute_scores(other).f_class)
    assert 0 < paired.low < paired.high
    assert paired.high - paired.low < alone.high - alone.low


def test_differences_need_the_same_clips() -> None:
    with pytest.raises(ValueError, match="expected counts of the same clips"):
        compare_systems(count_matches(*clips(5, number=2)), count_matches(*clips(5, number=3)))


# By groups of sounds


def groups_of_three(clips: int) -> np.ndarray:
    """Three groups of each class, in turn, numbered with gaps."""
    return 5 * (np.arange(clips)[:, None] % 3 + 3 * np.arange(13))


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_leaving_a_group_out_is_counting_without_the_cells_of_its_sounds(average: str) -> None:
    references, predictions = clips(6, number=9)
    groups = groups_of_three(9)
    got = compute_intervals(count_matches(references, predictions, mode="strict"), average, groups)
    whole = compute_scores(count_matches(references, predictions, mode="strict"), average)
    others = []
    for group in np.unique(groups):
        kept = [
            [table[groups[clip, table[:, 1].astype(int)] != group] for clip, table in enumerate(side)]
            for side in (references, predictions)
        ]
        others.append(compute_scores(count_matches(*kept, mode="strict"), average))
    for name, value in whole.items():
        wanted = estimate_group_interval(value, np.array([other[name] for other in others]))
        assert vars(got[name]) == pytest.approx(vars(wanted))


def test_the_interval_of_groups_lies_around_the_score() -> None:
    got = estimate_group_interval(0.5, np.array([0.5, 0.4, 0.5]))
    assert (got.value, got.estimate) == (0.5, 0.5)
    assert got.high - 0.5 == pytest.approx(0.5 - got.low) == pytest.approx(4.3026527 * math.sqrt(2 / 3 * 0.01))
    assert math.isnan(estimate_group_interval(0.5, np.array([0.4])).low)
    assert math.isnan(estimate_group_interval(0.5, np.array([0.4, math.nan])).high)


def test_many_clips_of_few_sounds_are_little_evidence() -> None:
    """Each sound is found always or never: clips of one sound agree."""
    references, _ = clips(7, number=60)
    groups = groups_of_three(60)
    found = [table[groups[clip, table[:, 1].astype(int)] // 5 % 3 > 0] for clip, table in enumerate(references)]
    counts = count_matches(references, found, mode="strict")
    by_clip, by_group = (compute_intervals(counts, "macro", given)["f_class"] for given in (None, groups))
    assert by_group.value - by_group.low > 3 * (by_clip.value - by_clip.low)


def test_two_systems_are_compared_group_by_group() -> None:
    references, predictions = clips(8, number=9)
    better, other = (count_matches(references, side, mode="strict") for side in (references, predictions))
    groups = groups_of_three(9)
    got = compare_systems(better, other, "macro", groups)["f_class"]
    assert got.low < got.value < got.high
    assert all(vars(same)["high"] == 0 for same in compare_systems(other, other, "macro", groups).values())
