"""All checks of a data set's clips, one after the other."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from seldfuse.checks.angles import check_angles
from seldfuse.checks.azimuth import check_azimuth
from seldfuse.checks.channels import check_channels
from seldfuse.checks.classes import check_classes
from seldfuse.checks.copies import check_copies, check_shared_recordings
from seldfuse.checks.distances import check_distances
from seldfuse.checks.extent import check_extent, check_silent_clips
from seldfuse.checks.findings import CheckReport, Finding, merge_findings
from seldfuse.checks.measure import CheckedClip, find_single_sources
from seldfuse.core.labels import LabelSet

NO_SOUND = "azimuth, channels, extent, silence and copies: there is no sound beside the labels"

BROKEN_TIME = ("time units", "labels end early", "shifted labels")
"""Where time is wrong labels stand beside other sounds, and what azimuths show follows from that."""

BROKEN_SOUND = ("dual mono", "dead channel", "inverted channel", "azimuth in radians")


def check_clips(
    clips: Sequence[CheckedClip],
    labels: LabelSet,
    labelled: Bool[np.ndarray, "cls"],
    more: Sequence[Finding] = (),
) -> CheckReport:
    """Check clips of stereo sound, or of labels alone, and join what is found with `more`, found elsewhere."""
    several = list(clips)
    measured = [clip for clip in several if clip.sound is not None]
    extent, channels = check_extent(measured), check_channels(measured)
    angles = check_angles(several)
    explained = any(
        one.severity == "error" and one.reason in (*BROKEN_TIME, *BROKEN_SOUND) for one in (*extent, *channels, *angles)
    )
    azimuth = [] if explained else check_azimuth(find_single_sources(measured))
    findings = merge_findings(
        [
            azimuth,
            channels,
            check_distances(several),
            angles,
            extent,
            check_silent_clips(measured),
            check_copies(measured),
            check_shared_recordings(several),
            check_classes(several, labels, labelled),
            more,
        ]
    )
    return CheckReport(findings, len(several), len(measured), () if measured else (NO_SOUND,))
