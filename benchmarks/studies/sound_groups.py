"""Whose sounds the clips of a frozen set are made of: what intervals leave out in turn, and how little classes have.

A set of a thousand clips is made of far fewer voices and things. A cell, which is a class in a clip, belongs to the
group (a speaker, an instrument, a recording) that sounds longest in it. Where a clip has no source of a class, whatever
is said of it is a false alarm, and goes with the group that sounds longest in the clip; a clip without sources is a
group of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.metrics.jackknife import SoundGroups
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import SoundBank

FEWEST_GROUPS = 5
SHORTEST_S = 60.0
"""The scores of a class of fewer groups, or of less sound, describe these sounds more than the class."""


class SetSounds(NamedTuple):
    """The group of each cell of a set, and of each class, in its order, the number of its groups and its sound."""

    cells: SoundGroups
    groups: tuple[int, ...]
    sound_s: tuple[float, ...]

    @property
    def enough(self) -> np.ndarray:
        """Mark the classes of enough groups and enough sound, shape `cls`."""
        return (np.array(self.groups) >= FEWEST_GROUPS) & (np.array(self.sound_s) >= SHORTEST_S)

    def to_json(self) -> dict[str, Any]:
        """Convert what is known of the classes to JSON values."""
        return {
            "groups": list(self.groups),
            "sound_s": [round(seconds, 1) for seconds in self.sound_s],
            "few": (~self.enough).tolist(),
        }


def find_set_sounds(plans: Sequence[ScenePlan], bank: SoundBank) -> SetSounds:
    """Find the groups of the cells of a set, clip by clip, and what each class has. Raises MediaError where a sound
    cannot be read.
    """
    classes = len(bank.labels)
    numbers: dict[str, int] = {}
    cells = np.empty((len(plans), classes), dtype=np.int64)
    for clip, plan in enumerate(plans):
        played: dict[tuple[int, str], float] = defaultdict(float)
        for cls, group, duration_s in _list_takes(plan, bank):
            played[cls, group] += duration_s
        whole = max(played, key=lambda key: played[key])[1] if played else f"clip {clip}"
        names = [
            max((key for key in played if key[0] == cls), key=lambda key: played[key], default=(cls, whole))[1]
            for cls in range(classes)
        ]
        cells[clip] = [numbers.setdefault(name, len(numbers)) for name in names]
    return SetSounds(cells, *_count_sounds(plans, bank))


def _list_takes(plan: ScenePlan, bank: SoundBank) -> Iterator[tuple[int, str, float]]:
    """Class, group and length of all that the sources play."""
    for source in plan.sources:
        for take in source.takes:
            yield source.cls, bank.entries[take.sound].group, take.duration_s


def _count_sounds(plans: Sequence[ScenePlan], bank: SoundBank) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The groups of each class, and the seconds of its sounds, each counted once."""
    sounds = sorted({(source.cls, take.sound) for plan in plans for source in plan.sources for take in source.takes})
    cls = np.array([cls for cls, _ in sounds], dtype=np.int64)
    seconds = [len(bank.read_sound(sound).samples) / SAMPLE_RATE_HZ for _, sound in sounds]
    of_class = {(cls, bank.entries[sound].group) for cls, sound in sounds}
    groups = Counter(cls for cls, _ in of_class)
    classes = len(bank.labels)
    return tuple(groups[number] for number in range(classes)), tuple(
        np.bincount(cls, seconds, minlength=classes).tolist()
    )
