"""Skill, against a slow twin written from the definitions and against systems whose skill is known."""

import math
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import spearmanr

from seldfuse.core.labels import DCASE2025
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.event_matches import EventMatches
from seldfuse.metrics.jackknife import clip_interval, estimate_group_interval, estimate_interval
from seldfuse.metrics.matches import Matches, find_matches
from seldfuse.metrics.skill import GROUPS, MEANINGS, Skill, compare_skill, compute_skill

Pair = tuple[int, int, float, float, float, float]
"""Clip, class, true and predicted azimuth, true and predicted distance."""


def scenes(seed: int, clips: int = 7, classes: int = 3, frames: int = 40) -> list[np.ndarray]:
    """One source in each frame, and in some a second one; classes differ in their usual distance."""
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(clips):
        number = frames + frames // 4
        cls = rng.integers(0, classes, number)
        azimuth_deg, distance_m = rng.uniform(-90, 90, number), np.exp(0.4 * cls + rng.normal(0, 0.4, number))
        frame = np.arange(number) % frames
        tables.append(np.stack([frame, cls, np.arange(number) // frames, azimuth_deg, distance_m, cls % 2], axis=1))
    return tables


def noisy(truth: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """Predictions in centimetres and whole degrees, so that many are equal; some are missing, some unknown."""
    rng = np.random.default_rng(seed)
    tables = []
    for table in truth:
        found = table[rng.random(len(table)) < 0.8].copy()
        found[:, 3] = np.round(found[:, 3] + rng.normal(0, 20, len(found)))
        found[:, 4] = np.round(found[:, 4] ** 0.5 * np.exp(rng.normal(0, 0.3, len(found))), 1)
        found[rng.random(len(found)) < 0.05, 3] = math.nan
        found[rng.random(len(found)) < 0.05, 4] = math.nan
        found[rng.random(len(found)) < 0.05, 4] = 0.0
        tables.append(found)
    return tables


def changed(truth: list[np.ndarray], column: int, change: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    tables = [table.copy() for table in truth]
    for table in tables:
        table[:, column] = change(table)
    return tables


def skill_of(truth: list[np.ndarray], predicted: list[np.ndarray], average: str = "macro") -> Skill:
    return compute_skill(find_matches(truth, predicted, mode="strict"), average)


# A slow twin: one pair, one class at a time.


def fold(azimuth: float) -> float:
    azimuth = (azimuth + 180) % 360 - 180
    if azimuth < -90:
        return -180 - azimuth
    return 180 - azimuth if azimuth > 90 else azimuth


def pairs_of(matches: Matches, single_source: bool) -> list[Pair]:
    truth, guess = matches.truth, matches.prediction
    columns = (truth.clip, truth.cls, truth.azimuth_deg, guess.azimuth_deg, truth.distance_m, guess.distance_m)
    rows = [(int(a), int(b), fold(c), fold(d), e, f) for a, b, c, d, e, f in zip(*columns, strict=True)]
    return [row for row, single in zip(rows, matches.single_source, strict=True) if single or not single_source]


def mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def best_error(pairs: list[tuple[float, float]]) -> float:
    """Of all guesses, one of the values is the best; pairs of a value and its weight."""
    return min(fmean(weight * abs(value - guess) for value, weight in pairs) for guess, _ in pairs)


def lower_median(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 2] if values else math.nan


def by_class(pairs: list[Pair], average: str) -> list[list[Pair]]:
    classes: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        classes[pair[1] if average == "macro" else 0].append(pair)
    return list(classes.values())


def slow_values(pairs: list[Pair], average: str) -> list[float]:
    azimuths = by_class([pair for pair in pairs if not math.isnan(pair[2] + pair[3])], average)
    distances = by_class([pair for pair in pairs if pair[4] > 0 and not math.isnan(pair[5])], average)
    logs = by_class([pair for pair in pairs if pair[4] > 0 and pair[5] > 0], average)
    doae = mean(fmean(abs(pair[2] - pair[3]) for pair in group) for group in azimuths)
    side = mean(best_error([(abs(pair[2]), 1.0) for pair in group]) for group in azimuths)
    rde = mean(fmean(abs(pair[4] - pair[5]) / pair[4] for pair in group) for group in distances)
    constant = mean(best_error([(pair[4], 1 / pair[4]) for pair in group]) for group in distances)
    moments = [np.cov(*np.log([pair[4:] for pair in group]).T, bias=True) for group in logs]
    slope = mean(moment[0, 1] for moment in moments) / mean(moment[0, 0] for moment in moments)
    rank = mean(float(spearmanr(*zip(*(pair[4:] for pair in group), strict=True)).statistic) for group in logs)
    return [doae, side, 1 - doae / side, rde, constant, 1 - rde / constant, slope, rank]


def slow_bins(pairs: list[Pair], side: int) -> list[float]:
    known = [pair for pair in pairs if not math.isnan(pair[2] + pair[3])]
    return [
        lower_median([abs(pair[side]) for pair in known if low <= abs(pair[2]) < low + 15]) for low in range(0, 90, 15)
    ]


@pytest.mark.parametrize("single_source", [False, True])
@pytest.mark.parametrize("average", ["macro", "micro"])
def test_skill_is_that_of_the_slow_twin(average: str, single_source: bool) -> None:
    truth = scenes(0)
    matches = find_matches(truth, noisy(truth, 1), mode="strict")
    pairs = pairs_of(matches, single_source)
    assert len(pairs) > 150
    got = compute_skill(matches, average, single_source)
    assert tuple(got.values) == tuple(MEANINGS)
    others = [[pair for pair in pairs if pair[0] != clip] for clip in range(len(truth))]
    partial = np.array([slow_values(other, average) for other in others])
    for found, value, without in zip(got.values.values(), slow_values(pairs, average), partial.T, strict=True):
        wanted = estimate_interval(value, without)
        assert vars(found) == pytest.approx(vars(wanted))
    partial = np.array([slow_bins(other, 3) for other in others])
    for part, value, without in zip(got.azimuth_bins, slow_bins(pairs, 3), partial.T, strict=True):
        wanted = clip_interval(estimate_interval(value, without), 0.0, 90.0)
        assert vars(part.predicted_deg) == pytest.approx(vars(wanted))
    assert [part.true_deg for part in got.azimuth_bins] == pytest.approx(slow_bins(pairs, 2))
    assert sum(part.pairs for part in got.azimuth_bins) == sum(not math.isnan(pair[2] + pair[3]) for pair in pairs)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_a_perfect_system_has_a_skill_of_one(average: str) -> None:
    truth = scenes(2)
    got = skill_of(truth, truth, average)
    assert [got.values[name].value for name in ("doae_skill", "rde_skill", "distance_slope", "distance_rank")] == (
        pytest.approx([1.0] * 4)
    )
    assert [part.predicted_deg.value for part in got.azimuth_bins] == [part.true_deg for part in got.azimuth_bins]


def test_knowing_the_side_only_is_no_skill_however_small_the_error() -> None:
    truth = changed(scenes(3, classes=1), 3, lambda table: np.sign(table[:, 3]) * (10 + np.abs(table[:, 3]) / 10))
    median_deg = np.median(np.abs(np.concatenate(truth)[:, 3]))
    got = skill_of(truth, changed(truth, 3, lambda table: np.sign(table[:, 3]) * median_deg))
    assert got.values["doae_deg"].value < 3
    assert got.values["doae_skill"].value == pytest.approx(0, abs=1e-3)
    other = skill_of(truth, changed(truth, 3, lambda table: np.sign(table[:, 3]) * 9))
    assert other.values["doae_skill"].value < -0.5


def test_one_distance_per_class_is_no_skill_whatever_the_distances() -> None:
    truth = scenes(4)
    for of_class in (lambda cls: 2 + 0 * cls, lambda cls: np.exp(0.4 * cls)):
        got = skill_of(truth, changed(truth, 4, lambda table, of_class=of_class: of_class(table[:, 1])))
        assert got.values["rde_skill"].value <= 0
        assert got.values["distance_slope"].value == pytest.approx(0, abs=1e-12)
        assert got.values["distance_rank"].value == 0
    best = skill_of(truth, changed(truth, 4, lambda table: np.exp(0.4 * table[:, 1])), "micro")
    assert best.values["distance_slope"].value > 0.2  # pooled, to know the class is to know something


def test_the_slope_is_the_power_of_the_distance() -> None:
    truth = scenes(5)
    got = skill_of(truth, changed(truth, 4, lambda table: 3 * table[:, 4] ** 0.25))
    assert got.values["distance_slope"].value == pytest.approx(0.25)
    assert got.values["distance_rank"].value == pytest.approx(1)


def test_directions_drawn_to_the_middle_show_in_the_bins() -> None:
    truth = scenes(6)
    bins = skill_of(truth, changed(truth, 3, lambda table: table[:, 3] / 2)).azimuth_bins
    for part in bins:
        assert part.predicted_deg.low <= part.true_deg / 2 <= part.predicted_deg.high


def test_many_clips_are_left_out_in_groups() -> None:
    truth = scenes(7, clips=2 * GROUPS, frames=4)
    predicted = noisy(truth, 8)
    matches = find_matches(truth, predicted, mode="strict")
    got = compute_skill(matches).values["doae_skill"]
    pairs = pairs_of(matches, single_source=False)
    partial = [slow_values([pair for pair in pairs if pair[0] // 2 != group], "macro")[2] for group in range(GROUPS)]
    assert vars(got) == pytest.approx(vars(estimate_interval(got.value, np.array(partial))))


def test_what_is_not_stated_has_no_skill() -> None:
    truth = scenes(9)
    nowhere = skill_of(truth, changed(truth, 3, lambda table: np.full(len(table), math.nan)))
    unknown = {name for name, bound in nowhere.values.items() if math.isnan(bound.value)}
    assert unknown == {"doae_deg", "doae_side_deg", "doae_skill"}
    assert [part.pairs for part in nowhere.azimuth_bins] == [0] * 6
    for predicted in ([table[:0] for table in truth], [None] * len(truth)):
        silent = skill_of(truth, predicted)
        assert all(math.isnan(bound.value) for bound in silent.values.values())
    assert all(math.isnan(bound.value) for bound in skill_of([], []).values.values())


def test_distances_that_do_not_vary_have_no_slope() -> None:
    truth = changed(scenes(10), 4, lambda table: np.full(len(table), 1.7))
    got = skill_of(truth, noisy(truth, 11))
    assert all(math.isnan(got.values[name].value) for name in ("rde_skill", "distance_slope", "distance_rank"))


def test_the_errors_are_those_of_the_scores_which_carry_the_skill() -> None:
    truth = scenes(12)
    no_events = EventMatches(*np.zeros((3, len(truth), len(DCASE2025))))
    scores = EvaluatedScores(find_matches(truth, noisy(truth, 13), mode="strict"), no_events)
    assert scores.skill is scores.skill
    assert scores.skill.values["doae_deg"].value == pytest.approx(scores.doae_deg)
    assert scores.skill.values["rde"].value == pytest.approx(scores.rde)
    assert pickle.loads(pickle.dumps(scores)).skill == scores.skill


def test_groups_of_sounds_are_left_out_with_the_classes_in_which_they_sound() -> None:
    truth = scenes(14)
    matches = find_matches(truth, noisy(truth, 15), mode="strict")
    groups = 7 * (np.arange(len(truth))[:, None] % 3 + 3 * np.arange(13))
    pairs = pairs_of(matches, single_source=False)
    partial = np.array(
        [
            slow_values([pair for pair in pairs if groups[pair[0], pair[1]] != group], "macro")
            for group in np.unique(groups)
        ]
    )
    got = compute_skill(matches, groups=groups)
    for found, without in zip(got.values.values(), partial.T, strict=True):
        assert vars(found) == pytest.approx(vars(estimate_group_interval(found.value, without)))


def test_differences_of_skill_are_paired_and_of_the_same_clips() -> None:
    truth = scenes(16)
    one, other = (find_matches(truth, noisy(truth, seed), mode="strict") for seed in (17, 18))
    first, second = compute_skill(one).values["rde"], compute_skill(other).values["rde"]
    difference = compare_skill(one, other)["rde"]
    assert difference.value == pytest.approx(first.value - second.value)
    assert difference.low < difference.value < difference.high
    assert all((same.value, same.low, same.high) == (0, 0, 0) for same in compare_skill(one, one).values())
    nowhere = changed(truth, 3, lambda table: np.full(len(table), math.nan))
    found = compare_skill(one, find_matches(truth, nowhere, mode="strict"))
    assert math.isnan(found["doae_skill"].value)
    assert not math.isnan(found["rde_skill"].value)
    with pytest.raises(ValueError, match="expected matches of the same clips"):
        compare_skill(one, find_matches(truth[:3], truth[:3], mode="strict"))
