"""Stereo that is none: one channel twice, a dead one, or one with the wrong sign."""

import numpy as np

from seldfuse.checks.findings import Finding, count_clips
from seldfuse.checks.measure import CheckedClip, MeasuredSound

SAME_DB = -50.0
"""Left − right so far below left + right is one channel twice."""

DEAD_DB = -60.0
INVERTED = 1.5
"""Of a coincident pair left − right is never stronger than left + right."""

UNEQUAL_DB = 6.0
MOST = 0.5
"""What is so in more than this share of the clips is an error of the data set, and else a note."""


def check_channels(clips: list[CheckedClip]) -> list[Finding]:
    """Find clips whose channels hold no directions. Silent clips are none of these."""
    heard = [(clip.name, clip.sound) for clip in clips if clip.sound is not None and clip.sound.loud.any()]
    found = []
    for reason, test, message, remedy in (
        ("dual mono", _is_dual_mono, "left and right are the same", "use the stereo original: no direction is in it"),
        ("dead channel", _is_dead, "one channel is silent", "check the cable, or which channels were exported"),
        ("inverted channel", _is_inverted, "left − right is louder than left + right", "change one channel's sign"),
        ("unequal channels", _is_unequal, f"one channel is {UNEQUAL_DB:g} dB louder throughout", "check its gain"),
    ):
        names = tuple(name for name, sound in heard if test(sound))
        if names:
            share = len(names) / len(heard)
            severity = "error" if share > MOST and reason != "unequal channels" else "note"
            found.append(
                Finding(reason, severity, f"{message} in {count_clips(names, heard)}", remedy, names)  # type: ignore[arg-type]
            )
    return found


def _is_dual_mono(sound: MeasuredSound) -> bool:
    return _decibels(sound.side.sum(), sound.mid.sum()) < SAME_DB


def _is_dead(sound: MeasuredSound) -> bool:
    left, right = _powers(sound)
    return _decibels(min(left, right), max(left, right)) < DEAD_DB


def _is_inverted(sound: MeasuredSound) -> bool:
    return bool(np.median(sound.side[sound.loud] / sound.mid[sound.loud].clip(1e-15)) > INVERTED)


def _is_unequal(sound: MeasuredSound) -> bool:
    """Every tenth of the frames has one and the same channel louder by far, which sources all around do not do."""
    ratio_db = 10 * np.log10(
        (sound.covariance[:, 0, 0].clip(1e-12) / sound.covariance[:, 1, 1].clip(1e-12))[sound.loud]
    )
    quiet = sound.covariance[~sound.loud]
    if len(quiet) < 5 or _is_dead(sound):
        return False
    # What no source sounds in is the room's noise, which comes from everywhere.
    noise_db = 10 * np.log10(quiet[:, 0, 0].mean().clip(1e-12) / quiet[:, 1, 1].mean().clip(1e-12))
    return bool(min(abs(noise_db), abs(np.median(ratio_db))) > UNEQUAL_DB and noise_db * np.median(ratio_db) > 0)


def _powers(sound: MeasuredSound) -> tuple[float, float]:
    left, right = sound.covariance[:, 0, 0].sum(), sound.covariance[:, 1, 1].sum()
    return float(left), float(right)


def _decibels(part: float, whole: float) -> float:
    return float(10 * np.log10(max(part, 1e-30) / max(whole, 1e-30)))
