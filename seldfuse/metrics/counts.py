"""What the scores are made of, counted per clip and class.

In every frame and class, reference and predicted sources are paired by azimuth; pairs have errors, the rest are misses
and false alarms (DCASE 2025 Challenge, Task 3, the metric F20°/1 and its kin).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.metrics import official
from seldfuse.metrics.assignment import assign_pairs
from seldfuse.metrics.rows import EventRows, Scene, stack_rows

Mode = Literal["official", "strict"]

AZIMUTH_LIMIT_DEG = 20.0
RELATIVE_LIMIT = 1.0
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Counts:
    """Counts and sums over frames. They add up over clips, so a set without one clip is a subtraction.

    `hits_…` counts the pairs within the limits that the score of that name sets, `known_…` those of which both sides
    state the quantity; the errors are sums over these.
    """

    pairs: Float64[np.ndarray, "*set cls"]
    false_alarms: Float64[np.ndarray, "*set cls"]
    misses: Float64[np.ndarray, "*set cls"]
    hits_f20_1: Float64[np.ndarray, "*set cls"]
    hits_f20_1_on: Float64[np.ndarray, "*set cls"]
    hits_f20: Float64[np.ndarray, "*set cls"]
    hits_f1: Float64[np.ndarray, "*set cls"]
    known_azimuth: Float64[np.ndarray, "*set cls"]
    known_distance: Float64[np.ndarray, "*set cls"]
    known_onscreen: Float64[np.ndarray, "*set cls"]
    azimuth_error_deg: Float64[np.ndarray, "*set cls"]
    distance_error_m: Float64[np.ndarray, "*set cls"]
    relative_error: Float64[np.ndarray, "*set cls"]
    onscreen_right: Float64[np.ndarray, "*set cls"]

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Counts":
        return Counts(**{entry.name: function(getattr(self, entry.name)) for entry in fields(self)})

    def sum_clips(self) -> "Counts":
        """Of all clips together: arrays of shape `cls`."""
        return self.map(lambda count: count.sum(axis=0))

    def leave_one_out(self) -> "Counts":
        """Of all clips but one, for every clip: arrays of shape `clip cls`."""
        return self.map(lambda count: count.sum(axis=0) - count)


def count_matches(
    references: Sequence[Scene],
    predictions: Sequence[Scene | None],
    labels: LabelSet = DCASE2025,
    mode: Mode = "official",
) -> Counts:
    """Counts of every clip and class, arrays of shape `clip cls`; `predictions[i]` belongs to `references[i]`.

    Sources are paired by azimuth alone, folded to the front, at the least sum of differences. Where a side does not
    know the azimuth the difference counts as 0, so that a system without directions is paired too; what is unknown
    passes no limit.

    `official` does what the challenge's scorer does: the last frame in which a clip's reference has events is not
    scored, nor what is predicted at and after it; a missing prediction (None) costs nothing; of more than ten sources
    of one class the surplus is lost. `strict` counts every row, and a missing prediction as an empty one.
    Raises ValueError where the two sequences differ in length.
    """
    if len(references) != len(predictions):
        raise ValueError(f"expected a prediction or None per reference, got {len(predictions)} for {len(references)}")
    reference, prediction = stack_rows(references), stack_rows(predictions)
    if mode == "official":
        missing = np.array([prediction is None for prediction in predictions], dtype=bool)
        reference, prediction = official.keep_scored_rows(reference, prediction, missing)
    frames = 1 + max(reference.frame.max(initial=0), prediction.frame.max(initial=0))
    return _counts(reference, prediction, _Grid(len(references), int(frames), len(labels)))


class _Grid(NamedTuple):
    """Numbers the cells, which are the classes of every frame of every clip."""

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


def _counts(reference: EventRows, prediction: EventRows, grid: _Grid) -> Counts:
    reference = reference.take(np.argsort(grid.cell(reference), kind="stable"))
    prediction = prediction.take(np.argsort(grid.cell(prediction), kind="stable"))
    cells = np.union1d(grid.cell(reference), grid.cell(prediction))
    here, there = _spans(grid.cell(reference), cells), _spans(grid.cell(prediction), cells)
    at_reference, at_prediction = _pairs(reference, prediction, here, there)
    return Counts(
        false_alarms=grid.sums(cells, np.maximum(there.number - here.number, 0)),
        misses=grid.sums(cells, np.maximum(here.number - there.number, 0)),
        **_pair_counts(reference.take(at_reference), prediction.take(at_prediction), grid),
    )


def _pair_counts(truth: EventRows, guess: EventRows, grid: _Grid) -> dict[str, Float64[np.ndarray, "clip cls"]]:
    """All counts but false alarms and misses; row by row `truth` and `guess` are pairs."""
    azimuth_error_deg = np.abs(fold_azimuth(truth.azimuth_deg) - fold_azimuth(guess.azimuth_deg))
    distance_error_m = np.abs(truth.distance_m - guess.distance_m)
    # The official scorer counts in centimetres, which tells where a reference stands at 0.
    relative_error = 100 * distance_error_m / (100 * truth.distance_m + EPS)
    near, close = azimuth_error_deg <= AZIMUTH_LIMIT_DEG, relative_error <= RELATIVE_LIMIT
    right = truth.onscreen == guess.onscreen
    weights = {
        "pairs": np.ones(len(near)),
        "hits_f20_1": near & close,
        "hits_f20_1_on": near & close & right,
        "hits_f20": near,
        "hits_f1": close,
        "known_azimuth": ~np.isnan(azimuth_error_deg),
        "known_distance": ~np.isnan(distance_error_m),
        "known_onscreen": ~np.isnan(truth.onscreen + guess.onscreen),
        "azimuth_error_deg": np.nan_to_num(azimuth_error_deg),
        "distance_error_m": np.nan_to_num(distance_error_m),
        "relative_error": np.nan_to_num(relative_error),
        "onscreen_right": right,
    }
    cell = grid.cell(truth)
    return {name: grid.sums(cell, weight) for name, weight in weights.items()}


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
