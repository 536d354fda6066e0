"""A posterior smoothed along time, so that a lone frame neither makes nor breaks an event.

A file may say::

    [smooth.activity]            # fields of HmmSettings; a number, or a table by class
    start = 0.005
    stop = { knock = 0.2, default = 0.05 }
    trust = 0.3

    [smooth.direction]           # fields of RandomWalkSettings
    step = 0.02
    error = 0.3
    silent_step = 0.5

What has no table is left as it is.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion.smooth_activity import HmmSettings, Rates, smooth_activity
from seldfuse.fusion.smooth_tracks import RandomWalkSettings, StepGrowth, smooth_track
from seldfuse.settings.bounds import STRICT

WALKED = ("direction", "distance")


@dataclass(frozen=True)
class SmoothSettings:
    """How each field is smoothed; None leaves it alone."""

    __pydantic_config__ = STRICT

    activity: HmmSettings | None = None
    direction: RandomWalkSettings | None = None
    distance: RandomWalkSettings | None = None

    def to_json(self) -> dict[str, Any]:
        """Write what a table `[smooth]` holds; only what is set, for TOML and its kin know no null."""
        tables = {name: table for name, table in asdict(self).items() if table is not None}
        return {name: {key: it for key, it in table.items() if it is not None} for name, table in tables.items()}

    def resolve_for(self, labels: LabelSet, device: torch.device) -> "ClassSmoothing":
        """Resolve to numbers of each class. Raises UsageError for unknown classes."""
        return ClassSmoothing(
            None if self.activity is None else self.activity.resolve_rates(labels).to(device),
            None if self.direction is None else self.direction.resolve_growth(labels).to(device),
            None if self.distance is None else self.distance.resolve_growth(labels).to(device),
        )


@dataclass(frozen=True)
class ClassSmoothing:
    """`SmoothSettings` as numbers of each class."""

    activity: Rates | None = None
    direction: StepGrowth | None = None
    distance: StepGrowth | None = None

    def apply(self, posterior: Posterior) -> Posterior:
        """Smooth a posterior in single precision as `smooth_posterior` does."""
        activity = posterior.activity
        if self.activity is not None:
            activity = smooth_activity(activity, self.activity)
        changed = {"activity": activity}
        for name, growth in (("direction", self.direction), ("distance", self.distance)):
            if growth is not None and name in posterior.provides:
                changed[name] = smooth_track(name, posterior, activity, growth)
        return replace(posterior, **changed)  # type: ignore[arg-type]


def smooth_posterior(posterior: Posterior, settings: SmoothSettings) -> Posterior:
    """Smooth activity, direction and distance of a posterior, each on its own track of its own class and clip.

    Tracks are taken to stay with their source, as far as the members keep them so. On-screen stays as it is, for a
    source may be hidden or leave the picture from one frame to the next; so do the uncertainties, which then are those
    of a single frame. Raises UsageError for unknown classes.
    """
    posterior = posterior.map(Tensor.float)
    return settings.resolve_for(posterior.labels, posterior.activity.device).apply(posterior)


def filter_median(posterior: Posterior, frames: int) -> Posterior:
    """Filter the activities of a posterior with a running median of `frames` of them; the ends are repeated.

    It is what the field smooths with, and what `smooth_posterior` is to be held against. Raises ValueError where
    `frames` is not odd and positive.
    """
    if frames < 1 or frames % 2 == 0:
        raise ValueError(f"a median needs an odd number of frames, got {frames}")
    reach = frames // 2
    activity = posterior.activity.float()
    first, last = activity[:, :1], activity[:, -1:]
    padded = torch.cat([first.repeat(1, reach, 1, 1), activity, last.repeat(1, reach, 1, 1)], 1)
    return replace(posterior, activity=padded.unfold(1, frames, 1).median(-1).values)
