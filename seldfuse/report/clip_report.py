"""What a page shows of one clip: all that crosses from reading to drawing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64

from seldfuse.core.clip import Clip
from seldfuse.core.geometry import Camera
from seldfuse.core.posterior import Posterior
from seldfuse.vision.detection_store import DetectionFile

Kind = Literal["result", "other", "truth"]

MATCH, MISS, FALSE_ALARM = "match", "miss", "false alarm"
"""What became of an event where there is a reference."""


@dataclass(frozen=True)
class Paths:
    """Where the source of each event was, frame by frame: the frames of all events, one event after the other.

    `event` is the row of the event; numbers are NaN where unknown.
    """

    event: Int64[np.ndarray, "frame"]
    azimuth_deg: Float64[np.ndarray, "frame"]
    distance_m: Float64[np.ndarray, "frame"]
    azimuth_std_deg: Float64[np.ndarray, "frame"]
    distance_std_m: Float64[np.ndarray, "frame"]


@dataclass(frozen=True)
class Layer:
    """The events of a clip as one side has them: the result that is shown, another one, or the truth.

    `events` are columns as `Events.list_segments` has them. `outcomes` holds MATCH, MISS or FALSE_ALARM for each event,
    or is empty where there is no reference.
    """

    kind: Kind
    name: str
    events: Mapping[str, np.ndarray]
    paths: Paths
    outcomes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many events there are."""
        return len(self.events["cls"])

    def count(self, outcome: str) -> int:
        """Count the events with an outcome."""
        return self.outcomes.count(outcome)


@dataclass(frozen=True)
class ClipReport:
    """One clip: its events by layer, the result first, what was kept beside them, and why the rest is not there.

    `clip` is the recording, whose sound and pictures are played. `intervals` are half-widths as in `Result`. `missing`
    gives the sentence that stands in the place of a part that is not there: `recording`, `posteriors`, `detections`.
    `facts` says how the result was made.
    """

    name: str
    duration_s: float
    hop_s: float
    labels: tuple[str, ...]
    layers: tuple[Layer, ...]
    clip: Clip | None = None
    camera: Camera = field(default_factory=Camera)
    posteriors: Mapping[str, Posterior] = field(default_factory=dict)
    detections: Mapping[str, DetectionFile] = field(default_factory=dict)
    intervals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def result(self) -> Layer:
        return self.layers[0]

    @property
    def truth(self) -> Layer | None:
        return next((layer for layer in self.layers if layer.kind == "truth"), None)

    @property
    def has_picture(self) -> bool:
        return self.clip is not None and self.clip.video_path is not None

    @property
    def doubt(self) -> float:
        """The mean of 1 − score over the events of the result; NaN where no score is known."""
        scores = self.result.events["score"]
        known = scores[~np.isnan(scores)]
        return float(1 - known.mean()) if len(known) else float("nan")
