"""Recorded detections beside a clip: boxes and times in other units."""

from pathlib import Path

from seldfuse.checks.findings import Finding
from seldfuse.core.detections import Detections
from seldfuse.errors import MediaError
from seldfuse.media.container import probe
from seldfuse.vision.recorded import SUFFIX
from seldfuse.vision.recorded_units import describe_wrong_units


def check_recorded_boxes(path: Path, name: str) -> list[Finding]:
    """Check the detections that were recorded beside a sound or video, if there are any. Raises UsageError."""
    recorded = path.with_name(f"{path.stem}{SUFFIX}")
    if not recorded.is_file():
        return []
    try:
        info = probe(path)
    except MediaError:
        return []
    size = info.width, info.height
    wrong = describe_wrong_units(Detections.load(recorded), *size, info.duration_s)
    if wrong is None:
        return []
    reason, message = wrong
    return [Finding(reason, "error", message, "boxes are left, top, right, bottom in pixels, times seconds", (name,))]
