"""Which true and predicted sources belong together, frame by frame and class by class.

They are paired by azimuth alone (DCASE 2025 Challenge, Task 3); what is left over are misses and false alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.metrics import official
from seldfuse.metrics.assignment import assign_pairs
from seldfuse.metrics.rows import EventRows, Scene, stack_rows

Mode = Literal["official", "strict"]


@dataclass(frozen=True)
class Matches:
    """The pairs of a set of clips, and how many sources of each clip and class have no partner.

    Row by row, `truth` and `prediction` are a pair; `single_source` tells whether it is its frame's only true and only
    predicted source of the class, so that nothing had to be paired. `mode` is how it was counted.
    """

    truth: EventRows
    prediction: EventRows
    single_source: Bool[np.ndarray, "pair"]
    false_alarms: Float64[np.ndarray, "clip cls"]
    misses: Float64[np.ndarray, "clip cls"]
    mode: Mode = "official"

    def sum_pairs(self, weight: np.ndarray) -> Float64[np.ndarray, "clip cls"]:
        """Sum a number of every pair over each clip and class."""
        clips, classes = self.misses.shape
        return _sum_cells(self.truth.clip * classes + self.truth.cls, weight, (clips, classes))


def find_matches(
    references: Sequence[Scene],
    predictions: Sequence[Scene | None],
    labels: LabelSet = DCASE2025,
    mode: Mode = "official",
) -> Matches:
    """Pair the sources of every frame and class; `predictions[i]` belongs to `references[i]`.

    Sources are paired by azimuth alone, folded to the front, at the least sum of differences. Where a side does not
    know the azimuth the difference counts as 0, so that a system without directions is paired too.

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
    return _match(reference, prediction, _Grid(len(references), int(frames), len(labels)), mode)


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
        return _sum_cells(slot, weight, (self.clips, self.classes))


class _Spans(NamedTuple):
    """Where each cell's rows begin in a sorted table, and how many they are."""

    first: Int64[np.ndarray, "cell"]
    number: Int64[np.ndarray, "cell"]


def _match(reference: EventRows, prediction: EventRows, grid: _Grid, mode: Mode) -> Matches:
    reference = reference.take(np.argsort(grid.cell(reference), kind="stable"))
    prediction = prediction.take(np.argsort(grid.cell(prediction), kind="stable"))
    cells = np.union1d(grid.cell(reference), grid.cell(prediction))
    here, there = _spans(grid.cell(reference), cells), _spans(grid.cell(prediction), cells)
    at_reference, at_prediction = _pairs(reference, prediction, here, there)
    truth = reference.take(at_reference)
    single = (here.number == 1) & (there.number == 1)
    return Matches(
        truth=truth,
        prediction=prediction.take(at_prediction),
        single_source=single[np.searchsorted(cells, grid.cell(truth))],
        false_alarms=grid.sums(cells, np.maximum(there.number - here.number, 0)),
        misses=grid.sums(cells, np.maximum(here.number - there.number, 0)),
        mode=mode,
    )


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


def _sum_cells(
    slot: Int64[np.ndarray, "row"], weight: np.ndarray, shape: tuple[int, int]
) -> Float64[np.ndarray, "clip cls"]:
    sums = np.bincount(slot, weight, minlength=shape[0] * shape[1])
    # Of no rows at all bincount makes integers.
    return sums.reshape(shape).astype(np.float64)
