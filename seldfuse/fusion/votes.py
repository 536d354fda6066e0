"""Events of any system as a posterior, so that its tables can be fused: every event is a vote."""

import numpy as np
import torch
from torch import Tensor

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.events import Events
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.tracks import MAX_TRACKS

NEAREST_M = 0.01
"""The finest that label files tell apart."""


def build_vote_posterior(events: Events, frames: int, tracks: int = 1) -> Posterior:
    """Build a batch of one, `[1, frames, cls, track]`, with activity 1 where an event stands and 0 elsewhere.

    It has as many tracks as a frame has events of one class, but at least `tracks`: give all systems the same number,
    since one with fewer abstains on the rest. The events of a frame fill them in the order of their sources. A field
    that no event has is left out; others are NaN where there is no event, or one without it. Raises UsageError for
    events beyond `frames` and for more than `MAX_TRACKS` events of one class in a frame. Azimuths are folded to the
    front, and no distance is below `NEAREST_M`, for distances are merged by their logarithms.
    """
    table = events.table
    if len(table) and table["frame"].max() >= frames:
        raise UsageError(f"an event stands in frame {table['frame'].max()} of a clip of {frames} frames")
    track = table.groupby(["frame", "cls"]).cumcount().to_numpy()
    tracks = max(tracks, int(track.max(initial=0)) + 1)
    if tracks > MAX_TRACKS:
        raise UsageError(f"at most {MAX_TRACKS} events of one class in a frame can be fused, got {tracks}")
    index = torch.from_numpy(np.stack([table["frame"], table["cls"], track])).unbind()
    silence = torch.zeros(frames, len(events.labels), tracks)

    def spread(column: str) -> Tensor | None:
        values = torch.from_numpy(table[column].to_numpy(np.float32, copy=True))
        if values.isnan().all():
            return None
        return torch.full_like(silence, torch.nan).index_put(index, values)[None]

    azimuth_deg, distance_m = spread("azimuth_deg"), spread("distance_m")
    return Posterior(
        activity=silence.index_put(index, torch.tensor(1.0))[None],
        direction=None if azimuth_deg is None else direction_from_azimuth(fold_azimuth(azimuth_deg)),
        distance=None if distance_m is None else distance_m.clamp_min(NEAREST_M),
        onscreen=spread("onscreen"),
        labels=events.labels,
        hop_s=events.hop_s,
        provenance={"votes": True},
    )
