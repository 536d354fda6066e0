"""Scores from counts, by what the catalogue says of each (DCASE 2025 Challenge, Task 3)."""

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from seldfuse.catalogue.values import Score
from seldfuse.errors import PluginError
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.coverage import ClassCoverage
from seldfuse.metrics.f_scores import compute_f
from seldfuse.metrics.registered import call_score, check_shape

Average = Literal["macro", "micro"]


class Scores(Mapping[str, float]):
    """How well events were found, by the names of the scores: `scores["f20_1"]`, or `scores.f20_1`.

    NaN where reference or prediction never states what a score needs, or nothing was paired. `classes` holds the same
    scores as arrays of shape `cls`, `higher_is_better` whether a larger value is the better one; `coverage` says over
    which classes the means go.
    """

    def __init__(
        self,
        values: Mapping[str, float],
        classes: Mapping[str, Float64[np.ndarray, "cls"]],
        higher_is_better: Mapping[str, bool],
        coverage: ClassCoverage,
    ) -> None:
        self._values = dict(values)
        self.classes = classes
        self.higher_is_better = higher_is_better
        self.coverage = coverage

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __getattr__(self, name: str) -> float:
        # Not `self._values`: while it is unpickled it has none, and would ask for it for ever.
        values: Mapping[str, float] = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(f"there is no score {name!r}; there are {', '.join(values)}")
        return values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Scores({', '.join(f'{name}={value:.4g}' for name, value in self.items())})"

    def to_dict(self) -> dict[str, float]:
        """Collect the scores that are numbers, by name."""
        return {name: value for name, value in self.items() if not np.isnan(value)}


def compute_scores(counts: Counts, average: Average = "macro") -> Scores:
    """Compute the scores of all clips together. Raises PluginError where a score fails or gives a wrong shape.

    `macro` is the mean over classes, `micro` pools them. A class that neither the reference has nor the system says is
    left out of the mean, but where counting is `official` and the score states that it counts 0, as the challenge has.
    """
    total = counts.sum_clips()
    return Scores(
        {name: float(value) for name, value in average_scores(total, average).items()},
        score_classes(total),
        {score.name: score.higher_is_better for score in counts.scores},
        ClassCoverage(total.present, total.mode),
    )


def average_scores(counts: Counts, average: Average) -> dict[str, Float64[np.ndarray, "*set"]]:
    """Compute every score of every set, over its classes."""
    if average == "micro":
        found = score_classes(counts.map(lambda count: count.sum(axis=-1, keepdims=True)))
    else:
        classes, there = score_classes(counts), counts.present
        found = {
            score.name: _average_zero(classes[score.name])
            if counts.mode == "official" and score.absent_class == "zero"
            else _average_known(classes[score.name], there)
            for score in counts.scores
        }
    return {name: score[..., 0] for name, score in found.items()}


def score_classes(counts: Counts) -> dict[str, Float64[np.ndarray, "*set cls"]]:
    """Compute every score of every set and class."""
    never = {field: _is_never_stated(counts.sums[f"known_{field}"], counts.pairs) for field in _list_needs(counts)}
    found = {}
    for score in counts.scores:
        values = _score_classes(score, counts)
        for field in score.needs:
            values = np.where(never[field], np.nan, values)
        found[score.name] = values
    return found


def _list_needs(counts: Counts) -> set[str]:
    return {field for score in counts.scores for field in score.needs}


def _score_classes(score: Score, counts: Counts) -> Float64[np.ndarray, "*set cls"]:
    if score.limits is not None:
        return compute_f(counts.hits[score.name], counts.pairs, counts.false_alarms, counts.misses)
    if score.compute is None:
        raise PluginError(f"the score {score.name!r} must state `limits` or `compute`, and has neither")
    return check_shape(score, "its values", call_score(score, score.compute, counts), counts.pairs.shape)


def _is_never_stated(
    known: Float64[np.ndarray, "*set cls"], pairs: Float64[np.ndarray, "*set cls"]
) -> Bool[np.ndarray, "*set 1"]:
    paired, stated = pairs.any(axis=-1, keepdims=True), known.any(axis=-1, keepdims=True)
    never: Bool[np.ndarray, "*set 1"] = np.logical_and(paired, np.logical_not(stated))
    return never


def _average_zero(score: Float64[np.ndarray, "*set cls"]) -> Float64[np.ndarray, "*set 1"]:
    """Average over all classes, NaN counting 0 unless there is nothing else."""
    unknown = np.isnan(score).all(axis=-1, keepdims=True)
    mean: Float64[np.ndarray, "*set 1"] = np.where(unknown, np.nan, np.nan_to_num(score).mean(axis=-1, keepdims=True))
    return mean


def _average_known(
    score: Float64[np.ndarray, "*set cls"], there: Bool[np.ndarray, "*set cls"]
) -> Float64[np.ndarray, "*set 1"]:
    """Average over the classes that are there and have a number."""
    known = there & ~np.isnan(score)
    total, number = np.where(known, score, 0.0).sum(axis=-1, keepdims=True), known.sum(axis=-1, keepdims=True)
    mean: Float64[np.ndarray, "*set 1"] = np.where(number > 0, total, np.nan) / np.maximum(number, 1)
    return mean
