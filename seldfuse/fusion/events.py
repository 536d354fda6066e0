"""A posterior becomes the events that people read: few, whole, each of one source.

Frames (`seldfuse.fusion.decode`) are thresholded one by one, for scoring. Events are made of the same posterior in
another way, step after step:

1. What exceeds the lower threshold is assigned to sources (`seldfuse.fusion.track_sources`); nothing is dropped before.
2. Pauses of a source up to `max_gap_s` are closed.
3. Where the activity dips deeply between two peaks, one event ends and another begins.
4. Only what exceeds the upper threshold somewhere and lasts `min_duration_s` is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.events import Events
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.decode import DecodeSettings, list_columns
from seldfuse.fusion.track_sources import differs, track_sources
from seldfuse.fusion.unify import merge_active_tracks
from seldfuse.settings.bounds import NOT_NEGATIVE, SHARE, STRICT

SMOOTHED_FRAMES = 5
"""The azimuth of an event is the mean direction over so many frames before and after."""
LEAST_SHARE = 1e-4
"""Activities are kept so far from 0 and 1, where log-odds are infinite."""


@dataclass(frozen=True)
class EventSettings:
    """What people are shown as an event. The defaults were fitted, to the mean of the bundled doa, sde and sce.

    An event exceeds `threshold` somewhere (that of frames where it is not given) and `offset_share` of it throughout,
    but for pauses of up to `max_gap_s`. Where its log-odds are more than `split_log_odds` below those of a peak before
    and a peak after, it ends, and another one begins. What is shorter than `min_duration_s` is dropped. Where the
    azimuth jumps by more than `jump_deg` another source goes on, and tracks of one class that are nearer are one. All
    but the last two may differ from class to class.
    """

    __pydantic_config__ = STRICT

    threshold: Annotated[ClassValues, NOT_NEGATIVE] | None = None
    offset_share: Annotated[ClassValues, SHARE] = 0.75
    max_gap_s: Annotated[ClassValues, NOT_NEGATIVE] = 0.2
    min_duration_s: Annotated[ClassValues, NOT_NEGATIVE] = 0.2
    split_log_odds: Annotated[Number, NOT_NEGATIVE] = 2.0
    jump_deg: Annotated[Number, NOT_NEGATIVE] = 45.0

    def resolve_for(self, labels: LabelSet, frames: DecodeSettings, hop_s: float) -> "EventLimits":
        """Resolve to numbers of each class, once for all clips that have the same classes.

        Raises UsageError for unknown classes.
        """
        high = frames.resolve_for(labels, torch.device("cpu")).high
        key = (labels, tuple(high.tolist()), hop_s)
        if key not in self._resolved:
            threshold = high if self.threshold is None else to_class_tensor(self.threshold, labels, high)
            frames_of = [to_class_tensor(value, labels, 0) / hop_s for value in (self.max_gap_s, self.min_duration_s)]
            self._resolved[key] = EventLimits(
                threshold.numpy(),
                (threshold * to_class_tensor(self.offset_share, labels, 1.0)).numpy(),
                *(number.round().numpy() for number in frames_of),
            )
        return self._resolved[key]

    @cached_property
    def _resolved(self) -> dict[tuple[LabelSet, tuple[float, ...], float], "EventLimits"]:
        return {}


@dataclass(frozen=True)
class EventLimits:
    """`EventSettings` as numbers of each class."""

    high: Float[np.ndarray, "cls"]
    low: Float[np.ndarray, "cls"]
    max_gap_frames: Float[np.ndarray, "cls"]
    min_frames: Float[np.ndarray, "cls"]


DEFAULT = EventSettings()


def find_events(
    posterior: Posterior,
    settings: EventSettings = DEFAULT,
    frames: DecodeSettings = DecodeSettings(),  # noqa: B008
) -> list[Events]:
    """Find the events of every clip of the batch; each is an uninterrupted stretch of a `source` (`Events.segments`).

    `frames` gives the threshold where settings have none. `source`
    numbers what was heard of a class from 0 on; after a pause a source at the same place has its number again. Azimuths
    are smoothed along each event; a closed pause has the values of the last frame before it. Raises UsageError where
    the settings name an unknown class.
    """
    columns, clip = to_event_columns(posterior, settings, frames)
    rows = np.bincount(clip, minlength=len(posterior.activity)).tolist()
    return Events.from_batch(columns, rows, posterior.labels, posterior.hop_s)


def to_event_columns(
    posterior: Posterior, settings: EventSettings, frames: DecodeSettings
) -> tuple[dict[str, np.ndarray], Int64[np.ndarray, "row"]]:
    """Write the events of `find_events` as columns, clip after clip, with the number of each row's clip.

    Who only counts events saves the making of thousands of tables. Raises as `find_events` does.
    """
    posterior = posterior.map(Tensor.float)
    limits = settings.resolve_for(posterior.labels, frames, posterior.hop_s)
    # What a source may jump by it may differ by between tracks, too.
    angle_deg = max(frames.unify_angle_deg, settings.jump_deg)
    loud = posterior.activity > torch.from_numpy(limits.low).to(posterior.activity).unsqueeze(-1)
    columns, rows = list_columns(*merge_active_tracks(posterior, loud, angle_deg))
    table = _SourceRows.from_columns(columns, np.repeat(np.arange(len(rows)), rows), settings.jump_deg)
    table = table.cut_at_pauses(limits.max_gap_frames).cut_at_dips(settings.split_log_odds)
    return table.keep_events(limits.high, limits.min_frames).fill_pauses().to_columns()


@dataclass(frozen=True)
class _SourceRows:
    """Active frames of many clips, sorted by clip, class, source and frame; `event` marks where an event begins."""

    columns: Mapping[str, np.ndarray]
    clip: Int64[np.ndarray, "row"]
    begins: Bool[np.ndarray, "row"]

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, np.ndarray], clip: Int64[np.ndarray, "row"], jump_deg: float
    ) -> "_SourceRows":
        source = track_sources(columns, clip, jump_deg)
        order = np.lexsort((columns["frame"], source, columns["cls"], clip))
        columns = {name: _widen(values[order]) for name, values in {**columns, "source": source}.items()}
        return cls(columns, clip[order], differs(clip[order], columns["cls"], columns["source"]))

    @property
    def first(self) -> Int64[np.ndarray, "event"]:
        return np.flatnonzero(self.begins)

    @property
    def event(self) -> Int64[np.ndarray, "row"]:
        """The number of each row's event."""
        return np.cumsum(self.begins) - 1

    def cut_at_pauses(self, gap: Float[np.ndarray, "cls"]) -> "_SourceRows":
        """Cut where a source is silent for more frames than `gap` of its class."""
        begins = self.begins.copy()
        begins[1:] |= np.diff(self.columns["frame"]) - 1 > gap[self.columns["cls"][1:]]
        return replace(self, begins=begins)

    def cut_at_dips(self, depth: float) -> "_SourceRows":
        """Drop the frames of which the log-odds are more than `depth` below peaks before and after, and cut there."""
        log_odds = torch.from_numpy(self.columns["score"]).double().logit(LEAST_SHARE).numpy()
        before = _accumulate_maximum(log_odds, self.event)
        after = _accumulate_maximum(log_odds[::-1], self.event[::-1].max(initial=0) - self.event[::-1])[::-1]
        dip = log_odds < np.minimum(before, after) - depth
        begins = self.begins | np.r_[False, dip[:-1]][: len(dip)]
        return replace(self, begins=begins).take(~dip)

    def keep_events(self, threshold: Float[np.ndarray, "cls"], shortest: Float[np.ndarray, "cls"]) -> "_SourceRows":
        """Keep the events that exceed `threshold` somewhere and last `shortest` frames, of their class."""
        if not len(self.clip):
            return self
        first, cls = self.first, self.columns["cls"][self.first]
        last = np.r_[first[1:], len(self.clip)] - 1
        frames = self.columns["frame"][last] - self.columns["frame"][first] + 1
        peak = np.maximum.reduceat(self.columns["score"], first)
        return self.take(((peak > threshold[cls]) & (frames >= shortest[cls]))[self.event])

    def fill_pauses(self) -> "_SourceRows":
        """Repeat the frame before each pause within an event until the pause ends."""
        frame = self.columns["frame"]
        repeats = np.ones(len(frame), dtype=np.int64)
        repeats[:-1] = np.where(self.begins[1:], 1, np.diff(frame))
        row = np.repeat(np.arange(len(frame)), repeats)
        ahead = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        columns = {name: values[row] for name, values in self.columns.items()}
        return _SourceRows({**columns, "frame": frame[row] + ahead}, self.clip[row], self.begins[row] & (ahead == 0))

    def to_columns(self) -> tuple[dict[str, np.ndarray], Int64[np.ndarray, "row"]]:
        """Number the sources anew, without those that were dropped, and smooth their azimuths."""
        columns = {**self.columns, "source": self._number_sources()}
        if "azimuth_deg" in columns:
            columns["azimuth_deg"] = self._smooth_azimuths()
        return columns, self.clip

    def take(self, chosen: Bool[np.ndarray, "row"]) -> "_SourceRows":
        """Select rows; an event begins with the first one of it that is left."""
        event = self.event[chosen]
        begins = np.r_[True, np.diff(event) != 0][: len(event)]
        return _SourceRows({name: values[chosen] for name, values in self.columns.items()}, self.clip[chosen], begins)

    def _number_sources(self) -> Int64[np.ndarray, "row"]:
        new_class = differs(self.clip, self.columns["cls"])
        new_source = np.cumsum(new_class | differs(self.columns["source"]))
        return new_source - np.maximum.accumulate(np.where(new_class, new_source, 0))

    def _smooth_azimuths(self) -> Float64[np.ndarray, "row"]:
        azimuth, row = np.radians(self.columns["azimuth_deg"]), np.arange(len(self.clip))
        first = self.first
        last = np.r_[first[1:], len(row)] - 1
        begin = np.maximum(row - SMOOTHED_FRAMES, first[self.event])
        end = np.minimum(row + SMOOTHED_FRAMES, last[self.event]) + 1
        sums = [np.r_[0.0, np.cumsum(self.columns["score"] * axis(azimuth))] for axis in (np.sin, np.cos)]
        sine, cosine = (total[end] - total[begin] for total in sums)
        return np.asarray(np.degrees(np.arctan2(sine, cosine)))


def _widen(values: np.ndarray) -> np.ndarray:
    """In double precision, for running sums over hours."""
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def _accumulate_maximum(
    values: Float64[np.ndarray, "row"], group: Int64[np.ndarray, "row"]
) -> Float64[np.ndarray, "row"]:
    """The greatest value up to each row within its group; groups are numbered upwards."""
    # Each group is lifted above all before it, so that one pass serves all.
    lift = (np.ptp(values) + 1.0 if len(values) else 0.0) * group
    return np.asarray(np.maximum.accumulate(values + lift) - lift)
