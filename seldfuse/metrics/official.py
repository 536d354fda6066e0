"""What the challenge's own scorer leaves out (DCASE 2025 Challenge, Task 3, evaluation code of the baseline)."""

import numpy as np
from jaxtyping import Bool, Int64

from seldfuse.metrics.rows import EventRows

TRACKS = 10


def keep_scored_rows(
    reference: EventRows, prediction: EventRows, missing: Bool[np.ndarray, "clip"]
) -> tuple[EventRows, EventRows]:
    """Keep the rows that are scored: those before the last frame in which the clip's reference has an event, none at
    all of clips whose prediction is `missing`, and at most ten of a frame and class.
    """
    end = np.zeros(len(missing), dtype=np.int64)
    np.maximum.at(end, reference.clip, reference.frame)
    end[missing] = 0
    reference = reference.take(reference.frame < end[reference.clip])
    prediction = prediction.take(prediction.frame < end[prediction.clip])
    return _within_tracks(reference), _within_tracks(prediction)


def _within_tracks(rows: EventRows) -> EventRows:
    key = np.ravel_multi_index((rows.clip, rows.frame, rows.cls), _extent(rows))
    keys, size = np.unique(key, return_counts=True)
    chosen = np.arange(len(key))
    keep = np.ones(len(key), dtype=bool)
    for crowded in keys[size > TRACKS]:
        members = np.flatnonzero(key == crowded)
        chosen[members[:TRACKS]] = members[_holders(rows.source[members])]
        keep[members[TRACKS:]] = False
    return rows.take(chosen[keep])


def _extent(rows: EventRows) -> tuple[int, int, int]:
    clip, frame, cls = (1 + int(column.max(initial=0)) for column in (rows.clip, rows.frame, rows.cls))
    return clip, frame, cls


def _holders(sources: Int64[np.ndarray, "row"]) -> list[int]:
    """Which rows of one frame and class hold the ten tracks in the end.

    A source has the track of its number where that exists and is free, else the lowest free one, else it drives out
    the holder of track 0. Numbers below 0 count from the last track.
    """
    holders: dict[int, int] = {}
    for row, number in enumerate(sources.tolist()):
        source = number + TRACKS if number < 0 else number
        own = source < TRACKS and source not in holders
        track = source if own else next((number for number in range(TRACKS) if number not in holders), 0)
        holders[track] = row
    return list(holders.values())
