"""Timelines that are drawn."""

import math
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldfuse.synth.timelines.statistics import SceneStatistics, describe
from seldfuse.synth.timelines.timeline import SourceTimeline, build_label_table, draw_timeline

SCENES = 2000


@cache
def shipped() -> SceneStatistics:
    return SceneStatistics.load()


@cache
def drawn() -> list[tuple[SourceTimeline, ...]]:
    rng = np.random.default_rng(0)
    return [draw_timeline(shipped(), range(13), rng) for _ in range(SCENES)]


@cache
def described() -> dict[str, float]:
    return describe([build_label_table(parts) for parts in drawn()])


@given(
    seed=st.integers(0, 2**32),
    classes=st.lists(st.integers(0, 12), min_size=1, unique=True),
    frames=st.integers(1, 50),
    evenness=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_parts_keep_to_the_window_to_the_classes_and_to_one_sound_at_a_time(
    seed: int, classes: list[int], frames: int, evenness: float
) -> None:
    parts = draw_timeline(shipped(), classes, np.random.default_rng(seed), frames, evenness)
    assert len(parts) <= 6
    for part in parts:
        assert part.cls in classes
        assert -180 <= part.azimuth_deg <= 180
        assert -90 <= part.elevation_deg <= 90
        assert part.stretches
        ends = [0.0] + [start_s + duration_s for start_s, duration_s in part.stretches]
        assert all(duration_s > 0 for _, duration_s in part.stretches)
        assert all(start_s >= end_s for (start_s, _), end_s in zip(part.stretches, ends, strict=False))
        assert ends[-1] <= frames / 10 + 1e-9


def test_the_same_generator_draws_the_same_timeline() -> None:
    one, again = (draw_timeline(shipped(), range(13), np.random.default_rng(7), evenness=0.5) for _ in range(2))
    assert one == again


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("empty.windows", 0.01),
        ("empty.frames", 0.03),
        *[(f"sources.{count}", 0.04) for count in (0, 1, 2, 3, 4, "5+")],
        *[(f"overlap.{count}", 0.04) for count in (0, 1, 2)],
        *[(f"overlap.{count}", 0.02) for count in (3, 4, "5+")],
        ("twice.windows", 0.04),
        ("twice.frames", 0.015),
        ("events_per_minute", 1.0),
        ("sounding_at_start", 0.03),
        ("stretches_per_source", 0.03),
        ("active_s_per_source", 0.15),
        ("stretch_s.p10", 0.11),
        ("stretch_s.p50", 0.2),
        ("stretch_s.p90", 0.11),
        ("gap_s.p50", 0.2),
        ("movers", 0.02),
        ("speed_deg_s.p50", 1.5),
        ("elevation_deg.p10", 4),
        ("elevation_deg.p50", 2),
        ("elevation_deg.p90", 4),
    ],
)
def test_drawn_scenes_are_as_the_real_ones(name: str, tolerance: float) -> None:
    assert described()[name] == pytest.approx(shipped().described[name], abs=tolerance)


def test_drawn_classes_have_their_real_shares() -> None:
    for kind, tolerance in (("active", 0.02), ("events", 0.025), ("heard_in", 0.03)):
        for name in shipped().classes:
            key = f"{kind}.{name}"
            assert described()[key] == pytest.approx(shipped().described[key], abs=tolerance), key


def test_directions_are_spread_all_round_and_movers_go_either_way() -> None:
    parts = [part for scene in drawn() for part in scene]
    quarters = np.histogram([part.azimuth_deg for part in parts], bins=4, range=(-180, 180))[0] / len(parts)
    assert quarters == pytest.approx(np.full(4, 0.25), abs=0.03)
    turns = np.array([part.angular_speed_deg_s for part in parts])
    assert np.mean(turns[turns != 0] > 0) == pytest.approx(0.5, abs=0.1)


def test_at_full_evenness_classes_come_equally_often_and_in_two_places_as_often_as_in_truth() -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_timeline(shipped(), range(13), rng, evenness=1.0) for _ in range(SCENES // 2)]
    counts = Counter(part.cls for parts in scenes for part in parts)
    shares = np.array([counts[cls] for cls in range(13)]) / counts.total()
    assert shares == pytest.approx(np.full(13, 1 / 13), abs=0.015)
    twice = np.mean([len({part.cls for part in parts}) < len(parts) for parts in scenes])
    assert twice == pytest.approx(shipped().described["twice.windows"], abs=0.04)


def test_a_class_without_sounds_is_played_by_others_with_no_fewer_sources() -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_timeline(shipped(), [4, 8, 11], rng) for _ in range(SCENES // 4)]
    assert {part.cls for parts in scenes for part in parts} == {4, 8, 11}
    sources = np.mean([len(parts) for parts in scenes])
    assert sources == pytest.approx(np.mean([len(parts) for parts in drawn()]), abs=0.1)


def test_talkers_leave_each_other_room() -> None:
    """Speech overlaps speech less than the same parts do that are put together by chance."""
    pairs = [parts for parts in drawn() if len(parts) == 2 and all(part.cls < 2 for part in parts)]
    together = sum(both(first, second) for first, second in pairs)
    shuffled = sum(both(first, other) for (first, _), (_, other) in zip(pairs, pairs[1:] + pairs[:1], strict=True))
    assert len(pairs) > 300
    assert together < 0.7 * shuffled


def both(first: SourceTimeline, second: SourceTimeline) -> int:
    return len(np.intersect1d(build_label_table([first])[:, 0], build_label_table([second])[:, 0]))


def test_a_part_becomes_rows_of_labels() -> None:
    moving = SourceTimeline(
        6, ((0.0, 0.21), (0.52, 0.1)), azimuth_deg=179.0, elevation_deg=-40.0, angular_speed_deg_s=10.0
    )
    rows = build_label_table([moving, SourceTimeline(8, ((4.9, 0.1),), 10.0, 5.0)])
    assert rows[:, 0].tolist() == [0, 1, 5, 49]
    assert rows[:, 1].tolist() == [6, 6, 6, 8]
    assert rows[:, 2].tolist() == [0, 0, 0, 1]
    assert rows[:, 3] == pytest.approx([179, -180, -176, 10])
    assert rows[:, 4].tolist() == [-40, -40, -40, 5]
    assert all(math.isnan(distance_m) for distance_m in rows[:, 5])


@pytest.mark.parametrize(
    ("classes", "frames", "message"),
    [
        ([0], 51, "a timeline has 1 to 50 frames, got 51"),
        ([0], 0, "a timeline has 1 to 50 frames, got 0"),
        ([], 50, "a timeline needs a class that has sounds, got none"),
    ],
)
def test_what_cannot_be_drawn_is_refused(classes: list[int], frames: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_timeline(shipped(), classes, np.random.default_rng(0), frames)
