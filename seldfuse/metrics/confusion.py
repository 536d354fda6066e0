"""Which class was heard in place of which, and what was called on-screen."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.metrics import official
from seldfuse.metrics.matches import Matches, Mode, find_matches
from seldfuse.metrics.rows import EventRows, Scene, stack_rows

SCENE = ("frame", "cls", "source", "azimuth_deg", "distance_m", "onscreen")


def count_confusions(
    references: Sequence[Scene],
    predictions: Sequence[Scene | None],
    labels: LabelSet = DCASE2025,
    mode: Mode = "official",
) -> Float64[np.ndarray, "true predicted"]:
    """Count sources and frames by true and predicted class; the last row and column stand for nothing.

    First sources of one class are paired, as `find_matches` does in either mode. What is left of a frame is paired
    across classes, at the least sum of differences in azimuth: those are the confusions. What is then left was missed,
    or is a false alarm.
    """
    reference, prediction = stack_rows(references), stack_rows(predictions)
    if mode == "official":
        missing = np.array([one is None for one in predictions], dtype=bool)
        reference, prediction = official.keep_scored_rows(reference, prediction, missing)
    clips, classes = len(references), len(labels)
    matches = find_matches(_split(reference, clips), _split(prediction, clips), labels, "strict")
    rest_true, rest_predicted = _leave(reference, matches.truth), _leave(prediction, matches.prediction)
    across = find_matches(
        _split(_forget_class(rest_true), clips), _split(_forget_class(rest_predicted), clips), labels, "strict"
    )
    found = np.zeros((classes + 1, classes + 1))
    np.add.at(found, (matches.truth.cls, matches.truth.cls), 1)
    # The class stands in the place of the source.
    np.add.at(found, (across.truth.source, across.prediction.source), 1)
    found[:-1, -1] = np.bincount(reference.cls, minlength=classes) - found[:-1, :-1].sum(axis=1)
    found[-1, :-1] = np.bincount(prediction.cls, minlength=classes) - found[:-1, :-1].sum(axis=0)
    return found


def count_onscreen(matches: Matches) -> Float64[np.ndarray, "true predicted"]:
    """Count the pairs that both sides call on-screen or not: row and column 0 are off-screen, 1 on-screen."""
    truth, guess = matches.truth.onscreen, matches.prediction.onscreen
    known = ~np.isnan(truth + guess)
    found = np.zeros((2, 2))
    np.add.at(found, ((truth[known] > 0.5).astype(int), (guess[known] > 0.5).astype(int)), 1)
    return found


def _split(rows: EventRows, clips: int) -> list[Float64[np.ndarray, "_ 6"]]:
    """The rows of each clip."""
    table = np.stack([getattr(rows, name).astype(np.float64) for name in SCENE], axis=1)
    order = np.argsort(rows.clip, kind="stable")
    return np.split(table[order], np.searchsorted(rows.clip[order], np.arange(1, clips)))


def _leave(rows: EventRows, taken: EventRows) -> EventRows:
    """The rows that were not taken; of equal ones it does not matter which."""
    keys = [np.stack([one.clip, *(getattr(one, name) for name in SCENE)], axis=1) for one in (rows, taken)]
    _, number = np.unique(np.nan_to_num(np.concatenate(keys), nan=-1.0), axis=0, return_inverse=True)
    mine, theirs = np.split(number.reshape(-1), [len(rows.clip)])
    left = np.bincount(mine, minlength=number.max(initial=-1) + 1) - np.bincount(
        theirs, minlength=number.max(initial=-1) + 1
    )
    return rows.take(_rank(mine) < left[mine])


def _rank(numbers: Int64[np.ndarray, "row"]) -> Int64[np.ndarray, "row"]:
    """How many equal numbers stand before each."""
    order = np.argsort(numbers, kind="stable")
    first = np.searchsorted(numbers[order], numbers[order], side="left")
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[order] = np.arange(len(numbers)) - first
    return rank


def _forget_class(rows: EventRows) -> EventRows:
    """The rows as of one class; their own takes the place of the source."""
    return EventRows(
        rows.clip, rows.frame, np.zeros_like(rows.cls), rows.cls, rows.azimuth_deg, rows.distance_m, rows.onscreen
    )
