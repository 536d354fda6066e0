"""Detectors, loaded, and how far they are believed: the visual correction."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import DetectorRequest
from seldfuse.core.device import resolve_device
from seldfuse.errors import PluginError, UsageError
from seldfuse.settings.toml import parse_table
from seldfuse.vision.corrector import VisualCorrector
from seldfuse.vision.settings import DetectorReliability, VisionSettings


def load_detectors(
    post: str | Sequence[DetectorRequest],
    device: str,
    rules: Mapping[str, Path],
    settings: VisionSettings,
    rate_hz: float,
    folder: Path | None = None,
    fail_fast: bool = False,
) -> VisualCorrector:
    """Load detectors onto a device, with rules of the user's own by their names.

    They are given `rate_hz` pictures a second; what they detect is stored in `folder`, where there is one. What a
    detector states of its reliability holds where the settings do not name it. `fail_fast` raises what is a note
    otherwise. Raises UsageError for rules of one that does not run, and what loading raises: PluginError,
    CheckpointError.
    """
    requests = load_registry().find_post(post)[0] if isinstance(post, str) else post
    place = resolve_device(device)
    named = {request.value.name for request in requests}
    if unknown := [name for name in rules if name not in named]:
        raise UsageError(f"--rules for {', '.join(unknown)}, but --post has {', '.join(sorted(named))}")
    if not rate_hz > 0:
        raise UsageError(f"--detector-fps expects more than 0 pictures a second, got {rate_hz:g}")
    loaded = {request.instance: request.load(place, rules.get(request.value.name)) for request in requests}
    settings = settings.add_defaults({_name(one): _read_reliability(one) for one in requests if one.value.reliability})
    return VisualCorrector(loaded, settings, rate_hz, folder, fail_fast)


def _name(request: DetectorRequest) -> str:
    """By which settings are looked up."""
    return request.value.name


def _read_reliability(request: DetectorRequest) -> DetectorReliability:
    """What a detector states of itself. Raises PluginError for what the settings would not take either."""
    try:
        return parse_table(DetectorReliability, request.value.reliability, "reliability setting")
    except UsageError as error:
        message = f"{request.value.name}.reliability: {error}; tell the makers of {request.distribution}"
        raise PluginError(message) from error
