"""Random views: who stands for which source and how, who and what else is about, and what the camera makes of it.

Where a source stands is heard as an azimuth and a distance, hardly as a height. So heights follow what is seen: whoever
stands has the feet on the floor, whoever sits has a table before him, and small things stand on furniture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from seldfuse.synth.pictures.background import BackgroundSet, estimate_room
from seldfuse.synth.pictures.body import STATURE_M
from seldfuse.synth.pictures.cutout import FEET, HANDS, MOUTH, POINT, Cutout
from seldfuse.synth.pictures.cutout_set import BEARING, HIDING, CutoutSet
from seldfuse.synth.scene import (  # fmt: skip
    CameraView,
    Figure,
    MeasuredRoom,
    PictureLook,
    Point,
    Room,
    ScenePlanSource,
    SourcePath,
)

UNSEEN_SHARE = 0.1
"""Of the sources before the camera, how many nobody is to be seen for."""

STATURES_M = (1.5, 1.9)
THING_SCALES = (0.85, 1.2)
SILENT_PEOPLE, SILENT_THINGS = (0.35, 0.35, 0.2, 0.1), (0.3, 0.3, 0.25, 0.15)
"""How often none, one, two and three are about who make no sound."""

DISTRACTOR_SHARE = 0.5
"""Of the silent things, those that are of no class; the others might sound."""

SILENT_AZIMUTH_DEG, SILENT_DISTANCE_M = 55.0, (1.3, 5.0)
WALKING_SHARE = 0.3
WALKING_M_PER_S = (0.3, 1.2)
NEAREST_WALK_M = 0.8
SEEDS = 2**31

BEHIND_SHARE = 0.35
"""Of those who might stand, how many sit or stand behind a piece of furniture."""

SITTING_SHARE, SITTING_MOUTH_M, STANDING_MOUTH_M = 0.7, (1.0, 1.3), (1.35, 1.65)
MOUTH_ABOVE_EDGE_M = (0.3, 0.55)
LOWEST_EDGE_M = 0.2
HIDDEN_M = 0.12
"""How far a figure goes on behind the edge of what hides the rest."""

TALL_M = 0.6
"""Things of that height stand on the floor."""

TABLE_M, SHELF_M, ON_TABLE_SHARE = (0.45, 1.05), (0.9, 1.6), 0.8
"""How high small things stand, on furniture or (without) on a wall."""

BEFORE_M, BESIDE_M = (0.15, 0.35), 0.06
"""How much nearer what hides someone is, and how much farther the table is on which something stands."""

NEAREST_FURNITURE_M = 0.5
WIDTH_M = 1.0
"""How wide furniture is at least, as far as there is such a piece."""

LENS_HEIGHT_M = (1.2, 1.7)
"""How high photos of rooms are taken from; the microphone is at the same place."""

FLOOR_M = 0.05
"""Nothing sounds from lower above the floor, nor nearer to the ceiling."""


class StagedScene(NamedTuple):
    """A view, and the room and the sources of its scene with the heights that are seen."""

    room: Room | MeasuredRoom | None
    sources: tuple[ScenePlanSource, ...]
    view: CameraView


@dataclass(frozen=True)
class Stance:
    """How a figure stands: how tall the whole of it is, how high above the floor it sounds, which share of it is shown,
    and the height of the furniture that it stands behind, or (`on_top`) on; None is the floor or a wall.
    """

    height_m: float
    above_floor_m: float
    shown: float = 1.0
    edge_m: float | None = None
    on_top: bool = False


def draw_view(
    sources: Sequence[ScenePlanSource],
    room: Room | MeasuredRoom | None,
    cutouts: CutoutSet,
    backgrounds: BackgroundSet,
    rng: np.random.Generator,
    duration_s: float = 5.0,
) -> StagedScene:
    """Draw a background, a figure for most sources that come before the camera, silent people and things, and what the
    camera makes of it.

    Heights of the sources follow the figures', and that of the microphone follows the background, unless they were
    measured.
    """
    background = backgrounds.draw(rng)
    if isinstance(room, Room) and background in backgrounds.files:
        x, y, _ = room.microphone_m
        room = replace(room, microphone_m=_rounded(x, y, rng.uniform(*LENS_HEIGHT_M)))
    shown_room = estimate_room(background, room)
    stage = _Stage(cutouts, -shown_room.microphone_m[2], shown_room.size_m[2] - shown_room.microphone_m[2], rng)
    movable = not isinstance(room, MeasuredRoom)
    placed = tuple(stage.place_source(index, source, movable) for index, source in enumerate(sources))
    for _ in range(rng.choice(len(SILENT_PEOPLE), p=SILENT_PEOPLE)):
        stage.add_silent(cutouts.draw(None, rng, stage.used), duration_s)
    for _ in range(rng.choice(len(SILENT_THINGS), p=SILENT_THINGS)):
        is_distractor = rng.random() < DISTRACTOR_SHARE
        cls = int(rng.integers(len(cutouts.labels)))
        key = cutouts.draw_distractor(rng, stage.used) if is_distractor else cutouts.draw(cls, rng, stage.used)
        stage.add_silent(key, duration_s)
    figures = sorted(stage.figures, key=lambda pair: -pair[0])
    view = CameraView(background, tuple(figure for _, figure in figures), _draw_look(rng))
    return StagedScene(room, placed, view)


class _Stage:
    """The figures of a scene as they come, each with how far it is before the lens."""

    def __init__(self, cutouts: CutoutSet, floor_m: float, ceiling_m: float, rng: np.random.Generator) -> None:
        self.cutouts, self.floor_m, self.ceiling_m, self.rng = cutouts, floor_m, ceiling_m, rng
        self.figures: list[tuple[float, Figure]] = []
        self.used: set[str] = set()

    def place_source(self, index: int, source: ScenePlanSource, movable: bool) -> ScenePlanSource:
        """Give a source its figure where it is to be seen, and the height that the figure has."""
        unseen = self.rng.random() < UNSEEN_SHARE
        key = self.cutouts.draw(source.cls, self.rng, self.used)
        cutout, kind = self.cutouts.load_cutout(key), self.cutouts.draw_kind(source.cls)
        stance = draw_stance(cutout, kind, source.path.moves, self.rng)
        path = self._raise(source.path, stance) if movable else source.path
        if not movable:
            stance = _fit_stature(cutout, kind, path.start_m[2] - self.floor_m, self.rng)
        if not unseen and max(path.start_m[0], path.end_m[0]) > 0:
            self._add(key, stance, path, index)
        return replace(source, path=path)

    def add_silent(self, key: str, duration_s: float) -> None:
        """Add someone or something that makes no sound, anywhere in the picture."""
        cutout, rng = self.cutouts.load_cutout(key), self.rng
        walks = cutout.is_person and not cutout.cut_below and rng.random() < WALKING_SHARE
        stance = draw_stance(cutout, POINT, walks, rng)
        azimuth, distance_m = np.radians(rng.uniform(-1, 1) * SILENT_AZIMUTH_DEG), rng.uniform(*SILENT_DISTANCE_M)
        x, y, z = distance_m * math.cos(azimuth), distance_m * math.sin(azimuth), self.floor_m + stance.above_floor_m
        end = (x, y, z)
        if walks:
            angle, way_m = rng.uniform(0, 2 * np.pi), rng.uniform(*WALKING_M_PER_S) * duration_s
            end = (max(x + way_m * math.cos(angle), NEAREST_WALK_M), y + way_m * math.sin(angle), z)
        self._add(key, stance, SourcePath(_rounded(x, y, z), _rounded(*end), 0.0, duration_s), None)

    def _raise(self, path: SourcePath, stance: Stance) -> SourcePath:
        """The same way at the height of the figure, between floor and ceiling."""
        z = float(np.clip(self.floor_m + stance.above_floor_m, self.floor_m + FLOOR_M, self.ceiling_m - FLOOR_M))
        start_m, end_m = ((x, y, round(z, 4)) for x, y, _ in (path.start_m, path.end_m))
        return replace(path, start_m=start_m, end_m=end_m)

    def _add(self, key: str, stance: Stance, path: SourcePath, index: int | None) -> None:
        rng = self.rng
        figure = Figure(
            key, round(stance.height_m, 4), index, path if index is None else None, bool(rng.integers(2)),
            int(rng.integers(SEEDS)), round(stance.shown, 4),
        )  # fmt: skip
        self.figures.append((path.start_m[0], figure))
        self.used.add(key)
        if stance.edge_m is not None:
            self._add_furniture(path, stance)

    def _add_furniture(self, path: SourcePath, stance: Stance) -> None:
        """A piece of furniture under a thing or before someone, as wide as it happens to be."""
        x, y, _ = path.start_m
        away_m = BESIDE_M if stance.on_top else -self.rng.uniform(*BEFORE_M)
        depth_m = max(x + away_m, NEAREST_FURNITURE_M)
        if x <= NEAREST_FURNITURE_M:
            return
        assert stance.edge_m is not None
        # A table on which something stands shows a little of its top behind it.
        edge_m = stance.edge_m + 0.04 * stance.on_top
        key = self.cutouts.draw_furniture(BEARING if stance.on_top else HIDING, WIDTH_M / edge_m, self.rng)
        aside_m = self.rng.uniform(-0.2, 0.2)
        place = _rounded(depth_m, y * depth_m / x + aside_m, self.floor_m + edge_m)
        figure = Figure(
            key, round(edge_m, 4), None, SourcePath(place, place), bool(self.rng.integers(2)),
        )  # fmt: skip
        self.figures.append((depth_m, figure))


def draw_stance(cutout: Cutout, kind: str, moves: bool, rng: np.random.Generator) -> Stance:
    """Draw how someone or something stands whose place of this kind sounds; who moves stands on the floor."""
    if not cutout.is_person:
        return _draw_thing(cutout, moves, rng)
    height_m = cutout.height_m * float(rng.uniform(*STATURES_M)) / STATURE_M
    hidden = kind in (MOUTH, POINT) and not moves and rng.random() < BEHIND_SHARE
    if cutout.cut_below or (hidden and kind != FEET):
        return _draw_behind(cutout, kind, height_m, rng)
    return Stance(height_m, _below_m(cutout, kind, height_m))


def _draw_thing(cutout: Cutout, moves: bool, rng: np.random.Generator) -> Stance:
    height_m = cutout.height_m * float(rng.uniform(*THING_SCALES))
    below_m = _below_m(cutout, POINT, height_m)
    if height_m >= TALL_M:
        return Stance(height_m, below_m)
    if moves or rng.random() > ON_TABLE_SHARE:
        return Stance(height_m, below_m + float(rng.uniform(*SHELF_M)))
    edge_m = float(rng.uniform(*TABLE_M))
    return Stance(height_m, edge_m + below_m, edge_m=edge_m, on_top=True)


def _draw_behind(cutout: Cutout, kind: str, height_m: float, rng: np.random.Generator) -> Stance:
    """Someone of whom a piece of furniture hides the rest."""
    rows = cutout.rgba.shape[0]
    m_per_px, mouth = height_m / rows, cutout.get_sound_position(MOUTH)[1]
    mouth_m = float(rng.uniform(*(SITTING_MOUTH_M if rng.random() < SITTING_SHARE else STANDING_MOUTH_M)))
    edge_m = mouth_m - float(rng.uniform(*MOUTH_ABOVE_EDGE_M))
    sounds_m = mouth_m - (cutout.get_sound_position(kind)[1] - mouth) * m_per_px
    if cutout.cut_below:
        # Nothing may end in the air, and hands that clap are above the table.
        edge_m = max(edge_m, mouth_m - (rows - mouth) * m_per_px + HIDDEN_M / 2)
    if kind == HANDS:
        edge_m = max(min(edge_m, sounds_m - HIDDEN_M / 2), LOWEST_EDGE_M)
    shown = min(1.0, (mouth + (mouth_m - edge_m + HIDDEN_M) / m_per_px) / rows)
    return Stance(height_m, sounds_m, shown, edge_m)


def _fit_stature(cutout: Cutout, kind: str, above_floor_m: float, rng: np.random.Generator) -> Stance:
    """The stance of who sounds from a height that was measured: of such a stature that the feet are on the floor."""
    scale = float(rng.uniform(*(np.divide(STATURES_M, STATURE_M) if cutout.is_person else THING_SCALES)))
    below_m = _below_m(cutout, kind, cutout.height_m)
    # Feet say nothing about the stature.
    if cutout.is_person and below_m > 0.3:
        scale = float(np.clip(above_floor_m / below_m, *np.divide(STATURES_M, STATURE_M)))
    return Stance(cutout.height_m * scale, above_floor_m)


def _below_m(cutout: Cutout, kind: str, height_m: float) -> float:
    """How far what sounds is above the lower edge."""
    rows = cutout.rgba.shape[0]
    return float((rows - cutout.get_sound_position(kind)[1]) / rows * height_m)


def _draw_look(rng: np.random.Generator) -> PictureLook:
    red, blue = np.exp(rng.normal(0.0, 0.08, 2))
    return PictureLook(
        exposure_ev=round(float(np.clip(rng.normal(0.0, 0.5), -1.2, 1.0)), 2),
        red=round(float(red), 3), blue=round(float(blue), 3),
        contrast=round(float(rng.uniform(0.75, 1.2)), 3),
        blur_px=round(float(rng.uniform(0.3, 2.0)), 2) if rng.random() < 0.6 else 0.0,
        noise_levels=round(float(rng.uniform(0.0, 5.0)), 2),
        quality=int(rng.integers(25, 95)),
        matching=round(float(rng.uniform(0.1, 0.4)), 2),
        shadow=round(float(rng.uniform(0.2, 0.6)), 2),
        shutter_s=round(1 / float(rng.uniform(20.0, 120.0)), 4),
        zoom=round(float(rng.uniform(1.0, 1.3)), 2), pan=round(float(rng.random()), 2),
        mirrored=bool(rng.integers(2)),
        start=int(rng.integers(SEEDS)),
    )  # fmt: skip


def _rounded(x: float, y: float, z: float) -> Point:
    return round(float(x), 4), round(float(y), 4), round(float(z), 4)
