"""Objects that are tracked from picture to picture, and where they are in between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from seldfuse.core.detections import KEYPOINTS, UNTRACKED, Detections

LEAST_OVERLAP = 0.1
"""Boxes in consecutive pictures that share less of their union are not of one object."""

BRIDGED_PICTURES = 2.5
"""An object that was missed is still tracked when it is found again after so many intervals between pictures."""

REST_S = 5.0
"""So long after its last picture an object's lane stays free, lest two objects be taken for one."""

BOX = ["left_px", "top_px", "right_px", "bottom_px"]

Boxes = Float[np.ndarray, "*#thing 4"]


@dataclass(frozen=True)
class TrackedObjects:
    """The objects of each frame, in lanes: at any time, a lane holds one object or none.

    Shape: `there` and `track` are `(frame, lane)`, `box_px` has a last axis of left, top, right and bottom,
    `points_px` one of points and one of x, y and score. What is not there is NaN, its track `UNTRACKED`. A lane has
    objects of one phrase, found by one detector.
    """

    box_px: Float[np.ndarray, "frame lane 4"]
    points_px: Float[np.ndarray, "frame lane point 3"]
    track: Int64[np.ndarray, "frame lane"]
    phrase: tuple[str, ...]

    @property
    def there(self) -> Bool[np.ndarray, "frame lane"]:
        return np.asarray(self.track != UNTRACKED)


def track_objects(detections: Detections, interval_s: float) -> Detections:
    """Track detections: what overlaps most from one picture to the next, under one phrase, is one object.

    `interval_s` lies between two pictures. An object that is missed in a picture or two keeps its track. Raises
    ValueError where rows are not sorted by time.
    """
    # Here, for it takes half a second, and most runs have no detector.
    from scipy.optimize import linear_sum_assignment

    table = detections.table
    times_s, boxes = table["time_s"].to_numpy(), table[BOX].to_numpy()
    if (np.diff(times_s) < 0).any():
        raise ValueError("expected detections sorted by time")
    phrases = np.unique(table["phrase"].to_numpy(), return_inverse=True)[1]
    track = np.full(len(table), UNTRACKED, dtype=np.int64)
    newest = np.empty(0, dtype=np.int64)  # the latest row of each track
    # Who is whom depends on who was whom before; pictures are few.
    for rows in np.split(np.arange(len(table)), np.flatnonzero(np.diff(times_s)) + 1):
        fits = compute_iou(boxes[newest][:, None], boxes[rows][None])  # (track, row)
        fits[phrases[newest][:, None] != phrases[rows]] = 0.0
        fits[times_s[rows[:1]].max(initial=0.0) - times_s[newest] > BRIDGED_PICTURES * interval_s] = 0.0
        old, new = linear_sum_assignment(fits, maximize=True)
        same = fits[old, new] >= LEAST_OVERLAP
        track[rows[new[same]]] = old[same]
        fresh = rows[track[rows] == UNTRACKED]
        track[fresh] = len(newest) + np.arange(len(fresh))
        newest[old[same]] = rows[new[same]]
        newest = np.concatenate([newest, fresh])
    return Detections(table.assign(track=track), detections.keypoints)


def compute_iou(one: Boxes, other: Boxes) -> Float[np.ndarray, "..."]:
    """Compute what two boxes share, as a share of what they cover together; NaN boxes share nothing."""
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = sides.clip(min=0).prod(axis=-1)
    whole = _area(one) + _area(other) - shared
    return np.asarray(np.nan_to_num(shared / np.where(whole > 0, whole, 1.0)))


def _area(box: Boxes) -> Float[np.ndarray, "..."]:
    return np.asarray((box[..., 2:] - box[..., :2]).prod(axis=-1))


def interpolate_tracks(tracked: Detections, frame_s: Float[np.ndarray, "frame"], interval_s: float) -> TrackedObjects:
    """Interpolate where tracked objects are at other times, in seconds.

    Between two pictures of an object its box and points go straight from one to the other. After the last they stay
    until the next picture would come, before the first for half as long.
    """
    lane_of_track, phrase = _lanes(tracked)
    lanes = len(phrase)
    table = tracked.table
    lane = lane_of_track[table["track"].to_numpy()]
    order = np.lexsort((table["time_s"].to_numpy(), lane))
    time_s, lane, track = (values[order] for values in (table["time_s"].to_numpy(), lane, table["track"].to_numpy()))
    values = np.concatenate([table[BOX].to_numpy(), tracked.keypoints.reshape(len(table), 3 * len(KEYPOINTS))], axis=1)[
        order
    ]

    # Rows in one line, lane after lane: the neighbours of a time are found by one search.
    span_s = 1.0 + max(time_s.max(initial=0.0), frame_s.max(initial=0.0))
    place = np.searchsorted(lane * span_s + time_s, frame_s[:, None] + 1e-6 + np.arange(lanes) * span_s)
    before, before_s = _neighbour(place - 1, lane, time_s, frame_s)
    after, after_s = _neighbour(place, lane, time_s, frame_s)
    apart_s = before_s + after_s
    inside = (apart_s <= BRIDGED_PICTURES * interval_s + 1e-6) & (_select_at(track, before) == _select_at(track, after))
    last = ~inside & (before_s < interval_s)
    first = ~inside & ~last & (after_s <= interval_s / 2)
    share = np.where(inside, before_s, first) / np.where(inside & (apart_s > 0), apart_s, 1.0)
    share = share[..., None]
    old, new = _select_at(values, before), _select_at(values, after)
    # Of a point that was looked for in one of two pictures only, that one tells.
    old, new = np.where(np.isnan(old), new, old), np.where(np.isnan(new), old, new)
    there = inside | first | last
    mixed = np.where(share == 0, old, np.where(share == 1, new, (1 - share) * old + share * new))
    mixed = np.where(there[..., None], mixed, np.nan)
    tracks = np.where(there, np.where(first, _select_at(track, after), _select_at(track, before)), UNTRACKED)
    return TrackedObjects(
        mixed[..., :4], mixed[..., 4:].reshape(len(frame_s), lanes, len(KEYPOINTS), 3), tracks, phrase
    )


def _select_at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Select rows, some of which may be none at all."""
    return values[rows] if len(values) else np.full((*rows.shape, *values.shape[1:]), UNTRACKED, dtype=values.dtype)


def _neighbour(
    row: Int64[np.ndarray, "frame lane"],
    lane: Int64[np.ndarray, "row"],
    time_s: Float[np.ndarray, "row"],
    frame_s: Float[np.ndarray, "frame"],
) -> tuple[Int64[np.ndarray, "frame lane"], Float[np.ndarray, "frame lane"]]:
    """Find a row for each frame and lane, and how far its time is; infinitely far where it is of another lane."""
    if not len(lane):
        return row, np.full(row.shape, np.inf)
    known = row.clip(0, len(lane) - 1)
    own = (row == known) & (lane[known] == np.arange(row.shape[1]))
    return known, np.where(own, np.abs(time_s[known] - frame_s[:, None]), np.inf)


def _lanes(tracked: Detections) -> tuple[Int64[np.ndarray, "track"], tuple[str, ...]]:
    """Assign each track a lane, the first of its phrase that is free; with the phrase of each lane."""
    track, time_s = (tracked.table[name].to_numpy() for name in ("track", "time_s"))
    # Rows are sorted by time, and tracks numbered as they begin.
    first = np.unique(track, return_index=True)[1]
    last = len(track) - 1 - np.unique(track[::-1], return_index=True)[1]
    ends: list[float] = []
    phrases: list[str] = []
    lanes = np.zeros(len(first), dtype=np.int64)
    spans = zip(time_s[first].tolist(), time_s[last].tolist(), tracked.table["phrase"].to_numpy()[first], strict=True)
    for number, (begin_s, end_s, phrase) in enumerate(spans):
        free = (lane for lane, name in enumerate(phrases) if name == phrase and ends[lane] + REST_S < begin_s)
        lane = next(free, len(ends))
        if lane == len(ends):
            ends.append(0.0)
            phrases.append(phrase)
        ends[lane], lanes[number] = end_s, lane
    return lanes, tuple(phrases)
