"""Makes the projection in `checkpoints/people-and-things`.

`python docs/make_people_and_things.py --sprites FOLDER --backgrounds FOLDER`: the principal components of what
YOLOX-nano's classifiers take, in pictures of random scenes to train on.
"""

import argparse
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.encoders.people_and_things import (  # fmt: skip
    HEIGHT_PX,
    KEPT_FEATURES,
    WIDTH_PX,
    ColumnProjection,
    compute_feature_columns,
)
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.pictures.film import render_frames
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.vision.yolox import load_yolox

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints" / "people-and-things"
SCENES, SEED = 400, 20261201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True)
    settings = parser.parse_args()
    cutouts, backgrounds = load_cutouts(settings.sprites, DCASE2025), load_backgrounds(settings.backgrounds)
    bank = build_procedural_bank(DCASE2025, held_out=False, count=4)
    stage = SceneIngredients(bank, SceneStatistics.load(), 1.0, cutouts=cutouts, backgrounds=backgrounds)
    network, rng, columns = load_yolox("cpu"), np.random.default_rng(SEED), []
    for _ in range(SCENES):
        film = render_frames(draw_scene(stage, rng), cutouts, backgrounds, Camera(WIDTH_PX, HEIGHT_PX), 1)
        picture = torch.from_numpy(next(film)).permute(2, 0, 1)[None]
        columns.append(compute_feature_columns(network.compute_maps(picture))[0])
    FOLDER.mkdir(exist_ok=True)
    weights = {name: tensor.half() for name, tensor in _project(torch.cat(columns)).state_dict().items()}
    safetensors.torch.save_file(weights, FOLDER / "projection.safetensors")


def _project(columns: Tensor) -> ColumnProjection:
    mean = columns.mean(dim=0)
    _, deviations, directions = torch.linalg.svd(columns - mean, full_matrices=False)
    scale = deviations[:KEPT_FEATURES] / len(columns) ** 0.5
    weight = directions[:KEPT_FEATURES] / scale[:, None]
    print(f"variance kept: {deviations[:KEPT_FEATURES].square().sum() / deviations.square().sum():.3f}")
    projection = ColumnProjection()
    projection.load_state_dict({"into.weight": weight, "into.bias": -weight @ mean})
    return projection


if __name__ == "__main__":
    main()
