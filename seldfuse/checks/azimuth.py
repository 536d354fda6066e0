"""Labelled azimuths against the intensity of the sound, over pieces in which one source sounds alone.

In a room the lateral part of the intensity is drawn to the middle, by an amount that nobody knows; its sign, and how it
goes with the labels, stay. Labels that are turned by φ leave a part that goes with the cosine of the azimuth.
"""

import numpy as np

from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import SingleSources

LEAST_PIECES = 12
LEAST_SPREAD = 0.2
"""Standard deviation of the sine of the azimuths below which nothing can be told."""

MIRRORED = -0.4
"""A correlation below this is that of azimuths with the wrong sign."""

UNRELATED, RELATED = 0.5, 0.72
"""A correlation below the first, and with certainty below the second, is that of other recordings. Sets of random
scenes in rooms with RT60 up to 1.2 s have 0.76 to 0.96."""

MOST_LATERAL = 0.6
"""Rooms and noise make single pieces wild; they count no more than this."""

TURNED_DEG = 22.0
MOST_TURNED_DEG = 120.0
EXPLAINED = 0.3
"""Labels that are only turned explain so large a share of what is heard."""

CERTAINTY = 2.5
"""Standard errors by which what is measured must miss a limit."""


def check_azimuth(pieces: SingleSources) -> list[Finding]:
    """Find azimuths that are mirrored, turned, or have nothing to do with the sound."""
    truth, heard = np.sin(np.radians(pieces.azimuth_deg)), pieces.lateral.clip(-MOST_LATERAL, MOST_LATERAL)
    if len(truth) < LEAST_PIECES or truth.std() < LEAST_SPREAD or heard.std() < 1e-3:
        return []
    correlation = float(np.corrcoef(truth, heard)[0, 1])
    error = 1 / np.sqrt(max(_count_effective(pieces) - 3, 1))
    measured = (
        f"the sound's own direction and the labels correlate by {correlation:+.2f} in {len(truth)} pieces with one "
        "source"
    )
    if np.arctanh(correlation) < min(np.arctanh(MIRRORED) + error, -CERTAINTY * error):
        return [
            Finding(
                "mirrored azimuth",
                "error",
                f"{measured}, so left and right are exchanged",
                "azimuth is positive to the left: change its sign in the labels, or exchange the channels",
            )
        ]
    turned_deg = _fit_turn(pieces)
    if turned_deg is not None and abs(turned_deg) > TURNED_DEG:
        return [
            Finding(
                "rotated azimuth",
                "error",
                f"the sound comes from {abs(turned_deg):.0f}° further {'left' if turned_deg > 0 else 'right'} than "
                f"the labels have it, over {len(truth)} pieces with one source",
                "labels count from the front of the microphone: turn them, or check the levels of the channels",
            )
        ]
    if correlation < UNRELATED and np.arctanh(correlation) + 1.5 * error < np.arctanh(RELATED):
        return [
            Finding(
                "unrelated azimuth",
                "error",
                f"{measured}, which is next to nothing",
                "are these the labels of these recordings, and do they count frames of 100 ms from the same start?",
            )
        ]
    return []


def _count_effective(pieces: SingleSources) -> int:
    """Count pieces of other clips or other directions: those of one source in one place say the same."""
    return len(np.unique(np.stack([pieces.clip, np.round(pieces.azimuth_deg / 10)]), axis=1).T)


def _fit_turn(pieces: SingleSources) -> float | None:
    """Fit lateral = a sin(azimuth) + b cos(azimuth); the turn is atan2(b, a). None where it is not certain."""
    angle = np.radians(pieces.azimuth_deg)
    design = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    heard = pieces.lateral.clip(-MOST_LATERAL, MOST_LATERAL)
    (a, b), *_ = np.linalg.lstsq(design, heard, rcond=None)
    rest = heard - design @ [a, b]
    effective = max(_count_effective(pieces), 3)
    try:
        covariance = np.linalg.inv(design.T @ design / len(heard)) * (rest @ rest / len(heard)) / (effective - 2)
    except np.linalg.LinAlgError:
        return None
    # The error of the angle of a vector (a, b).
    across = np.array([-b, a]) / max(a * a + b * b, 1e-9)
    error_deg = np.degrees(np.sqrt(across @ covariance @ across))
    turned_deg = float(np.degrees(np.arctan2(b, a)))
    explained = 1 - rest.var() / heard.var()
    certain = abs(turned_deg) - CERTAINTY * error_deg > 0 and explained > EXPLAINED
    return turned_deg if certain and abs(turned_deg) < MOST_TURNED_DEG else None
