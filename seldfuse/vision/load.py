"""Detectors, loaded, and how far they are believed: the visual correction."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.requests import DetectorRequest
from seldfuse.core.device import resolve_device
from seldfuse.errors import CheckpointError, PluginError, SeldfuseError, UsageError
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
    on_missing: Callable[[DetectorRequest, SeldfuseError], None] | None = None,
) -> VisualCorrector:
    """Load detectors onto a device, with rules of the user's own by their names.

    They are given `rate_hz` pictures a second; what they detect is stored in `folder`, where there is one. What a
    detector states of its reliability holds where the settings do not name it. `fail_fast` raises what is a note
    otherwise. `on_missing` is told of a detector that cannot be loaded, which is left out; without it the first one
    raises. Raises UsageError for rules of one that does not run, and what loading raises: PluginError, CheckpointError.
    """
    requests = load_registry().find_post(post)[0] if isinstance(post, str) else post
    place = resolve_device(device)
    named = {request.value.name for request in requests}
    if unknown := [name for name in rules if name not in named]:
        raise UsageError(f"--rules for {', '.join(unknown)}, but --post has {', '.join(sorted(named))}")
    if not rate_hz > 0:
        raise UsageError(f"--detector-fps expects more than 0 pictures a second, got {rate_hz:g}")
    loaded, stated = {}, {}
    for request in requests:
        # By which settings and rules are looked up.
        name = request.value.name
        try:
            detector = request.load(place, rules.get(name))
            if request.value.reliability:
                stated[name] = _read_reliability(request)
        except (CheckpointError, PluginError) as error:
            if on_missing is None:
                raise
            on_missing(request, error)
        else:
            loaded[request.instance] = detector
    return VisualCorrector(loaded, settings.add_defaults(stated), rate_hz, folder, fail_fast)


def _read_reliability(request: DetectorRequest) -> DetectorReliability:
    """What a detector states of itself. Raises PluginError for what the settings would not take either."""
    try:
        return parse_table(DetectorReliability, request.value.reliability, "reliability setting")
    except UsageError as error:
        message = f"{request.value.name}.reliability: {error}; tell the makers of {request.distribution}"
        raise PluginError(message) from error
