"""Onsets: where a band is suddenly louder than what has just been in it, so that direct sound is without reflections.

That is the precedence effect by which people tell directions in rooms.
"""

from jaxtyping import Float
from torch import Tensor

from seldfuse.features.logmel import FLOOR_POWER
from seldfuse.features.smoothing import average_past

PAST_STEPS = 3
"""In so many steps, 60 ms, the past fades by a factor of e."""

RISE = 4.0
"""Where the power is less than so many times that of the past, there is no onset."""


def weigh_onsets(power: Float[Tensor, "*batch time bin"]) -> Float[Tensor, "*batch time bin"]:
    """Compute how much of an onset each cell is, from 0 to 1: 1 − 4 · (power of the past) / (its own power)."""
    return (1.0 - RISE * average_past(power, PAST_STEPS) / (power + FLOOR_POWER)).clamp_min(0.0)
