"""A posterior smoothed along time, so that a lone frame neither makes nor breaks an event.

A file may say::

    [smooth.activity]            # fields of HmmSettings; a number, or a table by class
    start = 0.005
    stop = { knock = 0.2, default = 0.05 }
    trust = 0.3

    [smooth.direction]           # fields of WalkSettings
    step = 0.02
    error = 0.3
    silent_step = 0.5

What has no table is left as it is.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from seldfuse.core.class_values import check_keys, check_numbers
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.smooth_activity import HmmSettings, smooth_activity
from seldfuse.fusion.smooth_tracks import RandomWalkSettings, smooth_track

WALKED = ("direction", "distance")


@dataclass(frozen=True)
class SmoothSettings:
    """How each field is smoothed; None leaves it alone."""

    activity: HmmSettings | None = None
    direction: RandomWalkSettings | None = None
    distance: RandomWalkSettings | None = None

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "SmoothSettings":
        """Settings from what the table `[smooth]` of a TOML file holds.

        Raises UsageError for unknown keys and for numbers that are none or out of range.
        """
        kinds: dict[str, type[HmmSettings] | type[RandomWalkSettings]] = {"activity": HmmSettings}
        kinds |= dict.fromkeys(WALKED, RandomWalkSettings)
        check_keys(data, kinds, "field to smooth")
        return cls(**{name: _settings(kinds[name], table, f"smooth.{name}") for name, table in data.items()})

    def to_json(self) -> dict[str, Any]:
        """What `from_table` reads; only what is set, for TOML and its kin know no null."""
        tables = {name: asdict(value) for name, value in vars(self).items() if value is not None}
        return {name: {key: it for key, it in table.items() if it is not None} for name, table in tables.items()}

    def check(self, labels: LabelSet) -> None:
        """Raises UsageError for unknown classes."""
        if self.activity is not None:
            self.activity.resolve_rates(labels)
        for walk in (self.direction, self.distance):
            if walk is not None:
                walk.resolve_growth(labels)


def smooth_posterior(posterior: Posterior, settings: SmoothSettings) -> Posterior:
    """The posterior with activity, direction and distance smoothed, each on its own track of its own class and clip.

    Tracks are taken to stay with their source, as far as the members keep them so. On-screen stays as it is, for a
    source may be hidden or leave the picture from one frame to the next; so do the doubts, which then tell that of a
    single frame. Raises UsageError for unknown classes.
    """
    posterior = posterior.map(Tensor.float)
    activity = posterior.activity
    if settings.activity is not None:
        activity = smooth_activity(activity, settings.activity, posterior.labels)
    changed = {"activity": activity}
    for name in WALKED:
        walk: RandomWalkSettings | None = getattr(settings, name)
        if walk is not None and name in posterior.provides:
            changed[name] = smooth_track(name, posterior, activity, walk)
    return replace(posterior, **changed)  # type: ignore[arg-type]


def filter_median(posterior: Posterior, frames: int) -> Posterior:
    """The posterior with the running median of `frames` activities in place of each; the ends are repeated.

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


def _settings(kind: type[Any], table: Any, what: str) -> Any:
    if not isinstance(table, Mapping):
        raise UsageError(f"{what} must be a table, got {table!r}")
    check_keys(table, [entry.name for entry in fields(kind)], f"setting of {what}")
    for name, value in table.items():
        check_numbers(value, f"{what}.{name}")
    try:
        return kind(**table)
    except UsageError as error:
        raise UsageError(f"{what}.{error}") from error
