"""Small worlds for tests: sounds that anyone can make, and scenes of one source."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from seldfuse import listen
from seldfuse.checkpoint import save_checkpoint
from seldfuse.cli import main
from seldfuse.labels import Label, LabelSet
from seldfuse.media.encode import write_wav
from seldfuse.nn.resnet_conformer import TrunkConfig
from seldfuse.plugin.registry import load_reference
from seldfuse.synth.render import render
from seldfuse.synth.scene import Placed, Scene
from seldfuse.synth.sounds import Sound

BACKENDS = {"doa": ("logmel", "intensity"), "sde": ("logmel", "intensity", "stpacc"), "sce": ("logmel", "intensity")}
POOLS = ((5, 4), (1, 1), (1, 4), (1, 2))
THREE = LabelSet("three", (Label("hiss", "Hiss"), Label("tone", "Tone"), Label("tick", "Tick")))


def write_sounds(folder: Path, groups: int = 3, seconds: float = 1.5) -> Path:
    """A folder of sounds in sub-folders named after the classes of `THREE`."""
    rng = np.random.default_rng(0)
    time_s = np.arange(int(24_000 * seconds)) / 24_000
    for group in range(groups):
        sounds = {
            "0_hiss": rng.standard_normal(len(time_s)) * 0.1,
            "1_tone": 0.3 * np.sin(2 * np.pi * (500 + 100 * group) * time_s),
            "2_tick": 0.5 * rng.standard_normal(len(time_s)) * (time_s % 0.25 < 0.01),
        }
        for name, samples in sounds.items():
            path = folder / name / f"{group}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, np.clip(samples, -1, 1).astype(np.float32)[None])
    return folder


def one_source(
    sound: Sound,
    azimuth_deg: float,
    distance_m: float = 1.5,
    elevation_deg: float = 0.0,
    critical_distance_m: float = 2.5,
    noise_db: float = -70.0,
    labels: LabelSet = THREE,
    seed: int = 0,
) -> torch.Tensor:
    """Five seconds of one sound from one place, `(2, sample)`; a very large critical distance means no room."""
    frames = min(len(sound.active), 48)
    placed = Placed(0, sound, 1, 0, frames, azimuth_deg, elevation_deg, distance_m, 0.0)
    scene = Scene((placed,), critical_distance_m, 0.25, noise_db, 0.5, 0.0, None)
    audio, _ = render([scene], labels, np.random.default_rng(seed))
    return audio[0]


def save_random(folder: Path, backend: str, labels: LabelSet, seed: int = 0) -> Path:
    """A checkpoint of a tiny network that never learned anything."""
    torch.manual_seed(seed + len(labels))
    features = BACKENDS[backend]
    trunk = TrunkConfig(len(features) + 1, (4, 4, 8, 8), POOLS, projection=8, dim=16, blocks=1, heads=2, head_dim=8)
    build = load_reference(f"seldfuse_sed_{backend}.network:from_settings")
    network = build({"trunk": trunk.to_json(), "axes": 2}, labels)
    settings = {"features": list(features), "network": network.settings(), "training": {}}
    save_checkpoint(folder, network, backend, labels, settings)
    return folder


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((2, int(seconds * 24_000))) * 0.05).astype(np.float32)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(left.value.code or 0)


def run_window_by_window(arguments: Sequence[str]) -> None:
    """A command line in a process of its own, in which no clip shares a batch.

    A network's last bit depends on the size of the batch, and a run that continues batches other clips together.
    """
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    torch.set_num_threads(1)
    listen.BATCH_WINDOWS = 1
    main(arguments)
