"""A posterior becomes active frames: what is scored and written frame by frame is decided here and nowhere else.

What people read is made of the same posterior by `seldfuse.fusion.events`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.events import Events
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.tracks import take_along_track
from seldfuse.fusion.unify import merge_active_tracks
from seldfuse.settings.bounds import NOT_NEGATIVE, STRICT


@dataclass(frozen=True)
class DecodeSettings:
    """Which frames are active; by default those that exceed 0.5.

    A track is active where its activity exceeds `offset_threshold`, in a stretch that somewhere exceeds `threshold`
    (hysteresis; `offset_threshold` is the threshold where it is not given). Pauses of up to `max_gap_frames` inside a
    track are closed, then what lasts less than `min_frames` is dropped. Sources of one class nearer than
    `unify_angle_deg` are one. All but the angle may differ from class to class.
    """

    __pydantic_config__ = STRICT

    threshold: Annotated[ClassValues, NOT_NEGATIVE] = 0.5
    offset_threshold: Annotated[ClassValues, NOT_NEGATIVE] | None = None
    max_gap_frames: Annotated[ClassValues, NOT_NEGATIVE] = 0
    min_frames: Annotated[ClassValues, NOT_NEGATIVE] = 1
    unify_angle_deg: Annotated[Number, NOT_NEGATIVE] = 15.0

    def resolve_thresholds(self, labels: LabelSet) -> tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]:
        """Resolve `threshold` and `offset_threshold` to numbers of each class.

        Raises UsageError for unknown classes and where `offset_threshold` is the higher.
        """
        high = to_class_tensor(self.threshold, labels, 0.5)
        low = high if self.offset_threshold is None else to_class_tensor(self.offset_threshold, labels, high)
        if (low > high).any():
            name = labels.names[int((low > high).int().argmax())]
            raise UsageError(f"decode.offset_threshold must not exceed decode.threshold, but does for {name}")
        return high, low

    def resolve_for(self, labels: LabelSet, device: torch.device) -> "DecodeLimits":
        """Resolve to numbers of each class, once for all clips that have the same classes.

        Raises UsageError as `resolve_thresholds` does.
        """
        if (labels, device) not in self._resolved:
            gap, shortest = to_class_tensor(self.max_gap_frames, labels, 0), to_class_tensor(self.min_frames, labels, 1)
            limits = (*self.resolve_thresholds(labels), gap, shortest)
            self._resolved[labels, device] = DecodeLimits(*(limit.to(device) for limit in limits))
        return self._resolved[labels, device]

    @cached_property
    def _resolved(self) -> dict[tuple[LabelSet, torch.device], "DecodeLimits"]:
        return {}


@dataclass(frozen=True)
class DecodeLimits:
    """`DecodeSettings` as numbers of each class."""

    high: Float[Tensor, "cls"]
    low: Float[Tensor, "cls"]
    max_gap_frames: Float[Tensor, "cls"]
    min_frames: Float[Tensor, "cls"]

    def per_class(self, like: Tensor) -> tuple[Float[Tensor, "cls"], ...]:
        """List the limits in the order of `find_active_by`, on the device and in the precision of `like`."""
        return tuple(limit.to(like) for limit in (self.high, self.low, self.max_gap_frames, self.min_frames))


DEFAULT = DecodeSettings()


def decode_frames(posterior: Posterior, settings: DecodeSettings = DEFAULT) -> list[Events]:
    """Decode the active frames of every clip of the batch; `source` is the track, `score` the activity.

    Azimuth, distance, on-screen (probability > 0.5) and uncertainties are NaN where the posterior does not know them. A
    closed pause has the values of the last frame before it. Raises UsageError where the settings name an unknown class.
    """
    return Events.from_batch(*to_columns(posterior, settings), posterior.labels, posterior.hop_s)


def to_columns(posterior: Posterior, settings: DecodeSettings = DEFAULT) -> tuple[dict[str, np.ndarray], list[int]]:
    """Write the rows of `decode_frames` as columns, clip after clip, and count the rows of each clip.

    Who only counts saves the making of thousands of tables. Raises as `decode_frames` does.
    """
    posterior = posterior.map(Tensor.float)
    detected, active = find_active(posterior.activity, settings, posterior.labels)
    if (active & ~detected).any():
        posterior = _hold_through_pauses(posterior, detected)
    return list_columns(*merge_active_tracks(posterior, active, settings.unify_angle_deg))


def find_active(
    activity: Float[Tensor, "batch frame cls track"], settings: DecodeSettings, labels: LabelSet
) -> tuple[Bool[Tensor, "batch frame cls track"], Bool[Tensor, "batch frame cls track"]]:
    """Find where a track is detected (thresholds), and where it is active (pauses closed, short stretches dropped).

    Raises UsageError where the settings name an unknown class.
    """
    limits = settings.resolve_for(labels, activity.device).per_class(activity)
    return find_active_by(activity, *(limit.unsqueeze(-1) for limit in limits))


def find_active_by(
    activity: Float[Tensor, "batch frame cls track"],
    high: Float[Tensor, "cls 1"],
    low: Float[Tensor, "cls 1"],
    gap: Float[Tensor, "cls 1"],
    shortest: Float[Tensor, "cls 1"],
) -> tuple[Bool[Tensor, "batch frame cls track"], Bool[Tensor, "batch frame cls track"]]:
    """Find the same as `find_active`, by the numbers of `DecodeSettings` themselves."""
    detected = activity > high
    # Whole steps are left out where no class asks for them, as by default none does.
    if (low < high).any():
        loud = activity > low
        detected = loud & (sum_stretches(loud, detected) > 0)
    active = detected
    if (gap > 0).any():
        begun = detected.cumsum(1, dtype=torch.int32)
        pause = ~detected & (begun > 0) & (begun < begun[:, -1:])
        active = detected | (pause & (sum_stretches(pause, pause) <= gap))
    if (shortest > 1).any():
        active = active & (sum_stretches(active, active) >= shortest)
    return detected, active


def sum_stretches(
    mask: Bool[Tensor, "batch frame cls track"], what: Bool[Tensor, "batch frame cls track"]
) -> Int[Tensor, "batch frame cls track"]:
    """Count the frames in `what` of each uninterrupted stretch of `mask`, for each of its frames; 0 elsewhere."""
    # Frame by frame, once ahead to add up and once back to spread the sum, all lanes at once in small numbers: to
    # number the stretches and to scatter into them would take ten times as long.
    sums = (mask & what).to(torch.int32)
    frames, inside = sums.unbind(1), mask.to(torch.int32).unbind(1)
    for before, now, within in zip(frames, frames[1:], inside[1:], strict=False):
        now.add_(before).mul_(within)
    for now, after, within in zip(frames[-2::-1], frames[:0:-1], inside[-2::-1], strict=True):
        torch.maximum(now, after * within, out=now)
    return sums


def _hold_through_pauses(posterior: Posterior, detected: Bool[Tensor, "batch frame cls track"]) -> Posterior:
    """Hold all but the activity as it was in the last frame in which the track was detected."""
    frame = torch.arange(posterior.frames, device=detected.device)[:, None, None]
    last = torch.where(detected, frame, 0).cummax(1).values
    return replace(posterior.map(lambda value: take_along_track(value, last, 1)), activity=posterior.activity)


def list_columns(
    posterior: Posterior, active: Bool[Tensor, "batch frame cls track"]
) -> tuple[dict[str, np.ndarray], list[int]]:
    """List what is active as columns of `Events`, clip after clip, and count the rows of each clip."""
    clip, frame, cls, track = active.nonzero(as_tuple=True)
    found = {name: value[active] for name, value in posterior.tensors().items()}
    columns = {"frame": frame, "cls": cls, "source": track, "score": found["activity"]}
    if "direction" in found:
        # A plugin may have turned it to the rear, which files and tables would tell in different ways.
        columns["azimuth_deg"] = fold_azimuth(azimuth_from_direction(found["direction"]))
    if "distance" in found:
        columns["distance_m"] = found["distance"]
    if "onscreen" in found:
        onscreen = found["onscreen"]
        columns["onscreen"] = torch.where(onscreen.isnan(), onscreen, (onscreen > 0.5).to(onscreen))
    if "azimuth_std_deg" in found:
        columns["azimuth_std_deg"] = found["azimuth_std_deg"]
    if "distance" in found and "distance_log_std" in found:
        columns["distance_std_m"] = found["distance_log_std"] * found["distance"]
    rows = clip.bincount(minlength=len(active)).tolist()
    return {name: column.cpu().numpy() for name, column in columns.items()}, rows
