"""Scores from counts (DCASE 2025 Challenge, Task 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.metrics.counts import EPS, Counts

Average = Literal["macro", "micro"]

NAMES = ("f20_1", "f20_1_on", "f20", "f1", "f_class", "doae_deg", "rde", "distance_error_m", "osa")
"""All scores; those that begin with f count hits, the others are means over pairs."""


@dataclass(frozen=True)
class Scores:
    """How well events were found.

    The F scores, 1 at best, differ in what a pair must meet to be a hit. `f20_1`: at most 20° off, and the distance
    off by no more than itself; `f20_1_on`: on-screen right as well; `f20` and `f1`: just one of the two limits;
    `f_class`: nothing but frame and class. The errors are means over all pairs, near or far: `doae_deg` of azimuth,
    `rde` of distance relative to the true one, `distance_error_m`; `osa` is the share of pairs with on-screen right.
    NaN where reference or prediction never states what is asked, or nothing was paired.

    `classes` holds the same scores as arrays of shape `cls`.
    """

    f20_1: float
    f20_1_on: float
    f20: float
    f1: float
    f_class: float
    doae_deg: float
    rde: float
    distance_error_m: float
    osa: float
    classes: Mapping[str, Float64[np.ndarray, "cls"]]

    def to_dict(self) -> dict[str, float]:
        """The scores, by name, that are numbers."""
        return {name: getattr(self, name) for name in NAMES if not np.isnan(getattr(self, name))}


def compute_scores(counts: Counts, average: Average = "macro") -> Scores:
    """Scores of all clips together.

    `macro` is the mean over classes, where a class that is nowhere counts 0 in the F scores and not at all in the
    errors; `micro` pools the classes.
    """
    total = counts.sum_clips()
    return Scores(
        **{name: float(value) for name, value in average_scores(total, average).items()}, classes=score_classes(total)
    )


def average_scores(counts: Counts, average: Average) -> dict[str, Float64[np.ndarray, "*set"]]:
    """Every score of every set, over its classes."""
    if average == "micro":
        found = score_classes(counts.map(lambda count: count.sum(axis=-1, keepdims=True)))
    else:
        found = {
            name: score.mean(axis=-1, keepdims=True) if name.startswith("f") else _mean_ignoring_nan(score)
            for name, score in score_classes(counts).items()
        }
    return {name: score[..., 0] for name, score in found.items()}


def score_classes(counts: Counts) -> dict[str, Float64[np.ndarray, "*set cls"]]:
    """Every score of every set and class."""
    no_azimuth, no_distance, no_onscreen = (
        _is_never_stated(known, counts.pairs)
        for known in (counts.known_azimuth, counts.known_distance, counts.known_onscreen)
    )
    weight = EPS + counts.pairs + (counts.false_alarms + counts.misses) / 2
    return {
        "f20_1": np.where(no_azimuth | no_distance, np.nan, counts.hits_f20_1 / weight),
        "f20_1_on": np.where(no_azimuth | no_distance | no_onscreen, np.nan, counts.hits_f20_1_on / weight),
        "f20": np.where(no_azimuth, np.nan, counts.hits_f20 / weight),
        "f1": np.where(no_distance, np.nan, counts.hits_f1 / weight),
        "f_class": counts.pairs / weight,
        "doae_deg": _ratio(counts.azimuth_error_deg, counts.known_azimuth),
        "rde": _ratio(counts.relative_error, counts.known_distance),
        "distance_error_m": _ratio(counts.distance_error_m, counts.known_distance),
        "osa": _ratio(counts.onscreen_right, counts.known_onscreen),
    }


def _is_never_stated(
    known: Float64[np.ndarray, "*set cls"], pairs: Float64[np.ndarray, "*set cls"]
) -> Bool[np.ndarray, "*set 1"]:
    paired, stated = pairs.any(axis=-1, keepdims=True), known.any(axis=-1, keepdims=True)
    never: Bool[np.ndarray, "*set 1"] = np.logical_and(paired, np.logical_not(stated))
    return never


def _ratio(
    total: Float64[np.ndarray, "*set cls"], number: Float64[np.ndarray, "*set cls"]
) -> Float64[np.ndarray, "*set cls"]:
    ratio: Float64[np.ndarray, "*set cls"] = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
    return ratio


def _mean_ignoring_nan(score: Float64[np.ndarray, "*set cls"]) -> Float64[np.ndarray, "*set 1"]:
    known = ~np.isnan(score)
    return _ratio(
        np.nan_to_num(score).sum(axis=-1, keepdims=True), known.sum(axis=-1, keepdims=True).astype(np.float64)
    )
