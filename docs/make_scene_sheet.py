"""Draws twelve scenes as a camera sees them, with what a perfect detector would say of them.

    python docs/make_scene_sheet.py [--sprites DIR] [--backgrounds DIR] docs/images/scenes.jpg

Boxes and keypoints are those of `seldfuse.synth.pictures.film.compute_detections`; a red cross marks the pixel of each
source.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from seldfuse.core.detections import Detections
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.synth import scene as plan
from seldfuse.synth.pictures.background import BackgroundSet, load_backgrounds
from seldfuse.synth.pictures.cutout import FEET, MOUTH
from seldfuse.synth.pictures.cutout_set import CutoutSet, load_cutouts
from seldfuse.synth.pictures.film import compute_detections, render_frames
from seldfuse.synth.pictures.views import draw_view

CAMERA = Camera(480, 270)
MICROPHONE_M = 1.4
MOMENT = 25
"""The picture shown, of ten in a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sprites", type=Path)
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    cutouts, backgrounds = load_cutouts(arguments.sprites, DCASE2025), load_backgrounds(arguments.backgrounds)
    scenes = [random_scene(cutouts, backgrounds, np.random.default_rng([arguments.seed, n])) for n in range(12)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet(scenes, cutouts, backgrounds)).save(arguments.out, quality=82)


def random_scene(cutouts: CutoutSet, backgrounds: BackgroundSet, rng: np.random.Generator) -> plan.ScenePlan:
    """Draw a scene of one to three sources before the camera, a third of which walk."""
    size_m = tuple(float(side) for side in rng.uniform((5.0, 5.0, 2.5), (9.0, 8.0, 3.2)))
    middle_m = tuple(float(side * share) for side, share in zip(size_m, rng.uniform(0.35, 0.65, 2), strict=False))
    room = plan.Room(size_m, (*middle_m, MICROPHONE_M), float(rng.uniform(0, 360)), ())
    sources = tuple(_source(cutouts, rng) for _ in range(rng.integers(1, 4)))
    room_seen, placed, view = draw_view(sources, room, cutouts, backgrounds, rng)
    return plan.ScenePlan(placed, room_seen, view=view)


def _source(cutouts: CutoutSet, rng: np.random.Generator) -> plan.ScenePlanSource:
    cls = int(rng.integers(len(DCASE2025)))
    z = {MOUTH: 0.15, FEET: 0.1 - MICROPHONE_M}.get(cutouts.draw_kind(cls), -0.3)
    azimuth, distance_m = np.radians(rng.uniform(-45, 45)), rng.uniform(1.3, 4.0)
    x, y = float(distance_m * np.cos(azimuth)), float(distance_m * np.sin(azimuth))
    end = (x + 0.5, -y, z) if rng.random() < 1 / 3 else (x, y, z)
    return plan.ScenePlanSource(cls, (), plan.SourcePath((x, y, z), end, 0.0, 5.0))


def sheet(
    scenes: Sequence[plan.ScenePlan], cutouts: CutoutSet, backgrounds: BackgroundSet, columns: int = 3
) -> UInt8[np.ndarray, "height width 3"]:
    """Arrange one marked picture of each scene, in rows of `columns`."""
    marked = [_marked(scene, cutouts, backgrounds) for scene in scenes]
    return np.concatenate([np.concatenate(marked[n : n + columns], axis=1) for n in range(0, len(marked), columns)])


def _marked(
    scene: plan.ScenePlan, cutouts: CutoutSet, backgrounds: BackgroundSet
) -> UInt8[np.ndarray, "height width 3"]:
    picture = Image.fromarray(list(render_frames(scene, cutouts, backgrounds, CAMERA, 10))[MOMENT])
    pen = ImageDraw.Draw(picture)
    _mark_seen(pen, compute_detections(scene, cutouts, CAMERA, np.array([MOMENT / 10])))
    for source in scene.sources:
        x, y, z = source.path.compute_position(MOMENT / 10)
        column, row = CAMERA.width_px / 2 - CAMERA.focal_px * y / x, CAMERA.height_px / 2 - CAMERA.focal_px * z / x
        pen.line([column - 7, row, column + 7, row], fill="red", width=2)
        pen.line([column, row - 7, column, row + 7], fill="red", width=2)
    return np.asarray(picture)


def _mark_seen(pen: ImageDraw.ImageDraw, seen: Detections) -> None:
    for row, keypoints in zip(seen.table.itertuples(), seen.keypoints, strict=True):
        pen.rectangle([row.left_px, row.top_px, row.right_px - 1, row.bottom_px - 1], outline="yellow")
        pen.text((row.left_px + 3, row.top_px + 1), row.phrase, fill="yellow")
        for x, y in keypoints[keypoints[:, 2] == 1, :2]:
            pen.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], fill="cyan")


if __name__ == "__main__":
    main()
