"""The learning rate over the course of a training."""

import math

WARM_UP = 0.1
HOLD = 0.6
FIRST = 0.01
LAST = 0.05


def tri_stage(progress: float) -> float:
    """Factor on the peak learning rate: a tenth of linear warm-up, six of hold, three of exponential decay to 5 %.

    `progress` runs from 0 to 1. Source: the recipe of `Solution_on_3D_SELD`.
    """
    if progress < WARM_UP:
        return FIRST + (1 - FIRST) * progress / WARM_UP
    decay = max(0.0, progress - WARM_UP - HOLD) / (1 - WARM_UP - HOLD)
    return math.exp(decay * math.log(LAST))
