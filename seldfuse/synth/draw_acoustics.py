"""Rooms, places and source directivities drawn wide, so that what a network learns holds in rooms of others.

Distances are even in log whatever the room, which is chosen so that they fit. The critical distance, too, is even in
log, between those of the driest and the wettest room of that size: near and far sources stand in dry and in wet rooms,
and the direct-to-reverberant ratio says how far a source is only together with how the room sounds.
`python -m benchmarks acoustics` measures what comes out.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seldfuse.synth.rooms.bands import BANDS_HZ
from seldfuse.synth.rooms.noise import TABLE_SAMPLES
from seldfuse.synth.rooms.shoebox import SCATTER_ROWS, find_absorption
from seldfuse.synth.scene import Point, Room, ScenePlan, ScenePlanSource, SoundTake, SourcePath
from seldfuse.synth.timelines.statistics import Distances
from seldfuse.synth.timelines.timeline import SourceTimeline

LENGTH_M, WIDTH_M, HEIGHT_M = (2.8, 13.0), (2.5, 10.0), (2.3, 4.5)
MICROPHONE_HEIGHT_M = (0.6, 1.8)
RT60_S = (0.15, 1.2)
DISTANCE_M = (0.5, 6.0)
NEAREST_M = 0.5
FROM_WALL_M = 0.15
SPARE_M = 0.7
"""No wall is nearer to the microphone, so that the nearest source fits in every direction."""
ROOM_TRIES = 20
"""Rooms that are tried for the drawn places; the first that holds all of them is taken, else the best."""

GAIN_DB = 10.0
DIRECTED_SHARE, DIRECTIVITY = 0.7, (0.2, 1.0)
LIMITED_SHARE, BANDWIDTH_HZ = 0.6, (6_500.0, 8_000.0)
NEARBY_SHARE, NEARBY_S, NEARBY_GAIN = 0.4, (0.0003, 0.003), (0.2, 0.7)
IRREGULAR_SHARE, IRREGULARITY = 0.85, (0.2, 1.0)
LATE_SIDE_DB = 3.0
TABLE_SHARE, TABLE_M, TABLE_GAIN = 0.3, (0.05, 0.5), (0.3, 0.9)

_CRITICAL = 0.057
"""An omnidirectional source is as strong as its reverberation at this times √(volume / RT60), in metres."""


class Destination(NamedTuple):
    """Where a source should be: a direction of the view and a distance."""

    azimuth_deg: float
    elevation_deg: float
    distance_m: float


class _Site(NamedTuple):
    """A room without walls: its size, where the microphone is, how the view is turned."""

    size_m: Float[np.ndarray, "3"]
    microphone_m: Float[np.ndarray, "3"]
    yaw_deg: float


def draw_places(
    parts: Sequence[SourceTimeline], distances: Distances, rng: np.random.Generator
) -> tuple[Room, list[SourcePath]]:
    """Draw a room in which all sources have their distances, and their ways through it.

    Distances are even in log from 0.5 to 6 m, or as `distances` has them where they were fitted. What fits in none of
    the rooms that were tried is drawn nearer.
    """
    ways = [_draw_way(part, distances, rng) for part in parts]
    site = _find_site([place for way in ways for place in way], rng)
    paths = [_path(part, way, site) for part, way in zip(parts, ways, strict=True)]
    return _draw_room(site, rng), paths


def draw_source(cls: int, takes: Sequence[SoundTake], path: SourcePath, rng: np.random.Generator) -> ScenePlanSource:
    """Draw how strong a source is and how it sends its sound, whatever its class and place."""
    directed, limited, nearby = rng.random(3) < (DIRECTED_SHARE, LIMITED_SHARE, NEARBY_SHARE)
    gain_db, tail_start = round(rng.uniform(-GAIN_DB, GAIN_DB), 2), int(rng.integers(TABLE_SAMPLES))
    strength, facing_deg = _draw_directivity(rng) if directed else (0.0, 0.0)
    return ScenePlanSource(
        cls, tuple(takes), path, gain_db, tail_start,
        directivity=strength, facing_deg=facing_deg,
        bandwidth_hz=round(rng.uniform(*BANDWIDTH_HZ)) * 1.0 if limited else None,
        nearby_delay_s=round(draw_log_uniform(rng, *NEARBY_S), 6) if nearby else 0.0,
        nearby_gain=round(rng.uniform(*NEARBY_GAIN), 3) if nearby else 0.0,
    )  # fmt: skip


def direct_sources(scene: ScenePlan, rng: np.random.Generator) -> ScenePlan:
    """Make the omnidirectional ones among the sources of a scene directive."""
    sources = []
    for source in scene.sources:
        strength, facing_deg = (source.directivity, source.facing_deg) if source.directivity else _draw_directivity(rng)
        sources.append(replace(source, directivity=strength, facing_deg=facing_deg))
    return replace(scene, sources=tuple(sources))


def _draw_directivity(rng: np.random.Generator) -> tuple[float, float]:
    """How directive a source is, and how it is turned."""
    return round(rng.uniform(*DIRECTIVITY), 3), round(rng.uniform(-180.0, 180.0), 1)


def _draw_way(part: SourceTimeline, distances: Distances, rng: np.random.Generator) -> list[Destination]:
    """Where a source starts and, if it moves, where it ends."""
    distance_m = distances.draw(rng) if distances.fitted else draw_log_uniform(rng, *DISTANCE_M)
    start = Destination(part.azimuth_deg, part.elevation_deg, distance_m)
    if part.angular_speed_deg_s == 0.0:
        return [start]
    end_m = distance_m * rng.uniform(0.8, 1.25)
    turn_deg = _limit_turn(part, min(distance_m, end_m))
    return [start, Destination(part.azimuth_deg + turn_deg, part.elevation_deg, end_m)]


def _limit_turn(part: SourceTimeline, distance_m: float) -> float:
    """How far a source turns: a straight walk comes nearer than its ends, but never nearer than the nearest place."""
    turn_deg = part.angular_speed_deg_s * (sum(part.stretches[-1]) - part.stretches[0][0])
    widest_deg = min(120.0, 2.0 * math.degrees(math.acos(min(1.0, NEAREST_M / distance_m))))
    return float(np.clip(turn_deg, -widest_deg, widest_deg))


def _find_site(places: Sequence[Destination], rng: np.random.Generator) -> _Site:
    best, most = None, -1.0
    for _ in range(ROOM_TRIES):
        site = _draw_site(rng)
        fits = [min(1.0, _measure_reach(site, place)[1] / place.distance_m) for place in places]
        if best is None or min(fits, default=1.0) > most:
            best, most = site, min(fits, default=1.0)
        if most == 1.0:
            break
    assert best is not None
    return best


def _draw_site(rng: np.random.Generator) -> _Site:
    size_m = np.array([draw_log_uniform(rng, *span_m) for span_m in (LENGTH_M, WIDTH_M, HEIGHT_M)])
    microphone_m = [*rng.uniform(SPARE_M, size_m[:2] - SPARE_M), rng.uniform(*MICROPHONE_HEIGHT_M)]
    return _Site(size_m, np.array(microphone_m), round(rng.uniform(0.0, 360.0), 1))


def _measure_reach(site: _Site, place: Destination) -> tuple[float, float]:
    """The elevation that keeps a place between floor and ceiling, and how far its direction goes before a wall."""
    _, _, height_m = site.size_m
    up_m, down_m = height_m - site.microphone_m[2] - FROM_WALL_M, site.microphone_m[2] - FROM_WALL_M
    rise_m = float(np.clip(place.distance_m * math.sin(math.radians(place.elevation_deg)), -down_m, up_m))
    elevation_deg = math.degrees(math.asin(rise_m / place.distance_m))
    azimuth, flat = math.radians(place.azimuth_deg + site.yaw_deg), math.cos(math.radians(elevation_deg))
    towards = np.array([math.cos(azimuth), math.sin(azimuth)]) * max(flat, 1e-6)
    free_m = np.where(towards > 0, site.size_m[:2] - site.microphone_m[:2], site.microphone_m[:2]) - FROM_WALL_M
    return elevation_deg, float((free_m / np.maximum(np.abs(towards), 1e-9)).min())


def _place(site: _Site, azimuth_deg: float, elevation_deg: float, distance_m: float) -> Point:
    """The place in a direction, nearer where a wall is in the way."""
    elevation_deg, reach_m = _measure_reach(site, Destination(azimuth_deg, elevation_deg, distance_m))
    return round_point(find_direction(azimuth_deg, elevation_deg) * max(NEAREST_M, min(distance_m, reach_m)))


def _path(part: SourceTimeline, way: Sequence[Destination], site: _Site) -> SourcePath:
    start_m = _place(site, *way[0])
    if len(way) == 1:
        return SourcePath(start_m, start_m, 0.0, 1.0)
    distance_m = min(math.hypot(*start_m), way[1].distance_m)
    end_m = _place(site, way[0].azimuth_deg + _limit_turn(part, distance_m), *way[1][1:])
    return SourcePath(start_m, end_m, round(part.stretches[0][0], 3), round(sum(part.stretches[-1]), 3))


def _draw_room(site: _Site, rng: np.random.Generator) -> Room:
    nearest_m, farthest_m = (_CRITICAL * math.sqrt(site.size_m.prod() / rt60_s) for rt60_s in reversed(RT60_S))
    critical_m = draw_log_uniform(rng, nearest_m, farthest_m)
    rt60_s = site.size_m.prod() * (_CRITICAL / critical_m) ** 2
    # Rooms ring longer in the bass than in the treble; walls differ in how much they absorb, and where.
    octave = np.linspace(-1.0, 1.0, len(BANDS_HZ))
    decay_s = rt60_s * np.exp(-rng.uniform(0.0, 0.4) * octave)
    walls = rng.normal(0.0, 0.6, (6, 1)) + rng.normal(0.0, 0.25, (6, 1)) * octave
    absorption = find_absorption(site.size_m, np.exp(walls), decay_s)
    irregular, table = rng.random(2) < (IRREGULAR_SHARE, TABLE_SHARE)
    return Room(
        round_point(site.size_m), round_point(site.microphone_m), site.yaw_deg,
        tuple(tuple(round(float(cell), 4) for cell in row) for row in absorption),
        irregularity=round(rng.uniform(*IRREGULARITY), 3) if irregular else 0.0,
        irregularity_start=int(rng.integers(SCATTER_ROWS)),
        late_side_db=round(rng.uniform(-LATE_SIDE_DB, LATE_SIDE_DB), 2),
        table_m=round(rng.uniform(*TABLE_M), 3) if table else 0.0,
        table_gain=round(rng.uniform(*TABLE_GAIN), 3) if table else 0.0,
    )  # fmt: skip


def find_direction(azimuth_deg: float, elevation_deg: float) -> Float[np.ndarray, "3"]:
    """Find the unit vector of a direction in the view's axes."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])


def draw_log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number evenly in log."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def round_point(place_m: Sequence[float] | np.ndarray) -> Point:
    """Round a place to tenths of a millimetre."""
    x, y, z = (round(float(part), 4) for part in place_m)
    return x, y, z
