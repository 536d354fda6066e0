"""Classes that are never or nearly never there."""

import numpy as np

from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import CLASS, CheckedClip
from seldfuse.core.labels import LabelSet
from seldfuse.storage.text import name_some

RARE = 0.004
"""A class in fewer of the labelled frames than this is hardly learned."""

SHOWN = 5


def check_classes(clips: list[CheckedClip], labels: LabelSet, labelled: np.ndarray) -> list[Finding]:
    """Find classes that are annotated and never, or nearly never, sound, and more than one label at a time of one."""
    counts = np.zeros(len(labels))
    for clip in clips:
        counts += np.bincount(clip.rows[:, CLASS].astype(np.int64), minlength=len(labels))
    if not counts.sum():
        return []
    found = []
    absent = [name for name, count, known in zip(labels.names, counts, labelled, strict=True) if known and not count]
    rare = [name for name, count in zip(labels.names, counts / counts.sum(), strict=True) if 0 < count < RARE]
    if absent:
        found.append(
            Finding(
                "absent class",
                "note",
                f"no label has {name_some(absent, SHOWN)}",
                'if they were not annotated, say what was: labelled = ["…"] in labels.toml',
            )
        )
    if rare:
        found.append(
            Finding(
                "rare class",
                "note",
                f"fewer than {RARE:.1%} of the labelled frames have {name_some(rare, SHOWN)}",
                "scores of these classes say little; add recordings, or --set synth.class_balance=1 beside them",
            )
        )
    return found
