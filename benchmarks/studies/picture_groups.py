"""Whom and what the clips of a set of scenes show: what intervals leave out in turn.

A cell, which is a class in a clip, belongs to the person or the thing that is drawn where the class sounds; a class
whose source nobody drew belongs to the room that is shown.
"""

from collections.abc import Sequence

import numpy as np

from seldfuse.metrics.jackknife import SoundGroups
from seldfuse.synth.scene import ScenePlan


def find_picture_groups(plans: Sequence[ScenePlan], classes: int) -> SoundGroups:
    """Number the people, things and rooms of the cells of a set, clip by clip. Raises ValueError where a plan has no
    picture.
    """
    numbers: dict[str, int] = {}
    cells = np.empty((len(plans), classes), dtype=np.int64)
    for clip, plan in enumerate(plans):
        if plan.view is None:
            raise ValueError("expected plans of scenes with pictures")
        cells[clip] = numbers.setdefault(plan.view.background, len(numbers))
        for figure in plan.view.figures:
            if figure.source is not None:
                cls = plan.sources[figure.source].cls
                cells[clip, cls] = numbers.setdefault(figure.sprite, len(numbers))
    return cells
