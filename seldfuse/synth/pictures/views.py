"""Random views: who stands for which source, and who else is about."""

from collections.abc import Sequence

import numpy as np

from seldfuse.synth.pictures.background import BackgroundSet, estimate_room
from seldfuse.synth.pictures.body import STATURE_M
from seldfuse.synth.pictures.cutout import POINT, Cutout
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.scene import CameraView, Figure, MeasuredRoom, Room, ScenePlanSource, SourcePath

UNSEEN_SHARE = 0.1
"""Of the sources before the camera, how many nobody is to be seen for."""

STATURES_M = (1.5, 1.9)
THING_SCALES = (0.85, 1.2)
BYSTANDERS = (0.45, 0.35, 0.2)
"""How often none, one and two are about who make no sound."""

BYSTANDER_AZIMUTH_DEG, BYSTANDER_DISTANCE_M = 55.0, (1.3, 5.0)
PERSON_SHARE, WALKING_SHARE = 0.7, 0.3
WALKING_M_PER_S = (0.3, 1.2)
NEAREST_WALK_M = 0.8
SEEDS = 2**31


def draw_view(
    sources: Sequence[ScenePlanSource],
    room: Room | MeasuredRoom | None,
    cutouts: CutoutSet,
    backgrounds: BackgroundSet,
    rng: np.random.Generator,
    duration_s: float = 5.0,
) -> CameraView:
    """Draw a background, a figure for most sources that come before the camera, and up to two who make no sound.

    The statures of people are such that those who stand have their feet on the floor, within the bounds of statures.
    """
    background = backgrounds.draw(rng)
    floor_m = -estimate_room(background, room).microphone_m[2]
    figures: list[tuple[float, Figure]] = []
    used: set[str] = set()
    for index, source in enumerate(sources):
        unseen = rng.random() < UNSEEN_SHARE
        if unseen or max(source.path.start_m[0], source.path.end_m[0]) <= 0:
            continue
        key = cutouts.draw(source.cls, rng, used)
        cutout, kind = cutouts.load_cutout(key), cutouts.draw_kind(source.cls)
        scale = _scale(cutout, kind, source.path.start_m[2] - floor_m, rng)
        figure = Figure(key, cutout.height_m * scale, index, None, bool(rng.integers(2)), int(rng.integers(SEEDS)))
        figures.append((source.path.start_m[0], figure))
        used.add(key)
    for _ in range(rng.choice(len(BYSTANDERS), p=BYSTANDERS)):
        figure = _bystander(cutouts, used, floor_m, duration_s, rng)
        assert figure.path is not None
        figures.append((figure.path.start_m[0], figure))
        used.add(figure.sprite)
    figures.sort(key=lambda pair: -pair[0])
    return CameraView(background, tuple(figure for _, figure in figures))


def _scale(cutout: Cutout, kind: str, above_floor_m: float, rng: np.random.Generator) -> float:
    """How much larger than of ordinary size something is, whose sounding place is so high above the floor."""
    rows = cutout.rgba.shape[0]
    below_m = (rows - cutout.get_sound_position(kind)[1]) / rows * cutout.height_m
    # Feet say nothing about the stature.
    if cutout.is_person and below_m > 0.3:
        return float(np.clip(above_floor_m / below_m, *np.divide(STATURES_M, STATURE_M)))
    return _any_scale(cutout, rng)


def _any_scale(cutout: Cutout, rng: np.random.Generator) -> float:
    return float(rng.uniform(*np.divide(STATURES_M, STATURE_M) if cutout.is_person else THING_SCALES))


def _bystander(
    cutouts: CutoutSet, used: set[str], floor_m: float, duration_s: float, rng: np.random.Generator
) -> Figure:
    """Someone or something on the floor."""
    cls = None if rng.random() < PERSON_SHARE else int(rng.integers(len(cutouts.labels)))
    key = cutouts.draw(cls, rng, used)
    cutout = cutouts.load_cutout(key)
    height_m, rows = cutout.height_m * _any_scale(cutout, rng), cutout.rgba.shape[0]
    azimuth, distance_m = np.radians(rng.uniform(-1, 1) * BYSTANDER_AZIMUTH_DEG), rng.uniform(*BYSTANDER_DISTANCE_M)
    x, y = float(distance_m * np.cos(azimuth)), float(distance_m * np.sin(azimuth))
    z = floor_m + height_m * (rows - cutout.get_sound_position(POINT)[1]) / rows
    end = (x, y, z)
    if cutout.is_person and rng.random() < WALKING_SHARE:
        angle, way_m = rng.uniform(0, 2 * np.pi), rng.uniform(*WALKING_M_PER_S) * duration_s
        end = (max(x + float(way_m * np.cos(angle)), NEAREST_WALK_M), y + float(way_m * np.sin(angle)), z)
    path = SourcePath((x, y, z), end, 0.0, duration_s)
    return Figure(key, height_m, None, path, bool(rng.integers(2)), int(rng.integers(SEEDS)))
