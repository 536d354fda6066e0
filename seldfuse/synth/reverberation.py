"""How long the room of a scene reverberates."""

import math

import numpy as np
import torch
from jaxtyping import Float64

from seldfuse.synth.rooms.bands import BANDS_HZ
from seldfuse.synth.rooms.shoebox import compute_decay_s
from seldfuse.synth.scene import Room, ScenePlan

RT60_BANDS_HZ = (500.0, 1000.0)
DIRECTIONS = 200


def compute_rt60_s(plan: ScenePlan) -> float:
    """Compute the reverberation time of a plan's shoebox at 500 Hz and 1 kHz; NaN where there is none."""
    room = plan.room
    if not isinstance(room, Room):
        return math.nan
    wall = -0.5 * np.log1p(-np.array(room.absorption).clip(0.0, 1.0 - 1e-6))  # loss of amplitude, (wall, band)
    axis = wall.reshape(3, 2, -1).mean(axis=1)[:, np.isin(BANDS_HZ, RT60_BANDS_HZ)]
    per_m = _directions() / np.array(room.size_m)  # crossings of each axis
    return float(compute_decay_s(torch.from_numpy(per_m @ axis)).mean())


def _directions() -> Float64[np.ndarray, "direction 3"]:
    """Draw directions over an eighth of the sphere, always the same: mirror images make the others alike."""
    drawn = np.abs(np.random.default_rng(0).standard_normal((DIRECTIONS, 3)))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
