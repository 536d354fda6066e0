"""The pictures of a scene, and what a perfect detector would see in them.

A figure is a flat cut-out that faces the camera. The place on it that sounds (the mouth of who speaks, the hands of
who claps, the feet of who walks) lies on the pixel of its source by the pinhole law, whatever else of it moves:
figures lean from side to side and stretch about that place.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, UInt8, UInt16
from torch import Tensor

from seldfuse.core.detections import Detections
from seldfuse.core.geometry import Camera
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.body import LEFT_AND_RIGHT
from seldfuse.synth.pictures.cutout import Cutout
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.look import cast_shadow, find_gains, make_finisher, measure_light
from seldfuse.synth.scene import CameraView, ScenePlan, SourcePath

FPS = Fraction(30000, 1001)
"""The challenge's rate."""

CAMERA = Camera()

NEAREST_M = 0.2
"""Whoever is nearer to the plane of the lens is not drawn."""

LEAN_DEG, STRETCH = 0.8, 0.006
"""How far who stands leans and widens at most: three centimetres at the feet of who speaks."""

WALK = 2.5
"""Who walks leans that much more."""

SWAY_S, STEPS_S = (3.0, 5.0), (0.95, 1.25)
"""Shortest and longest time of a sway, and of two steps."""

FINISHED = 64
"""Pictures of a scene that are remembered, 0.7 MB each."""

LONGEST_SMEAR = 0.1
"""Of the width of the picture."""

LEAN_STEPS = 8
"""Leaning goes by steps, so that those who stand are drawn from few pictures."""

Matrix = Float[np.ndarray, "2 2"]
Pair = Float[np.ndarray, "2"]


def render_frames(
    scene: ScenePlan, cutouts: CutoutSet, backgrounds: BackgroundSet, camera: Camera = CAMERA, fps: Fraction | int = FPS
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Render the pictures of the scene at 0, 1 / fps, … seconds, as many as fit.

    Raises ValueError where the scene has no view, and what cutouts and backgrounds raise.
    """
    view, actors = _cast(scene, cutouts)
    background = backgrounds.read_picture(view.background, scene, camera)
    look, finish = view.look, None
    if look is not None:
        light = measure_light(background)
        actors = [replace(one, gains=find_gains(one.cutout, light, look.matching)) for one in actors]
        finish = make_finisher(look, camera.width_px, camera.height_px)
    cuts = _cutters(actors, camera)
    finished: dict[tuple[FigurePose, ...], UInt8[np.ndarray, "height width 3"]] = {}
    times_s = np.arange(round(scene.duration_s * fps)) / float(fps)
    for stands in _stands(actors, camera, times_s, look.shutter_s if look else 0.0):
        key = tuple(stands)
        if key in finished:
            # What a camera makes of a picture takes longer than to draw it, and who stands takes few poses.
            yield finished[key].copy()
            continue
        picture = background.copy()
        for stand in stands:
            if look is not None and look.shadow:
                _cast_shadow(picture, actors[stand.track], stand, look.shadow)
            cut = cuts[stand.track](stand)
            if cut is not None:
                cut.paste(picture)
        if finish is not None:
            picture = finish(picture)
            if len(finished) < FINISHED:
                finished[key] = picture.copy()
        yield picture


def compute_detections(
    scene: ScenePlan, cutouts: CutoutSet, camera: Camera, times_s: Float[np.ndarray, "time"]
) -> Detections:
    """Compute what a perfect detector finds of each figure at times in seconds, sorted by time and figure; `track` is
    the figure's index.

    A box holds the pixels that are more the figure's than the background's and that no nearer figure covers; figures
    without such a pixel are left out. Keypoints are those of people, with a score of 1 inside of the picture and 0
    outside of it, NaN where unknown and for things. Raises ValueError where the scene has no view, and what
    cutouts raise.
    """
    _, actors = _cast(scene, cutouts)
    cuts = _cutters(actors, camera)
    rows, keypoints = [], []
    for time_s, stands in zip(times_s, _stands(actors, camera, times_s), strict=True):
        free = np.ones((camera.height_px, camera.width_px), dtype=bool)
        seen = []
        for stand in reversed(stands):
            cut = cuts[stand.track](stand)
            box = None if cut is None else cut.claim(free)
            if box is not None:
                seen.append((stand, box))
        for stand, box in sorted(seen):
            rows.append((float(time_s), actors[stand.track].cutout.phrase, 1.0, *box, stand.track))
            keypoints.append(_keypoints(actors[stand.track], stand, camera))
    return Detections.from_rows(rows, keypoints)


@dataclass(frozen=True, eq=False)
class PlacedFigure:
    """A figure with its cut-out, the place on it that sounds (in pixels), its way, and gains of its colours."""

    cutout: Cutout
    origin: tuple[float, float]
    path: SourcePath
    height_m: float
    mirrored: bool
    sway: int
    shown: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)


class FigurePose(NamedTuple):
    """A figure at one moment: where its sounding place is, how large it is, how far it leans (−1 to 1), and over how
    many pixels it moves while the shutter is open.
    """

    track: int
    x_px: float
    y_px: float
    px_per_m: float
    lean: float
    smear_px: float = 0.0


class VisibleRegion(NamedTuple):
    """The part of a figure that lies inside the picture, from row `top` and column `left` on.

    `colour` is multiplied by alpha; `clear` is how much of what is behind shines through, of 256.
    """

    left: int
    top: int
    colour: UInt8[np.ndarray, "rows columns 3"]
    clear: UInt16[np.ndarray, "rows columns 3"]

    def paste(self, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        behind = self._part(picture)
        mixed = behind * self.clear
        mixed += 128
        mixed >>= 8
        mixed += self.colour
        behind[...] = mixed

    def claim(self, free: Bool[np.ndarray, "height width"]) -> tuple[float, float, float, float] | None:
        """Take this figure's pixels from the free ones; return the box of those it got (left, top, right, bottom)."""
        part, solid = self._part(free), self.clear[..., 0] <= 128
        taken = solid & part
        part &= ~solid
        columns, rows = np.flatnonzero(taken.any(axis=0)), np.flatnonzero(taken.any(axis=1))
        if len(rows) == 0:
            return None
        left, right = self.left + columns[0], self.left + columns[-1] + 1
        return float(left), float(self.top + rows[0]), float(right), float(self.top + rows[-1] + 1)

    def _part(self, picture: np.ndarray) -> np.ndarray:
        rows, columns = self.colour.shape[:2]
        return picture[self.top : self.top + rows, self.left : self.left + columns]


def _cast(scene: ScenePlan, cutouts: CutoutSet) -> tuple[CameraView, list[PlacedFigure]]:
    if scene.view is None:
        raise ValueError("expected a scene with a view, this one has sound only")
    actors = []
    for number, figure in enumerate(scene.view.figures):
        source = None if figure.source is None else scene.sources[figure.source]
        path = figure.path if source is None else source.path
        if path is None:
            raise ValueError(f"figure {number} has neither a source nor a path")
        cutout = cutouts.load_cutout(figure.sprite)
        origin = cutout.get_sound_position(cutouts.draw_kind(None if source is None else source.cls))
        actors.append(PlacedFigure(cutout, origin, path, figure.height_m, figure.mirrored, figure.sway, figure.shown))
    return scene.view, actors


def _cutters(actors: list[PlacedFigure], camera: Camera) -> list[Callable[[FigurePose], VisibleRegion | None]]:
    """Who draws which figure; who stands takes the same few poses again and again."""
    drawn = [partial(_cut, actor, camera) for actor in actors]
    return [cut if actor.path.moves else cache(cut) for actor, cut in zip(actors, drawn, strict=True)]


def _stands(
    actors: list[PlacedFigure], camera: Camera, times_s: Float[np.ndarray, "time"], shutter_s: float = 0.0
) -> Iterator[list[FigurePose]]:
    """For each time the figures before the camera, the farthest first."""
    ways = [_way(actor, camera, times_s, shutter_s) for actor in actors]
    for moment in range(len(times_s)):
        stands = [
            FigurePose(track, *way[moment].tolist()) for track, way in enumerate(ways) if not np.isnan(way[moment, 0])
        ]
        yield sorted(stands, key=lambda stand: stand.px_per_m)


def _way(
    actor: PlacedFigure, camera: Camera, times_s: Float[np.ndarray, "time"], shutter_s: float
) -> Float[np.ndarray, "time 5"]:
    """Pixel column and row, pixels per metre, leaning and smear at each time; NaN behind the lens."""
    x, y, z = actor.path.compute_position(times_s).T
    cos, sin = math.cos(math.radians(camera.yaw_deg)), math.sin(math.radians(camera.yaw_deg))
    depth_m, left_m = cos * x + sin * y, cos * y - sin * x
    px_per_m = camera.focal_px / np.where(depth_m > NEAREST_M, depth_m, np.nan)
    x_px, y_px = camera.width_px / 2 - left_m * px_per_m, camera.height_px / 2 - z * px_per_m
    smear_px = _smear(actor, camera, times_s, shutter_s) if shutter_s else np.zeros(len(times_s))
    return np.stack([x_px, y_px, px_per_m, _lean(actor, times_s), smear_px], axis=1)


def _smear(
    actor: PlacedFigure, camera: Camera, times_s: Float[np.ndarray, "time"], shutter_s: float
) -> Float[np.ndarray, "time"]:
    """How far to the side the image of a figure moves while the shutter is open."""
    before, after = (_way(actor, camera, times_s + side * shutter_s / 2, shutter_s=0.0)[:, 0] for side in (-1, 1))
    # Whoever passes before the lens would be smeared over all of the picture.
    smear_px = np.nan_to_num(np.abs(after - before)).clip(max=LONGEST_SMEAR * camera.width_px)
    return np.asarray(smear_px.round(1))


def _lean(actor: PlacedFigure, times_s: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
    if not actor.cutout.is_person:
        return np.zeros(len(times_s))
    rng = np.random.default_rng(actor.sway)
    phase, sway_s, steps_s = rng.uniform(0, 2 * np.pi), rng.uniform(*SWAY_S), rng.uniform(*STEPS_S)
    path = actor.path
    walks = path.moves & (times_s >= path.begin_s) & (times_s < path.end_s)
    lean = np.sin(2 * np.pi * times_s / np.where(walks, steps_s, sway_s) + phase) * np.where(walks, WALK, 1.0)
    return np.asarray(np.round(lean * LEAN_STEPS) / LEAN_STEPS)


def _matrix(actor: PlacedFigure, stand: FigurePose) -> Matrix:
    """From pixels of the cut-out to pixels of the picture, about the place that sounds."""
    scale = stand.px_per_m * actor.height_m / actor.cutout.rgba.shape[0]
    angle = math.radians(LEAN_DEG * stand.lean)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    widen = (1 + STRETCH * stand.lean) * (-1 if actor.mirrored else 1)
    return np.asarray(scale * turn * (widen, 1.0))


def _cut(actor: PlacedFigure, camera: Camera, stand: FigurePose) -> VisibleRegion | None:
    """None where nothing of the figure lies inside the picture."""
    matrix, at, origin = _matrix(actor, stand), np.array([stand.x_px, stand.y_px]), np.array(actor.origin)
    size = np.array(actor.cutout.rgba.shape[1::-1], dtype=float)
    corners = at + (np.array([(0, 0), (size[0], 0), (0, size[1]), size]) - origin) @ matrix.T
    reach = round(stand.smear_px / 2)
    margin = np.array([reach, 0])
    first = np.floor(corners.min(axis=0) - margin).clip(0).astype(int)
    last = np.ceil(corners.max(axis=0) + margin).clip(max=(camera.width_px, camera.height_px)).astype(int)
    columns, rows = (last - first).tolist()
    if columns <= 0 or rows <= 0:
        return None
    pyramid = actor.cutout.pyramid
    level = min(max(round(-math.log2(abs(np.linalg.det(matrix))) / 2), 0), len(pyramid) - 1)
    back = np.linalg.inv(matrix)
    grid = _grid(back, back @ (first - at) + origin, size, rows, columns)
    # No colour passes alpha, rounded or not, so that what is mixed never passes white.
    sampled = F.grid_sample(pyramid[level], grid, align_corners=False)[0]
    if actor.shown < 1.0:
        sampled *= grid[0, :, :, 1] < 2 * actor.shown - 1
    if actor.gains != (1.0, 1.0, 1.0):
        sampled[:3] = torch.minimum(sampled[:3] * torch.tensor(actor.gains).reshape(3, 1, 1), sampled[3:])
    if reach:
        sampled = F.avg_pool1d(F.pad(sampled, (reach, reach), mode="replicate"), 2 * reach + 1, stride=1)
    drawn = sampled.add_(0.5).to(torch.uint8).numpy()
    alpha = drawn[3].astype(np.uint16)
    clear = 256 - alpha - (alpha >> 7)
    return VisibleRegion(int(first[0]), int(first[1]), np.stack([*drawn[:3]], axis=2), np.stack([clear] * 3, axis=2))


def _cast_shadow(
    picture: UInt8[np.ndarray, "height width 3"], actor: PlacedFigure, stand: FigurePose, strength: float
) -> None:
    """Darken what is below someone or something whose lower edge is to be seen."""
    rows, columns = actor.cutout.rgba.shape[:2]
    if actor.shown < 1.0 or actor.cutout.cut_below:
        return
    middle = columns / 2 - actor.origin[0]
    foot = np.array([middle, rows - actor.origin[1]]) @ _matrix(actor, stand).T
    width_px = columns * stand.px_per_m * actor.height_m / rows
    cast_shadow(picture, stand.x_px + float(foot[0]), stand.y_px + float(foot[1]), width_px, strength)


def _grid(matrix: Matrix, start: Pair, size: Pair, rows: int, columns: int) -> Float32[Tensor, "1 rows columns 2"]:
    """Where in the cut-out each pixel's middle lies, from −1 to 1 as torch counts; `start` is the first corner."""
    matrix, start = matrix * 2 / size[:, None], start * 2 / size - 1
    across, down = torch.arange(columns)[None, :] + 0.5, torch.arange(rows)[:, None] + 0.5
    grid = torch.empty(1, rows, columns, 2)
    for axis in (0, 1):
        grid[0, :, :, axis] = across * float(matrix[axis, 0]) + (down * float(matrix[axis, 1]) + float(start[axis]))
    return grid


def _keypoints(actor: PlacedFigure, stand: FigurePose, camera: Camera) -> Float[np.ndarray, "17 3"]:
    points = actor.cutout.keypoints
    if points is None or not actor.cutout.is_person:
        return np.full((17, 3), np.nan)
    points = points[list(LEFT_AND_RIGHT)] if actor.mirrored else points
    places = (points[:, :2] - actor.origin) @ _matrix(actor, stand).T + (stand.x_px, stand.y_px)
    inside = ((places >= 0) & (places < (camera.width_px, camera.height_px))).all(axis=1)
    score = np.where(np.isnan(places[:, 0]), np.nan, inside)
    return np.column_stack([places, score])
