"""Random plans, put into rooms of a given reverberation time, where all sources stand or all move."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from seldfuse.core.labels import DCASE2025
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.rooms.bands import BANDS_HZ
from seldfuse.synth.rooms.shoebox import find_absorption
from seldfuse.synth.scene import Point, Room, ScenePlan, ScenePlanSource, SourcePath
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

NEAREST_M, FARTHEST_M = 0.6, 4.0
HIGHEST_DEG = 25.0
FROM_WALL_M = 0.2


def procedural_stage() -> SceneIngredients:
    """Build the ingredients of scenes: procedural sounds, arranged as in real recordings."""
    return SceneIngredients(build_procedural_bank(DCASE2025, held_out=True, count=20), SceneStatistics.load())


def plans(stage: SceneIngredients, rt60_s: float, moving: bool, rng: np.random.Generator) -> Iterator[ScenePlan]:
    """Draw endless random scenes, each of one source at least."""
    while True:
        scene = draw_scene(stage, rng)
        if scene.sources:
            room = draw_room(rt60_s, rng)
            sources = tuple(replace(source, path=_path(source, room, moving, rng)) for source in scene.sources)
            yield replace(scene, room=room, sources=sources)


def draw_room(rt60_s: float, rng: np.random.Generator) -> Room:
    """Draw a room whose walls differ, with the microphone in its middle half."""
    size_m = rng.uniform((3.5, 3.5, 2.4), (9.0, 7.0, 4.0))
    walls = np.exp(rng.normal(0.0, 0.5, (6, 1))) * np.ones(len(BANDS_HZ))
    absorption = find_absorption(size_m, walls, np.full(len(BANDS_HZ), rt60_s))
    rows = tuple(tuple(wall) for wall in absorption.tolist())
    return Room(_point(size_m), _point(size_m * rng.uniform(0.3, 0.6, 3)), float(rng.uniform(0.0, 360.0)), rows)


def draw_position(room: Room, rng: np.random.Generator) -> Point:
    """Draw a position in the view's axes, all azimuths alike."""
    while True:
        distance_m = rng.uniform(NEAREST_M, FARTHEST_M)
        azimuth, elevation = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(-HIGHEST_DEG, HIGHEST_DEG))
        flat = math.cos(elevation)
        position_m = distance_m * np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])
        inside = room.locate(position_m)
        if (inside > FROM_WALL_M).all() and (inside < np.array(room.size_m) - FROM_WALL_M).all():
            return _point(position_m)


def _path(source: ScenePlanSource, room: Room, moving: bool, rng: np.random.Generator) -> SourcePath:
    """A stand, or a walk for as long as the source sounds that never comes too near."""
    if not moving:
        position_m = draw_position(room, rng)
        return SourcePath(position_m, position_m)
    begin_s, end_s = source.takes[0].start_s, source.takes[-1].start_s + source.takes[-1].duration_s
    while True:
        path = SourcePath(draw_position(room, rng), draw_position(room, rng), begin_s, end_s)
        if np.linalg.norm(path.compute_position(np.linspace(begin_s, end_s, 50)), axis=-1).min() > NEAREST_M:
            return path


def _point(position_m: np.ndarray) -> Point:
    x, y, z = position_m.tolist()
    return x, y, z
