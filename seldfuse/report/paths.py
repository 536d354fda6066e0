"""Where each event was, frame by frame: files of events state its mean, files of frames state where something was.

An event takes from each of its frames the row of its class that is nearest to its azimuth, and each row goes to one
event. Where there is none the event stays where it is in the mean.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int64

from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.event_matches import pair_within_cells
from seldfuse.report.clip_report import Paths

STATED = ("azimuth_deg", "distance_m", "azimuth_std_deg", "distance_std_m")


def trace_paths(events: Mapping[str, np.ndarray], frames: Mapping[str, np.ndarray], hop_s: float) -> Paths:
    """Trace the events (columns of `Events.list_segments`) through active frames (columns of `Events`)."""
    first = np.rint(events["start_s"] / hop_s).astype(np.int64)
    lengths = np.rint(events["end_s"] / hop_s).astype(np.int64) - first
    event = np.repeat(np.arange(len(first)), lengths)
    frame = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[event]
    classes = 1 + int(max(events["cls"].max(initial=0), frames["cls"].max(initial=0)))
    at, row = pair_within_cells(frame * classes + events["cls"][event], frames["frame"] * classes + frames["cls"])
    apart = np.abs(fold_azimuth(events["azimuth_deg"][event[at]]) - fold_azimuth(frames["azimuth_deg"][row]))
    order = np.argsort(np.nan_to_num(apart), kind="stable")
    at, row = at[order], row[order]
    nearest = _is_first(row) & _is_first(at)
    at, row = at[nearest], row[nearest]
    values = {}
    for name in STATED:
        values[name] = events[name][event].astype(np.float64)
        values[name][at] = frames[name][row]
    return Paths(event, **values)


def _is_first(values: Int64[np.ndarray, "pair"]) -> Bool[np.ndarray, "pair"]:
    """Which of the values stand for the first time."""
    found = np.zeros(len(values), dtype=bool)
    found[np.unique(values, return_index=True)[1]] = True
    return found
