"""Which true and predicted events belong together: one to one within a clip and class.

An event is an uninterrupted stretch of a source, from its onset to its offset. Event-based scoring with collars: A.
Mesaros, T. Heittola and T. Virtanen, "Metrics for polyphonic sound event detection", Applied Sciences 6(6), 2016; here
the azimuth must be right, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from seldfuse.core.events import cut_segments
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import FRAME_S
from seldfuse.metrics.rows import Scene, stack_rows

ROUNDING_S = 1e-6
"""Times are multiples of a frame and are not to miss a limit by their last bit."""


@dataclass(frozen=True)
class EventSpans:
    """The events of many clips: one entry per event; `clip` counts the clips, the azimuth is NaN where unknown."""

    clip: Int64[np.ndarray, "event"]
    cls: Int64[np.ndarray, "event"]
    start_s: Float64[np.ndarray, "event"]
    end_s: Float64[np.ndarray, "event"]
    azimuth_deg: Float64[np.ndarray, "event"]

    @classmethod
    def from_scenes(cls, scenes: Sequence[Scene | None], hop_s: float = FRAME_S) -> "EventSpans":
        """Cut the rows of every clip into events; None stands for a clip without any."""
        rows = stack_rows(scenes)
        columns = {name: getattr(rows, name) for name in ("frame", "cls", "source", "azimuth_deg")}
        return cls.from_segments(cut_segments(columns, rows.clip), hop_s)

    @classmethod
    def concat(cls, clips: Sequence[Mapping[str, np.ndarray]]) -> "EventSpans":
        """Join the events of several clips: arrays `cls`, `start_s`, `end_s` and `azimuth_deg` of each."""
        clip = np.repeat(np.arange(len(clips)), [len(one["cls"]) for one in clips])
        columns = {name: [one[name] for one in clips] for name in ("cls", "start_s", "end_s", "azimuth_deg")}
        class_ids = np.concatenate([np.empty(0), *columns.pop("cls")]).astype(np.int64)
        return cls(clip, class_ids, *(np.concatenate([np.empty(0), *values]) for values in columns.values()))

    @classmethod
    def from_segments(cls, found: dict[str, np.ndarray], hop_s: float = FRAME_S) -> "EventSpans":
        """Take what `cut_segments` found."""
        return cls(
            found["clip"], found["cls"], found["first"] * hop_s, (found["last"] + 1) * hop_s, found["azimuth_deg"]
        )


@dataclass(frozen=True)
class EventLimits:
    """How far a predicted event may be off to be a hit; an azimuth limit of None asks for the class alone.

    The offset may be off by the larger of `offset_s` and `offset_share` of the true event's length.
    """

    onset_s: float = 0.5
    offset_s: float = 0.5
    offset_share: float = 0.5
    azimuth_deg: float | None = 20.0


@dataclass(frozen=True)
class EventMatches:
    """How many events of each clip and class are hits, and how many there are on either side."""

    hits: Float64[np.ndarray, "clip cls"]
    true: Float64[np.ndarray, "clip cls"]
    predicted: Float64[np.ndarray, "clip cls"]

    def take(self, clips: Bool[np.ndarray, "clip"]) -> "EventMatches":
        """Select some of the clips."""
        return EventMatches(self.hits[clips], self.true[clips], self.predicted[clips])

    @classmethod
    def concat(cls, parts: "Sequence[EventMatches]") -> "EventMatches":
        """Join the counts of different clips."""
        columns = zip(*((part.hits, part.true, part.predicted) for part in parts), strict=True)
        return cls(*(np.concatenate(counts) for counts in columns))


def match_events(
    truth: EventSpans,
    prediction: EventSpans,
    clips: int,
    classes: int,
    limits: EventLimits = EventLimits(),
) -> EventMatches:
    """Match as many true events with predicted ones as can be at once, each with one at most, within the limits.

    An unknown azimuth is within no limit.
    """
    matched = pair_events(truth, prediction, classes, limits) >= 0

    def count(spans: EventSpans, weight: np.ndarray) -> Float64[np.ndarray, "clip cls"]:
        sums = np.bincount(spans.clip * classes + spans.cls, weight, minlength=clips * classes)
        return sums.reshape(clips, classes).astype(np.float64)

    return EventMatches(
        hits=count(truth, matched),
        true=count(truth, np.ones(len(truth.clip))),
        predicted=count(prediction, np.ones(len(prediction.clip))),
    )


def pair_events(
    truth: EventSpans, prediction: EventSpans, classes: int, limits: EventLimits = EventLimits()
) -> Int64[np.ndarray, "true"]:
    """Find the predicted event that is matched with each true one, as `match_events` counts them; −1 where none is."""
    first, second = pair_within_cells(truth.clip * classes + truth.cls, prediction.clip * classes + prediction.cls)
    near = _are_near(truth, prediction, first, second, limits)
    if not near.any():
        return np.full(len(truth.clip), -1)
    # One sparse graph of all clips: it falls into one part per clip and class.
    edges = (np.ones(near.sum(), dtype=np.int8), (first[near], second[near]))
    graph = csr_array(edges, shape=(len(truth.clip), len(prediction.clip)))
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"), dtype=np.int64)


def pair_within_cells(
    truth: Int64[np.ndarray, "true"], prediction: Int64[np.ndarray, "predicted"]
) -> tuple[Int64[np.ndarray, "pair"], Int64[np.ndarray, "pair"]]:
    """Pair every entry with every one of the other side that has the same number: the positions of both."""
    order = np.argsort(prediction, kind="stable")
    begin = np.searchsorted(prediction[order], truth, side="left")
    number = np.searchsorted(prediction[order], truth, side="right") - begin
    first = np.repeat(np.arange(len(truth)), number)
    within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return first, order[np.repeat(begin, number) + within]


def _are_near(
    truth: EventSpans, prediction: EventSpans, first: np.ndarray, second: np.ndarray, limits: EventLimits
) -> np.ndarray:
    start_s, end_s = truth.start_s[first], truth.end_s[first]
    offset_s = np.maximum(limits.offset_s, limits.offset_share * (end_s - start_s))
    near = np.abs(start_s - prediction.start_s[second]) <= limits.onset_s + ROUNDING_S
    near &= np.abs(end_s - prediction.end_s[second]) <= offset_s + ROUNDING_S
    if limits.azimuth_deg is not None:
        true_deg, predicted_deg = fold_azimuth(truth.azimuth_deg[first]), fold_azimuth(prediction.azimuth_deg[second])
        near &= np.abs(true_deg - predicted_deg) <= limits.azimuth_deg
    return np.asarray(near)
