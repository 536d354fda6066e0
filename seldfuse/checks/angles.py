"""Units and ranges of labelled azimuths, and on-screen flags against the field of view."""

import numpy as np

from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import AZIMUTH, ONSCREEN, CheckedClip
from seldfuse.core.geometry import Camera

LEAST_ROWS = 50
MARGIN_DEG = 5.0
MOST_OUTSIDE = 0.2
RADIANS = 0.35
"""So large a share of the azimuths does not lie within ±π degrees."""


def check_angles(clips: list[CheckedClip]) -> list[Finding]:
    """Find azimuths in radians, azimuths that never change, and flags that cannot be by the field of view."""
    rows = np.concatenate([np.zeros((0, 6)), *(clip.rows for clip in clips)])
    rows = rows[~np.isnan(rows[:, AZIMUTH])]
    if len(rows) < LEAST_ROWS:
        return []
    azimuth_deg, found = rows[:, AZIMUTH], list[Finding]()
    small = np.abs(azimuth_deg) <= np.pi + 1e-3
    if small.mean() > RADIANS and (azimuth_deg[small] % 1 != 0).mean() > 0.5:
        found.append(
            Finding(
                "azimuth in radians",
                "error",
                f"{small.mean():.0%} of the azimuths are within ±π, and most of these have decimals",
                "azimuths are degrees: multiply by 57.2958",
            )
        )
    elif np.ptp(azimuth_deg) < 1e-6:
        found.append(
            Finding("constant azimuth", "note", f"every source is at {azimuth_deg[0]:g}°", "no direction is learned")
        )
    return [*found, *_check_onscreen(rows)]


def _check_onscreen(rows: np.ndarray) -> list[Finding]:
    seen = rows[:, ONSCREEN] == 1
    if seen.sum() < LEAST_ROWS:
        return []
    half_deg = Camera().horizontal_fov_deg / 2 + MARGIN_DEG
    turned_deg = np.abs((rows[:, AZIMUTH] + 180) % 360 - 180)
    outside = float((turned_deg[seen] > half_deg).mean())
    if outside <= MOST_OUTSIDE:
        return []
    hidden = ~seen & ~np.isnan(rows[:, ONSCREEN])
    inverted = bool(hidden.any() and (turned_deg[hidden] <= half_deg).mean() > outside)
    return [
        Finding(
            "on-screen outside the picture",
            "error" if outside > 2 * MOST_OUTSIDE else "note",
            f"{outside:.0%} of the frames that are called on-screen are beyond ±{half_deg:g}°",
            "is 1 meant to be off-screen?"
            if inverted
            else "do pictures see more than 100°, or azimuths count otherwise?",
        )
    ]
