"""Two sources of one class: found, both of them, or not."""

import numpy as np
import pytest

from benchmarks.studies.two_sources import both_found, two_at_once
from seldfuse.core.clip import ArrayAudio, Clip


def rows(*sources: tuple[int, int, float]) -> np.ndarray:
    """Sources of frame, class and azimuth in degrees."""
    return np.array([(frame, cls, 0, azimuth, 2.0, 0) for frame, cls, azimuth in sources], dtype=float).reshape(-1, 6)


def test_both_must_be_near_and_lone_or_close_sources_do_not_count() -> None:
    pairs = [(0, 3, -30.0), (0, 3, 30.0), (1, 3, -30.0), (1, 3, 30.0)]
    references = [rows(*pairs, (2, 3, 0.0), (3, 3, 10.0), (3, 3, 40.0)), rows((0, 3, 60.0), (0, 5, -60.0))]
    found = [rows((0, 3, 40.0), (0, 3, -12.0), (1, 3, 30.0), (1, 3, 20.0), (2, 3, 0.0)), rows()]
    assert both_found(references, found) == (1, 2)
    assert both_found(references, [rows(), rows()]) == (0, 2)


def test_the_rear_is_folded_to_the_front() -> None:
    assert both_found([rows((0, 1, 150.0), (0, 1, -30.0))], [rows((0, 1, 30.0), (0, 1, -30.0))]) == (1, 1)


def test_two_scenes_at_once_have_the_sources_of_both() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, (3, 2, 2400)).astype(np.float32)
    clips = [Clip(f"{number}", ArrayAudio(sound * 0.1**number)) for number, sound in enumerate(noise)]
    references = [rows((0, 3, -30.0)), rows((0, 5, 10.0)), rows((0, 3, 30.0), (1, 5, 0.0))]
    added, scenes = two_at_once(clips, references)
    assert [clip.name for clip in added] == ["0", "1", "2"]
    assert scenes[0][:, 3].tolist() == [-30.0, 30.0, 0.0]
    assert len(set(scenes[0][:, 2])) == 2
    (sound,) = added[2].audio.blocks(print)
    # The other is as loud as the scene itself.
    assert np.square(sound).mean() == pytest.approx(2 * np.square(noise[2] * 0.01).mean(), rel=0.1)
