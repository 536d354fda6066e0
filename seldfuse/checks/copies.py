"""Clips that are copies of each other, and recordings that both train and validate."""

import re
from collections import defaultdict

import numpy as np

from seldfuse.checks.findings import Finding, count_clips
from seldfuse.checks.measure import CheckedClip

VIEW = re.compile(r"_deg\d+_start\d+$")
"""The end of a challenge clip's name: its view and its start. Clips that differ in these alone are one recording."""

ALIKE = 0.9995
"""Level curves that correlate so closely are those of one recording, at another gain or coded anew."""

MOST_COMPARED = 3000


def check_copies(clips: list[CheckedClip]) -> list[Finding]:
    """Find clips that hold the same sound, by samples or by level, and those of them that train and validate."""
    heard = [clip for clip in clips if clip.sound is not None and clip.sound.loud.any()][:MOST_COMPARED]
    pairs = _find_pairs(heard)
    found = []
    across = [(one, two) for one, two in pairs if one.part != two.part]
    if across:
        names = tuple(dict.fromkeys(clip.name for pair in across for clip in pair))
        found.append(
            Finding(
                "validation on training sound",
                "error",
                f"{len(across)} clips that validate hold the sound of one that trains",
                "take them out of one side: scores on them flatter",
                names,
            )
        )
    elif pairs:
        names = tuple(dict.fromkeys(clip.name for pair in pairs for clip in pair))
        message = f"the sound is that of another clip in {count_clips(names, heard)}"
        found.append(Finding("copies", "note", message, "keep one each", names))
    return found


def check_shared_recordings(clips: list[CheckedClip]) -> list[Finding]:
    """Find recordings of which some clips train and others validate, by the names of the challenge's clips."""
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        stem = clip.name.rsplit("/", 1)[-1]
        if VIEW.search(stem):
            parts[VIEW.sub("", stem)].add(clip.part)
    shared = tuple(sorted(name for name, where in parts.items() if len(where) > 1))
    if not shared:
        return []
    return [
        Finding(
            "shared recordings",
            "error",
            f"{len(shared)} recordings have clips that train and clips that validate",
            "keep a recording on one side: name it fold3 or fold4, or set folders.train_folds",
            shared,
        )
    ]


def _find_pairs(clips: list[CheckedClip]) -> list[tuple[CheckedClip, CheckedClip]]:
    """Each clip with the first one that it is a copy of."""
    by_length: defaultdict[int, list[CheckedClip]] = defaultdict(list)
    for clip in clips:
        assert clip.sound is not None
        by_length[clip.sound.frames].append(clip)
    pairs = []
    for frames, some in by_length.items():
        if len(some) < 2 or frames < 10:
            continue
        alike = _compare(some)
        for column in np.flatnonzero(alike.any(axis=0)):
            pairs.append((some[int(alike[:, column].argmax())], some[column]))
    return pairs


def _compare(clips: list[CheckedClip]) -> np.ndarray:
    """Which clips hold the sound of an earlier one, `(earlier, clip)`."""
    sounds = [clip.sound for clip in clips if clip.sound is not None]
    curves = np.stack([sound.level_db.clip(-70.0) for sound in sounds])
    curves = curves - curves.mean(axis=1, keepdims=True)
    spread = np.linalg.norm(curves, axis=1)
    curves = curves / spread.clip(1e-9)[:, None]
    digests = np.array([sound.digest for sound in sounds])
    # Steady sounds have no curve to be known by.
    lively = spread / np.sqrt(curves.shape[1]) > 1.0
    alike = (curves @ curves.T > ALIKE) & lively & lively[:, None]
    return np.triu(alike | (digests == digests[:, None]), 1)
