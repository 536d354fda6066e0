"""The learning rate over the course of a training."""

import math
from collections.abc import Callable, Mapping

WARM_UP = 0.1
HOLD = 0.6
FIRST = 0.01
LAST = 0.05


def tri_stage_lr(progress: float) -> float:
    """Factor on the peak learning rate: a tenth of linear warm-up, six of hold, three of exponential decay to 5 %.

    `progress` runs from 0 to 1. Source: the recipe of `Solution_on_3D_SELD`.
    """
    if progress < WARM_UP:
        return _warming_up(progress)
    decay = max(0.0, progress - WARM_UP - HOLD) / (1 - WARM_UP - HOLD)
    return math.exp(decay * math.log(LAST))


def cosine_lr(progress: float) -> float:
    """A tenth of linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter, SGDR, 2017)."""
    if progress < WARM_UP:
        return _warming_up(progress)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def constant_lr(_progress: float) -> float:
    """The peak throughout, as the challenge's baseline has it."""
    return 1.0


def _warming_up(progress: float) -> float:
    return FIRST + (1 - FIRST) * progress / WARM_UP


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "tri-stage": tri_stage_lr,
    "cosine": cosine_lr,
    "constant": constant_lr,
}
