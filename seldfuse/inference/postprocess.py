"""Post-processors of plugins: what they change is checked before the run goes on with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.requests import PostProcessorRequest
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.errors import PluginError
from seldfuse.inference.check_posterior import check_form, find_impossible

Value = TypeVar("Value", Posterior, Events)

FRONT_DEG = 90.0


@dataclass(frozen=True)
class LoadedPostProcessor:
    """The function of one post-processor, and whether it takes the fused posterior or the events."""

    name: str
    takes: Literal["events", "posterior"]
    function: Callable[[Any, Clip], Any]


def load_postprocessors(requests: Sequence[PostProcessorRequest]) -> tuple[LoadedPostProcessor, ...]:
    """Load post-processors. Raises PluginError."""
    return tuple(LoadedPostProcessor(one.instance, one.value.takes, one.load()) for one in requests)


def postprocess(value: Value, processors: Sequence[LoadedPostProcessor], clip: Clip | None) -> Value:
    """Let those that take such a value change it, one after the other; without a clip it stays.

    Raises PluginError where one fails or gives what does not fit, and any SeldfuseError that it raises.
    """
    kind = "posterior" if isinstance(value, Posterior) else "events"
    for one in processors:
        if one.takes == kind and clip is not None:
            value = _fold(_change(value, one, clip))
    return value


def _fold(value: Any) -> Any:
    """Fold the azimuths of events to the front, for files and tables tell those of the rear in different ways."""
    if not isinstance(value, Events) or not (np.abs(value.columns["azimuth_deg"]) > FRONT_DEG).any():
        return value
    return replace(value, table=value.table.assign(azimuth_deg=fold_azimuth(value.columns["azimuth_deg"])))


def _change(value: Any, one: LoadedPostProcessor, clip: Clip) -> Any:
    with guard_plugin(f"the post-processor {one.name} failed", "leave it out of --post"):
        changed = one.function(value, clip)
    if not isinstance(changed, type(value)):
        raise PluginError(
            f"the post-processor {one.name} must give {type(value).__name__}, gave {type(changed).__name__}"
        )
    if changed.labels != value.labels or changed.hop_s != value.hop_s:
        raise PluginError(f"the post-processor {one.name} must keep the labels and the hop of what it changes")
    if isinstance(value, Posterior):
        shape, found = (value.activity.shape[0], value.frames), tuple(changed.activity.shape[:2])
        if found != shape:
            raise PluginError(f"the post-processor {one.name} must keep (clips, frames) = {shape}, gave {found}")
        changed = check_form(f"the post-processor {one.name}", changed, shape, value.activity.device)
        if wrong := find_impossible(changed, value.tensors()):
            raise PluginError(f"the post-processor {one.name} gave {next(iter(wrong.values()))}")
    return changed
