"""The reverberation time of a plan."""

import math

import pytest
from worlds import plain_room

from seldfuse.synth.reverberation import compute_rt60_s
from seldfuse.synth.scene import ScenePlan


@pytest.mark.parametrize("rt60_s", [0.2, 0.5, 1.1])
def test_it_is_that_of_the_room(rt60_s: float) -> None:
    assert compute_rt60_s(ScenePlan((), plain_room(rt60_s), None)) == pytest.approx(rt60_s, rel=0.05)
    assert math.isnan(compute_rt60_s(ScenePlan((), None, None)))
