"""Event-based scores: how many of the events that people read are right, and whether there are as many as there were.

An event is a hit where `match_events` gives it a true one of its own. The F score has every other event as an error,
macro or micro as the scores of frames (A. Mesaros, T. Heittola and T. Virtanen, 2016, see there).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from seldfuse.catalogue.values import API_VERSION, PairLimits, Score
from seldfuse.metrics.counts import Counts
from seldfuse.metrics.event_matches import EventMatches
from seldfuse.metrics.jackknife import Interval, clip_interval, compare_systems, compute_intervals, estimate_interval
from seldfuse.metrics.scores import Average, compute_scores

EVENT_F = Score(
    name="event_f",
    api_version=API_VERSION,
    summary="F score of whole events",
    title="event F",
    meaning="F of events: onset within 0.5 s, offset within 0.5 s or half the length, azimuth at most 20° off",
    higher_is_better=True,
    limits=PairLimits(),
    absent_class="skip",
)
"""Computed from counts of events in place of frames, so that it averages and has intervals as other F scores do."""

MEANINGS: Mapping[str, str] = {
    EVENT_F.name: EVENT_F.meaning,
    "event_count_error": "mean error of the number of events in a clip",
}
"""What each value of `EventScores` says."""


@dataclass(frozen=True)
class EventScores:
    """Event-based scores by the names of `MEANINGS`, and the F score and the number of events of each class."""

    values: Mapping[str, Interval]
    f_classes: Float64[np.ndarray, "cls"]
    true: Float64[np.ndarray, "cls"]
    predicted: Float64[np.ndarray, "cls"]


def compute_event_scores(matches: EventMatches, average: Average = "macro") -> EventScores:
    """Compute the scores of all clips together, with intervals by leaving out each clip in turn."""
    counts = count_events(matches)
    count_error = clip_interval(_estimate_mean(list_count_errors(matches)), 0.0, math.inf)
    return EventScores(
        {EVENT_F.name: compute_intervals(counts, average)[EVENT_F.name], "event_count_error": count_error},
        compute_scores(counts, average).classes[EVENT_F.name],
        matches.true.sum(axis=0),
        matches.predicted.sum(axis=0),
    )


def compare_event_scores(matches: EventMatches, other: EventMatches, average: Average = "macro") -> dict[str, Interval]:
    """Compute how much larger each score is than that of another system on the same clips.

    Raises ValueError where the two are not of equally many clips.
    """
    f_score = compare_systems(count_events(matches), count_events(other), average)[EVENT_F.name]
    errors = list_count_errors(matches) - list_count_errors(other)
    return {EVENT_F.name: f_score, "event_count_error": _estimate_mean(errors)}


def count_events(matches: EventMatches) -> Counts:
    """Count hits as pairs, predicted events without one as false alarms and true ones without one as misses."""
    return Counts(
        pairs=matches.hits,
        false_alarms=matches.predicted - matches.hits,
        misses=matches.true - matches.hits,
        hits={EVENT_F.name: matches.hits},
        sums={},
        scores=(EVENT_F,),
    )


def list_count_errors(matches: EventMatches) -> Float64[np.ndarray, "clip"]:
    """List how many events too many or too few each clip has."""
    return np.asarray(np.abs(matches.predicted.sum(axis=1) - matches.true.sum(axis=1)))


def _estimate_mean(values: Float64[np.ndarray, "clip"]) -> Interval:
    clips = len(values)
    partial = (values.sum() - values) / max(clips - 1, 1)
    return estimate_interval(float(values.mean()) if clips else float("nan"), partial)
