"""First-order recordings, checked before anything is cut from them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from seldfuse.checks.ambisonics import check_ambisonics
from seldfuse.checks.extent import check_extent
from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import CheckedClip, measure_sound
from seldfuse.core.grid import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from seldfuse.errors import MediaError
from seldfuse.formats.dcase import PLACE
from seldfuse.synth.from_foa.labels import read_labels
from seldfuse.synth.from_foa.recordings import FoaRecording
from seldfuse.synth.from_foa.sound import read_foa

MOST_S = 120
"""Of a recording so many seconds are heard."""


def inspect_recordings(
    recordings: Sequence[FoaRecording],
    distance_m: float | None,
    note: Callable[[str], None],
) -> list[tuple[FoaRecording, Finding]]:
    """Check every recording, tell notes, and return what cannot be right of which."""
    errors = []
    for recording in recordings:
        for finding in inspect_recording(recording, distance_m):
            if finding.severity == "error":
                errors.append((recording, finding))
            else:
                note(f"{finding.describe()}: {recording.sound}")
    return errors


def inspect_recording(recording: FoaRecording, distance_m: float | None) -> Iterator[Finding]:
    """Check one recording: what its channels are, and whether its labels are those of its sound."""
    frames = min(recording.frames, MOST_S * SAMPLE_RATE_HZ // SAMPLES_PER_FRAME)
    try:
        samples = read_foa(recording.sound, 0, frames * SAMPLES_PER_FRAME)
    except MediaError:
        # It is told where it is cut.
        return
    rows = read_labels(recording.labels, distance_m)
    columns = [rows[:, PLACE.index(name)] for name in ("frame", "class", "source", "azimuth", "distance")]
    unknown = np.full(len(rows), np.nan)
    plain = np.stack([*columns, unknown], axis=1) if len(rows) else np.zeros((0, 6))
    clip = CheckedClip(f"{recording.split}/{recording.name}", plain[plain[:, 0] < frames], measure_sound([samples]))
    yield from check_ambisonics(clip)
    if frames == recording.frames:
        whole = CheckedClip(clip.name, plain, clip.sound)
        yield from (one for one in check_extent([whole]) if one.reason != "shifted labels")
