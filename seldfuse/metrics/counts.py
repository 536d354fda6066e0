"""What the scores are made of, counted per clip and class.

In every frame and class, reference and predicted sources are paired by azimuth; pairs have errors, the rest are misses
and false alarms (DCASE 2025 Challenge, Task 3, the metric F20°/1 and its kin).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from seldfuse.catalogue.values import Score
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import PluginError
from seldfuse.metrics import official
from seldfuse.metrics.assignment import assign_pairs
from seldfuse.metrics.f_scores import find_hits
from seldfuse.metrics.pairs import PairErrors
from seldfuse.metrics.registered import call_score, check_shape, list_scores
from seldfuse.metrics.rows import EventRows, Scene, stack_rows

Mode = Literal["official", "strict"]


@dataclass(frozen=True)
class Counts:
    """Counts and sums over frames. They add up over clips, so a set without one clip is a subtraction.

    `hits` maps the name of each F score to its number of pairs within limits. `sums` maps `known_azimuth`,
    `known_distance` and `known_onscreen` to the number of pairs of which both sides state the quantity, and whatever
    the other scores count to its sum over pairs. `scores` are those that were counted for.
    """

    pairs: Float64[np.ndarray, "*set cls"]
    false_alarms: Float64[np.ndarray, "*set cls"]
    misses: Float64[np.ndarray, "*set cls"]
    hits: Mapping[str, Float64[np.ndarray, "*set cls"]]
    sums: Mapping[str, Float64[np.ndarray, "*set cls"]]
    scores: tuple[Score, ...] = ()

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Counts":
        """Apply a function to every array."""
        return replace(
            self,
            pairs=function(self.pairs),
            false_alarms=function(self.false_alarms),
            misses=function(self.misses),
            hits={name: function(count) for name, count in self.hits.items()},
            sums={name: function(count) for name, count in self.sums.items()},
        )

    def sum_clips(self) -> "Counts":
        """Sum over all clips: arrays of shape `cls`."""
        return self.map(lambda count: count.sum(axis=0))

    def leave_one_out(self) -> "Counts":
        """Sum over all clips but one, for every clip: arrays of shape `clip cls`."""
        return self.map(lambda count: count.sum(axis=0) - count)

    @classmethod
    def concat(cls, parts: Sequence["Counts"]) -> "Counts":
        """Join counts of shape `clip cls` of different clips, counted for the same scores."""
        first = parts[0]
        return cls(
            pairs=np.concatenate([part.pairs for part in parts]),
            false_alarms=np.concatenate([part.false_alarms for part in parts]),
            misses=np.concatenate([part.misses for part in parts]),
            hits={name: np.concatenate([part.hits[name] for part in parts]) for name in first.hits},
            sums={name: np.concatenate([part.sums[name] for part in parts]) for name in first.sums},
            scores=first.scores,
        )


def count_matches(
    references: Sequence[Scene],
    predictions: Sequence[Scene | None],
    labels: LabelSet = DCASE2025,
    mode: Mode = "official",
    scores: Sequence[Score] | None = None,
) -> Counts:
    """Count every clip and class, arrays of shape `clip cls`; `predictions[i]` belongs to `references[i]`.

    Sources are paired by azimuth alone, folded to the front, at the least sum of differences. Where a side does not
    know the azimuth the difference counts as 0, so that a system without directions is paired too; what is unknown
    passes no limit.

    `official` does what the challenge's scorer does: the last frame in which a clip's reference has events is not
    scored, nor what is predicted at and after it; a missing prediction (None) costs nothing; of more than ten sources
    of one class the surplus is lost. `strict` counts every row, and a missing prediction as an empty one.

    What is counted is what the `scores` ask for, or else all of the catalogue. Raises ValueError where the two
    sequences differ in length, and PluginError where a score fails or gives a wrong shape.
    """
    if len(references) != len(predictions):
        raise ValueError(f"expected a prediction or None per reference, got {len(predictions)} for {len(references)}")
    reference, prediction = stack_rows(references), stack_rows(predictions)
    if mode == "official":
        missing = np.array([prediction is None for prediction in predictions], dtype=bool)
        reference, prediction = official.keep_scored_rows(reference, prediction, missing)
    frames = 1 + max(reference.frame.max(initial=0), prediction.frame.max(initial=0))
    grid = _Grid(len(references), int(frames), len(labels))
    return _counts(reference, prediction, grid, list_scores() if scores is None else tuple(scores))


class _Grid(NamedTuple):
    """The numbers of the cells, which are the classes of every frame of every clip."""

    clips: int
    frames: int
    classes: int

    def cell(self, rows: EventRows) -> Int64[np.ndarray, "row"]:
        cell: Int64[np.ndarray, "row"] = (rows.clip * self.frames + rows.frame) * self.classes + rows.cls
        return cell

    def sums(self, cell: Int64[np.ndarray, "row"], weight: np.ndarray) -> Float64[np.ndarray, "clip cls"]:
        slot = cell // (self.frames * self.classes) * self.classes + cell % self.classes
        sums = np.bincount(slot, weight, minlength=self.clips * self.classes)
        # Of no rows at all bincount makes integers.
        return sums.reshape(self.clips, self.classes).astype(np.float64)


class _Spans(NamedTuple):
    """Where each cell's rows begin in a sorted table, and how many they are."""

    first: Int64[np.ndarray, "cell"]
    number: Int64[np.ndarray, "cell"]


def _counts(reference: EventRows, prediction: EventRows, grid: _Grid, scores: tuple[Score, ...]) -> Counts:
    reference = reference.take(np.argsort(grid.cell(reference), kind="stable"))
    prediction = prediction.take(np.argsort(grid.cell(prediction), kind="stable"))
    cells = np.union1d(grid.cell(reference), grid.cell(prediction))
    here, there = _spans(grid.cell(reference), cells), _spans(grid.cell(prediction), cells)
    at_reference, at_prediction = _pairs(reference, prediction, here, there)
    truth, guess = reference.take(at_reference), prediction.take(at_prediction)
    cell, errors = grid.cell(truth), PairErrors.from_rows(truth, guess)
    return Counts(
        pairs=grid.sums(cell, np.ones(len(cell))),
        false_alarms=grid.sums(cells, np.maximum(there.number - here.number, 0)),
        misses=grid.sums(cells, np.maximum(here.number - there.number, 0)),
        hits={
            score.name: grid.sums(cell, find_hits(score.limits, errors)) for score in scores if score.limits is not None
        },
        sums={name: grid.sums(cell, weight) for name, weight in _summands(truth, guess, errors, scores).items()},
        scores=scores,
    )


def _summands(
    truth: EventRows, guess: EventRows, errors: PairErrors, scores: Sequence[Score]
) -> dict[str, Float64[np.ndarray, "row"]]:
    """What every pair adds to each sum. Scores that share a function to count share its sums, too."""
    summands = {
        "known_azimuth": (~np.isnan(errors.azimuth_deg)).astype(np.float64),
        "known_distance": (~np.isnan(errors.distance_m)).astype(np.float64),
        "known_onscreen": (~np.isnan(truth.onscreen + guess.onscreen)).astype(np.float64),
    }
    for reference, score in {score.count: score for score in reversed(scores) if score.count is not None}.items():
        for name, values in _count_pairs(score, reference, truth, guess).items():
            if name in summands:
                raise PluginError(
                    f"the score {score.name!r} counts {name!r}, as another does; it must name its sums after itself"
                )
            summands[name] = values
    return summands


def _count_pairs(
    score: Score, reference: str, truth: EventRows, guess: EventRows
) -> dict[str, Float64[np.ndarray, "row"]]:
    counted = call_score(score, reference, truth, guess)
    if not isinstance(counted, Mapping):
        raise PluginError(
            f"the score {score.name!r} must count a mapping of names to arrays, got {type(counted).__name__}"
        )
    return {name: check_shape(score, f"{name!r}", values, truth.clip.shape) for name, values in counted.items()}


def _spans(sorted_cells: Int64[np.ndarray, "row"], cells: Int64[np.ndarray, "cell"]) -> _Spans:
    first = np.searchsorted(sorted_cells, cells, side="left")
    return _Spans(first, np.searchsorted(sorted_cells, cells, side="right") - first)


def _pairs(
    reference: EventRows, prediction: EventRows, here: _Spans, there: _Spans
) -> tuple[Int64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]]:
    """Row numbers of all pairs. Cells with equally many sources on both sides are assigned together."""
    sizes = np.stack([here.number, there.number], axis=1)
    at_reference, at_prediction = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for size in np.unique(sizes[sizes.all(axis=1)], axis=0):
        alike = (sizes == size).all(axis=1)
        rows = here.first[alike, None] + np.arange(size[0])  # (cell, row)
        columns = there.first[alike, None] + np.arange(size[1])  # (cell, column)
        azimuth, guess = fold_azimuth(reference.azimuth_deg[rows]), fold_azimuth(prediction.azimuth_deg[columns])
        row, column = assign_pairs(np.nan_to_num(np.abs(azimuth[:, :, None] - guess[:, None, :])))
        at_reference.append(np.take_along_axis(rows, row, axis=1).ravel())
        at_prediction.append(np.take_along_axis(columns, column, axis=1).ravel())
    return np.concatenate(at_reference), np.concatenate(at_prediction)
