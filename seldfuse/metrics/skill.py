"""What a system knows beyond guesses that hardly need sound: which side a source is on, how far its class tends to be.

Errors alone cannot show it: where most sources are near the middle or at one distance, a system that always states
that scores well. A skill is 1 minus the error over that of the guess (Murphy, Skill scores based on the mean square
error and their relationships to the correlation coefficient, Monthly Weather Review 116, 1988): 1 is perfect, 0 no
better than the guess.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.jackknife import (
    Interval,
    SoundGroups,
    clip_interval,
    estimate_group_interval,
    estimate_interval,
    number_groups,
)
from seldfuse.metrics.matches import Matches
from seldfuse.metrics.pairs import PairErrors
from seldfuse.metrics.registered import UNKNOWN
from seldfuse.metrics.scores import Average

GROUPS = 50
"""At most so many groups of clips are left out in turn: medians and ranks have to be found anew each time."""

BIN_EDGES_DEG = np.arange(0.0, 91.0, 15.0)

NO_SPREAD = 1e-9
"""A variance up to this one is that of rounding: all values are the same."""

MEANINGS: Mapping[str, str] = {
    "doae_deg": "mean azimuth error (°)",
    "doae_side_deg": "the same, knowing the side only (°)",
    "doae_skill": "azimuth beyond the side: 1 perfect, 0 nothing",
    "rde": "mean relative distance error",
    "rde_constant": "the same, the best constant per class",
    "rde_skill": "distance beyond the constant: 1 perfect, 0 nothing",
    "distance_slope": "log distance, predicted over true: 1 perfect, 0 nothing",
    "distance_rank": "rank correlation of distance: 1 perfect, 0 nothing",
}
"""What each value of a `Skill` says."""

RANGES: Mapping[str, tuple[float, float]] = {
    "doae_deg": (0.0, 180.0),
    "doae_side_deg": (0.0, 180.0),
    "doae_skill": (-math.inf, 1.0),
    "rde": (0.0, math.inf),
    "rde_constant": (0.0, math.inf),
    "rde_skill": (-math.inf, 1.0),
    "distance_slope": (-math.inf, math.inf),
    "distance_rank": (-1.0, 1.0),
}
"""What each of them can be."""


@dataclass(frozen=True)
class AzimuthBin:
    """The pairs whose true |azimuth| is from `low_deg` to `high_deg`: how many, and the medians of both sides."""

    low_deg: float
    high_deg: float
    pairs: int
    true_deg: float
    predicted_deg: Interval


@dataclass(frozen=True)
class Skill:
    """Errors beside those of simple guesses, how distances follow the true ones, and azimuths in six bins.

    `values` has the names of `MEANINGS`; `azimuth_bins` pool all classes. NaN where no pair states what is needed, or
    the truth does not vary.
    """

    values: Mapping[str, Interval]
    azimuth_bins: tuple[AzimuthBin, ...]


def format_value(name: str, value: float, sign: str = "") -> str:
    """Format a value of a `Skill` for tables, a dash where it is NaN; `sign` "+" shows the sign of differences."""
    if name.endswith("_deg"):
        return format_degrees(value, sign)
    return UNKNOWN if math.isnan(value) else f"{value:{sign}.3f}"


def format_degrees(value: float, sign: str = "") -> str:
    """Format an angle for tables, a dash where it is NaN."""
    return UNKNOWN if math.isnan(value) else f"{value:{sign}.1f}"


def compute_skill(
    matches: Matches, average: Average = "macro", single_source: bool = False, groups: SoundGroups | None = None
) -> Skill:
    """Compute the skill of matched pairs, with intervals by leaving groups of clips, or of sounds, out.

    The guess of azimuth stands on the true side, at the constant |azimuth| of least mean error; that of distance is the
    constant of least mean relative error. `macro` has a constant for each class and compares means over classes;
    `micro` has one for all. Slope and rank correlation are within classes (`macro`: covariance over variance, each the
    mean over classes, and the mean of the rank correlations) or of all pairs (`micro`); predictions that do not vary
    have 0. `single_source` takes those frames alone in which a class has one source on both sides. A distance of 0 has
    no logarithm, a true one no relative error, either; such pairs are left out.

    Left out are the `groups` of sounds, or else up to 50 groups of neighboring clips; of fewer clips each is a group.
    """
    measured = _measure_skill(matches, average, single_source, groups)
    values, bins = measured.intervals[: len(MEANINGS)], measured.intervals[len(MEANINGS) :]
    values = [clip_interval(value, *RANGES[name]) for name, value in zip(MEANINGS, values, strict=True)]
    bins = [clip_interval(value, 0.0, 90.0) for value in bins]
    edges = zip(BIN_EDGES_DEG[:-1], BIN_EDGES_DEG[1:], measured.bin_pairs, measured.bin_true_deg, bins, strict=True)
    return Skill(
        dict(zip(MEANINGS, values, strict=True)),
        tuple(
            AzimuthBin(float(low), float(high), int(pairs), float(median), interval)
            for low, high, pairs, median, interval in edges
        ),
    )


def compare_skill(
    matches: Matches, other: Matches, average: Average = "macro", groups: SoundGroups | None = None
) -> dict[str, Interval]:
    """Compute how much larger each value of a skill is than that of another system on the same clips, pair by pair.

    NaN where one of the two has none. Raises ValueError where the two are not of equally many clips.
    """
    if matches.misses.shape != other.misses.shape:
        raise ValueError(f"expected matches of the same clips, got {matches.misses.shape} and {other.misses.shape}")
    mine, theirs = (_measure_skill(system, average, False, groups) for system in (matches, other))
    difference = replace(mine, values=mine.values - theirs.values)
    return dict(zip(MEANINGS, difference.intervals[: len(MEANINGS)], strict=True))


_Measure = Callable[[Bool[np.ndarray, "pair"]], Float64[np.ndarray, "value"]]
"""What gives its values over the pairs that are marked."""


@dataclass(frozen=True)
class _MeasuredSkill:
    """Values over all pairs, then without each group: those of `MEANINGS`, then each bin's predicted median."""

    values: Float64[np.ndarray, "part value"]
    bin_pairs: Float64[np.ndarray, "bin"]
    bin_true_deg: Float64[np.ndarray, "bin"]
    of_sounds: bool

    @property
    def intervals(self) -> list[Interval]:
        estimate = estimate_group_interval if self.of_sounds else estimate_interval
        return [estimate(float(value[0]), value[1:]) for value in self.values.T]


def _measure_skill(
    matches: Matches, average: Average, single_source: bool, groups: SoundGroups | None
) -> _MeasuredSkill:
    chosen = matches.single_source if single_source else np.ones(len(matches.truth.clip), dtype=bool)
    truth, prediction = matches.truth.take(chosen), matches.prediction.take(chosen)
    cls = truth.cls if average == "macro" else np.zeros_like(truth.cls)
    left_out = _group_clips(*matches.misses.shape) if groups is None else number_groups(groups)
    group, number = left_out[truth.clip, truth.cls], int(left_out.max(initial=-1)) + 1

    true_deg, predicted_deg = fold_azimuth(truth.azimuth_deg), fold_azimuth(prediction.azimuth_deg)
    errors = PairErrors.from_rows(truth, prediction)
    azimuths = ~np.isnan(errors.azimuth_deg)
    distances = ~np.isnan(errors.distance_m) & (truth.distance_m > 0)
    logs = distances & (prediction.distance_m > 0)

    side = _GuessErrors(
        np.abs(true_deg[azimuths]), np.ones(azimuths.sum()), errors.azimuth_deg[azimuths], cls[azimuths]
    )
    constant = _GuessErrors(
        truth.distance_m[distances],
        1 / truth.distance_m[distances],
        errors.relative_distance[distances],
        cls[distances],
    )
    trend = _Trend(np.log(truth.distance_m[logs]), np.log(prediction.distance_m[logs]), cls[logs])
    bins = _find_bins(np.abs(true_deg[azimuths]))
    weight = np.ones(len(bins.index))
    values = [
        _leave_out(side.measure, group[azimuths], number),
        _leave_out(constant.measure, group[distances], number),
        _leave_out(trend.measure, group[logs], number),
        _leave_out(_Medians(np.abs(predicted_deg[azimuths]), weight, bins).find, group[azimuths], number),
    ]
    true_medians = _Medians(np.abs(true_deg[azimuths]), weight, bins).find(weight > 0)
    return _MeasuredSkill(np.concatenate(values, axis=1), bins.sums(weight), true_medians, groups is not None)


def _group_clips(clips: int, classes: int) -> SoundGroups:
    """Up to 50 groups of neighbors, each with all classes."""
    group = np.arange(clips) * min(clips, GROUPS) // max(clips, 1)
    return np.repeat(group[:, None], classes, axis=1)


def _leave_out(measure: _Measure, group: Int64[np.ndarray, "pair"], groups: int) -> Float64[np.ndarray, "part value"]:
    """Each value over all pairs, then without each group."""
    return np.array([measure(group != left_out) for left_out in range(-1, groups)])


class _GuessErrors:
    """The mean error of pairs, that of the best constant guess of each class, and the skill.

    The error of guessing c for a pair is `weight` |`value` - c|.
    """

    def __init__(
        self,
        value: Float64[np.ndarray, "pair"],
        weight: Float64[np.ndarray, "pair"],
        error: Float64[np.ndarray, "pair"],
        cls: Int64[np.ndarray, "pair"],
    ) -> None:
        self._value, self._weight, self._error = value, weight, error
        self._classes = _Classes(cls)
        self._medians = _Medians(value, weight, self._classes)

    def measure(self, keep: Bool[np.ndarray, "pair"]) -> Float64[np.ndarray, "value"]:
        classes = self._classes
        guess = self._medians.find(keep)
        guess_error = self._weight * np.abs(self._value - guess[classes.index])
        error, baseline = classes.average(self._error, keep), classes.average(guess_error, keep)
        return np.array([error, baseline, 1 - error / baseline if baseline > 0 else np.nan])


class _Trend:
    """Slope of least squares and Spearman's rank correlation, within classes."""

    def __init__(
        self, true: Float64[np.ndarray, "pair"], predicted: Float64[np.ndarray, "pair"], cls: Int64[np.ndarray, "pair"]
    ) -> None:
        self._true, self._predicted = true, predicted
        self._classes = _Classes(cls)
        self._true_ties, self._predicted_ties = _number_ties(true, cls), _number_ties(predicted, cls)

    def measure(self, keep: Bool[np.ndarray, "pair"]) -> Float64[np.ndarray, "value"]:
        covariance, variance, _ = self._moments(self._true, self._predicted, keep)
        mean = float(_mean(variance))
        slope = float(_mean(covariance)) / mean if mean > NO_SPREAD else np.nan
        covariance, variance, predicted_variance = self._moments(
            _rank(self._true_ties, keep), _rank(self._predicted_ties, keep), keep
        )
        spread = np.sqrt(variance * predicted_variance)
        correlation = np.where(spread > NO_SPREAD, covariance, 0.0) / np.maximum(spread, NO_SPREAD)
        return np.array([slope, _mean(np.where(variance > NO_SPREAD, correlation, np.nan))])

    def _moments(
        self, first: Float64[np.ndarray, "pair"], second: Float64[np.ndarray, "pair"], keep: Bool[np.ndarray, "pair"]
    ) -> tuple[Float64[np.ndarray, "cls"], ...]:
        """Covariance and the two variances of every class; NaN where a class has no pair."""
        classes = self._classes
        first = first - classes.means(first, keep)[classes.index]
        second = second - classes.means(second, keep)[classes.index]
        return tuple(classes.means(product, keep) for product in (first * second, first**2, second**2))


class _Classes:
    """The class of every pair, or its bin."""

    def __init__(self, index: Int64[np.ndarray, "pair"], number: int | None = None) -> None:
        self.index = index
        self.number = 1 + int(index.max(initial=-1)) if number is None else number

    def sums(self, values: np.ndarray) -> Float64[np.ndarray, "cls"]:
        return np.bincount(self.index, values, minlength=self.number).astype(np.float64)

    def means(self, values: Float64[np.ndarray, "pair"], keep: Bool[np.ndarray, "pair"]) -> Float64[np.ndarray, "cls"]:
        """The mean of every class; NaN where it has no pair."""
        number = self.sums(keep)
        # Not a product: what was made of the mean of a class without a pair is NaN.
        total = self.sums(np.where(keep, values, 0.0))
        means: Float64[np.ndarray, "cls"] = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
        return means

    def average(self, values: Float64[np.ndarray, "pair"], keep: Bool[np.ndarray, "pair"]) -> float:
        """The mean over classes of their means."""
        return float(_mean(self.means(values, keep)))


class _Medians:
    """The weighted median of every class, the smaller one of two: the constant of least weighted absolute error.

    Values are sorted once; `find` looks for the medians of those that are marked.
    """

    def __init__(
        self, value: Float64[np.ndarray, "pair"], weight: Float64[np.ndarray, "pair"], classes: _Classes
    ) -> None:
        self._order = np.lexsort((value, classes.index))
        self._value, self._weight = value[self._order], weight[self._order]
        self._classes = _Classes(classes.index[self._order], classes.number)

    def find(self, keep: Bool[np.ndarray, "pair"]) -> Float64[np.ndarray, "cls"]:
        """Find the median of every class; NaN where no pair is marked."""
        weight = self._weight * keep[self._order]
        total = self._classes.sums(weight)
        half = np.cumsum(total) - total / 2
        # Rounding may carry the last one over the end.
        at = np.minimum(np.searchsorted(np.cumsum(weight), half), max(len(weight) - 1, 0))
        values = self._value[at] if len(weight) else np.full(len(at), np.nan)
        medians: Float64[np.ndarray, "cls"] = np.where(total > 0, values, np.nan)
        return medians


def _mean(values: Float64[np.ndarray, "cls"]) -> np.float64:
    """The mean of those that are numbers."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum() / known.sum() if known.any() else np.float64(np.nan)


def _number_ties(value: Float64[np.ndarray, "pair"], cls: Int64[np.ndarray, "pair"]) -> Int64[np.ndarray, "pair"]:
    """Number the values of every class by size, class after class; equal ones have one number."""
    order = np.lexsort((value, cls))
    new = (np.diff(value[order], prepend=np.nan) != 0) | (np.diff(cls[order], prepend=-1) != 0)
    ties = np.empty(len(value), dtype=np.int64)
    ties[order] = np.cumsum(new) - 1
    return ties


def _rank(ties: Int64[np.ndarray, "pair"], keep: Bool[np.ndarray, "pair"]) -> Float64[np.ndarray, "pair"]:
    """Rank what is marked within its class, up to a constant of the class; equal values share their mean rank."""
    number = np.bincount(ties, keep)
    rank: Float64[np.ndarray, "pair"] = (np.cumsum(number) - number / 2)[ties]
    return rank


def _find_bins(true_deg: Float64[np.ndarray, "pair"]) -> _Classes:
    """The bin of every true |azimuth|."""
    number = len(BIN_EDGES_DEG) - 1
    return _Classes(np.clip(np.searchsorted(BIN_EDGES_DEG, true_deg, side="right") - 1, 0, number - 1), number)
