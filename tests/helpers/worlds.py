"""Small worlds for tests: sounds that anyone can make, and scenes of one source."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path as Folder
from typing import Any

import av
import numpy as np
import pytest
import torch

from seldfuse.catalogue.load import load_reference
from seldfuse.checkpoint import save_checkpoint
from seldfuse.cli import main
from seldfuse.core.events import Events
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.inference import clips
from seldfuse.media.encode import write_video, write_wav
from seldfuse.nn.resnet_conformer import TrunkConfig
from seldfuse.synth.render import render_scenes
from seldfuse.synth.rooms.bands import BANDS_HZ
from seldfuse.synth.rooms.shoebox import find_absorption
from seldfuse.synth.scene import Ambience, Room, ScenePlan, ScenePlanSource, SoundTake, SourcePath
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank

BACKENDS = {"doa": ("logmel", "intensity"), "sde": ("logmel", "intensity", "stpacc"), "sce": ("logmel", "intensity")}
POOLS = ((5, 4), (1, 1), (1, 4), (1, 2))
FPS = Fraction(25)
THREE = LabelSet("three", (Label("hiss", "Hiss"), Label("tone", "Tone"), Label("tick", "Tick")))


def write_sounds(folder: Folder, groups: int = 3, seconds: float = 1.5) -> Folder:
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


def place(azimuth_deg: float, distance_m: float = 1.5, elevation_deg: float = 0.0) -> tuple[float, float, float]:
    """A point in metres, in the view's axes."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    flat = distance_m * np.cos(elevation)
    return float(flat * np.cos(azimuth)), float(flat * np.sin(azimuth)), float(distance_m * np.sin(elevation))


def standing(azimuth_deg: float, distance_m: float = 1.5, elevation_deg: float = 0.0) -> SourcePath:
    """A path that goes nowhere."""
    there = place(azimuth_deg, distance_m, elevation_deg)
    return SourcePath(there, there)


def plain_room(rt60_s: float, size_m: tuple[float, float, float] = (10.0, 9.0, 3.5)) -> Room:
    """A room whose walls are all alike, the microphone near its middle."""
    absorption = find_absorption(np.array(size_m), np.ones((6, len(BANDS_HZ))), np.full(len(BANDS_HZ), rt60_s))
    return Room(size_m, (4.7, 4.2, 1.5), 20.0, tuple(tuple(map(float, wall)) for wall in absorption))


def one_source(
    sound: BankSound,
    azimuth_deg: float,
    distance_m: float = 1.5,
    elevation_deg: float = 0.0,
    rt60_s: float | None = 0.16,
    noise_db: float | None = -70.0,
    labels: LabelSet = THREE,
    tail_start: int = 0,
) -> torch.Tensor:
    """Five seconds of one sound from one place, `(2, sample)`; no reverberation time means the open air."""
    take = SoundTake("sound", 0.1, min(len(sound.samples) / 24_000, 4.8))
    source = ScenePlanSource(sound.cls, (take,), standing(azimuth_deg, distance_m, elevation_deg), 0.0, tail_start)
    room = None if rt60_s is None else plain_room(rt60_s)
    ambience = None if noise_db is None else Ambience(noise_db)
    bank = SoundBank.from_sounds(labels, {"sound": sound})
    return render_scenes([ScenePlan((source,), room, ambience)], bank).audio[0]


def save_random(folder: Folder, backend: str, labels: LabelSet, seed: int = 0) -> Folder:
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


def write_pcm(
    path: Folder, samples: np.ndarray, codec: str = "pcm_f32le", rate_hz: int = 24_000, layout: str = ""
) -> Folder:
    """A file of one sound; unlike `write_wav`, with any values and any number of channels."""
    layout = layout or {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for packed in av.AudioResampler(stream.codec_context.format, layout, rate_hz).resample(frame):
            file.mux(stream.encode(packed))
        file.mux(stream.encode(None))
    return path


def result_of(events: Events, **about: Any) -> Result:
    """What a run by two backends would have given, had it found these events."""
    silence = Posterior(torch.zeros(1, 50, len(events.labels), 1), labels=events.labels)
    told = {"name": "clip", "duration_s": 5.0, "fusion": "mean", "device": "cpu", **about}
    return Result(
        frames=events,
        events=events,
        posterior=silence,
        uncorrected=silence,
        members={"sed-sce": silence, "cmc@best": silence},
        **told,
    )


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
    clips.BATCH_WINDOWS = 1
    main(arguments)


class HereAndNow:
    """Stands in for a pool of processes, whose start takes seconds."""

    def __init__(self, _workers: int, _context: Any, begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        begin(*arguments)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        pass


def film(
    path: Folder, seconds: float, size: tuple[int, int] = (36, 64), fps: Fraction = FPS, sound_s: float = 0.0
) -> Folder:
    """A video whose level is 10 times the second it is, with as much sound as is wanted."""
    rng = np.random.default_rng(0)
    count = round(seconds * fps)
    pictures = [np.full((36, 64, 3), 10 + 10 * int(number / fps), np.uint8) for number in range(count)]
    sound = (0.1 * rng.standard_normal((2, round(24_000 * (sound_s or seconds))))).astype(np.float32)
    write_video(path, pictures, fps, sound)
    return path
