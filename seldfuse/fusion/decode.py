"""A posterior becomes events: what sounds is decided here and nowhere else."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seldfuse.core.class_values import ClassValues, Number, to_class_tensor
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.events import Events
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.tracks import take_along_track
from seldfuse.fusion.unify import merge_active_tracks


@dataclass(frozen=True)
class DecodeSettings:
    """What counts as a sound; by default what exceeds 0.5.

    A track sounds where its activity exceeds `offset_threshold`, in a stretch that somewhere exceeds `threshold`
    (hysteresis; `offset_threshold` is the threshold where it is not given). Pauses of up to `max_gap_frames` inside a
    track are closed, then what lasts less than `min_frames` is dropped. Sources of one class nearer than
    `unify_angle_deg` are one. All but the angle may differ from class to class.
    """

    threshold: ClassValues = 0.5
    offset_threshold: ClassValues | None = None
    max_gap_frames: ClassValues = 0
    min_frames: ClassValues = 1
    unify_angle_deg: Number = 15.0

    def resolve_thresholds(self, labels: LabelSet) -> tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]:
        """`threshold` and `offset_threshold` of each class. Raises UsageError for unknown classes and where low is the
        higher."""
        high = to_class_tensor(self.threshold, labels, 0.5)
        low = high if self.offset_threshold is None else to_class_tensor(self.offset_threshold, labels, high)
        if (low > high).any():
            name = labels.names[int((low > high).int().argmax())]
            raise UsageError(f"decode.offset_threshold must not exceed decode.threshold, but does for {name}")
        return high, low

    def resolve_limits(self, labels: LabelSet) -> list[Float[Tensor, "cls"]]:
        """High and low threshold, longest pause and shortest duration of each class, as `find_active_by` takes them."""
        gap, shortest = to_class_tensor(self.max_gap_frames, labels, 0), to_class_tensor(self.min_frames, labels, 1)
        return [*self.resolve_thresholds(labels), gap, shortest]


DEFAULT = DecodeSettings()


def decode_events(posterior: Posterior, settings: DecodeSettings = DEFAULT) -> list[Events]:
    """Events of every clip of the batch; `source` is the track, `score` the activity.

    Azimuth, distance, on-screen (probability > 0.5) and the doubts are NaN where the posterior does not know them. A
    closed pause keeps what was last heard. Raises UsageError where the settings name an unknown class.
    """
    return Events.from_batch(*to_columns(posterior, settings), posterior.labels, posterior.hop_s)


def to_columns(posterior: Posterior, settings: DecodeSettings = DEFAULT) -> tuple[dict[str, np.ndarray], list[int]]:
    """The events of `decode_events` as columns, one clip's rows after the other's, and how many rows each clip has.

    Who only counts events saves the making of thousands of tables. Raises as `decode_events` does.
    """
    posterior = posterior.map(Tensor.float)
    heard, active = find_active(posterior.activity, settings, posterior.labels)
    paused = (active & ~heard).any()
    return _columns(
        *merge_active_tracks(_held(posterior, heard) if paused else posterior, active, settings.unify_angle_deg)
    )


def find_active(
    activity: Float[Tensor, "batch frame cls track"], settings: DecodeSettings, labels: LabelSet
) -> tuple[Bool[Tensor, "batch frame cls track"], Bool[Tensor, "batch frame cls track"]]:
    """Where a track is heard (thresholds), and where it sounds (pauses closed, short stretches dropped)."""
    return find_active_by(activity, *(limit.to(activity).unsqueeze(-1) for limit in settings.resolve_limits(labels)))


def find_active_by(
    activity: Float[Tensor, "batch frame cls track"],
    high: Float[Tensor, "cls 1"],
    low: Float[Tensor, "cls 1"],
    gap: Float[Tensor, "cls 1"],
    shortest: Float[Tensor, "cls 1"],
) -> tuple[Bool[Tensor, "batch frame cls track"], Bool[Tensor, "batch frame cls track"]]:
    """As `find_active`, by the numbers of `DecodeSettings` themselves."""
    heard = activity > high
    # Whole steps are left out where no class asks for them, as by default none does.
    if (low < high).any():
        loud = activity > low
        heard = loud & (sum_stretches(loud, heard) > 0)
    active = heard
    if (gap > 0).any():
        begun = heard.cumsum(1, dtype=torch.int32)
        pause = ~heard & (begun > 0) & (begun < begun[:, -1:])
        active = heard | (pause & (sum_stretches(pause, pause) <= gap))
    if (shortest > 1).any():
        active = active & (sum_stretches(active, active) >= shortest)
    return heard, active


def sum_stretches(
    mask: Bool[Tensor, "batch frame cls track"], what: Bool[Tensor, "batch frame cls track"]
) -> Int[Tensor, "batch frame cls track"]:
    """For each frame of an uninterrupted stretch of `mask`, how many frames of the stretch are in `what`; else 0."""
    # Frame by frame, once ahead to add up and once back to spread the sum, all lanes at once in small numbers: to
    # number the stretches and to scatter into them would take ten times as long.
    sums = (mask & what).to(torch.int32)
    frames, inside = sums.unbind(1), mask.to(torch.int32).unbind(1)
    for before, now, within in zip(frames, frames[1:], inside[1:], strict=False):
        now.add_(before).mul_(within)
    for now, after, within in zip(frames[-2::-1], frames[:0:-1], inside[-2::-1], strict=True):
        torch.maximum(now, after * within, out=now)
    return sums


def _held(posterior: Posterior, heard: Bool[Tensor, "batch frame cls track"]) -> Posterior:
    """All but the activity as it was in the last frame in which the track was heard."""
    frame = torch.arange(posterior.frames, device=heard.device)[:, None, None]
    last = torch.where(heard, frame, 0).cummax(1).values
    return replace(posterior.map(lambda value: take_along_track(value, last, 1)), activity=posterior.activity)


def _columns(
    posterior: Posterior, active: Bool[Tensor, "batch frame cls track"]
) -> tuple[dict[str, np.ndarray], list[int]]:
    clip, frame, cls, track = active.nonzero(as_tuple=True)
    found = {name: value[active] for name, value in posterior.tensors().items()}
    told = {"frame": frame, "cls": cls, "source": track, "score": found["activity"]}
    if "direction" in found:
        told["azimuth_deg"] = azimuth_from_direction(found["direction"])
    if "distance" in found:
        told["distance_m"] = found["distance"]
    if "onscreen" in found:
        seen = found["onscreen"]
        told["onscreen"] = torch.where(seen.isnan(), seen, (seen > 0.5).to(seen))
    if "azimuth_std_deg" in found:
        told["azimuth_std_deg"] = found["azimuth_std_deg"]
    if "distance" in found and "distance_log_std" in found:
        told["distance_std_m"] = found["distance_log_std"] * found["distance"]
    rows = clip.bincount(minlength=len(active)).tolist()
    return {name: column.cpu().numpy() for name, column in told.items()}, rows
