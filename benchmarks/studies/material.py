"""What is timed on: clips of five seconds cut from the bundled one, and events like those of a challenge's clip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32

from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import DCASE2025
from seldfuse.formats.dcase import write_events
from seldfuse.media.encode import write_wav
from seldfuse.media.inputs import DEMO, find_clips

CLIP_S = 5.0
CLIP_SAMPLES = int(CLIP_S * SAMPLE_RATE_HZ)
CLIP_FRAMES = 50
BATCH = 16
"""Clips that are dealt with together, which is how many windows `seldfuse run` puts in a batch."""


def demo() -> Clip:
    """Find the bundled clip, an MP4 file."""
    (clip,) = find_clips([DEMO])
    return clip


def sound_of(clip: Clip) -> Float32[np.ndarray, "2 sample"]:
    return np.concatenate(list(clip.audio.blocks(lambda _: None)), axis=1)


def cut_clips(count: int) -> Float32[np.ndarray, "clip 2 sample"]:
    """Cut five seconds of the bundled clip from so many starts, evenly spread."""
    sound = sound_of(demo())
    starts = np.linspace(0, sound.shape[1] - CLIP_SAMPLES, count).astype(int)
    return np.stack([sound[:, start : start + CLIP_SAMPLES] for start in starts])


def write_clips(folder: Path, clips: Float32[np.ndarray, "clip 2 sample"]) -> list[Path]:
    """Write WAV files like those of the challenge: 24 kHz, 16 bits."""
    paths = [folder / f"{number:03}.wav" for number in range(len(clips))]
    for path, samples in zip(paths, clips, strict=True):
        write_wav(path, samples)
    return paths


def draw_events(rng: np.random.Generator) -> Events:
    """Draw two classes that sound throughout a clip, each from one position."""
    sources = [
        pd.DataFrame(
            {
                "frame": np.arange(CLIP_FRAMES),
                "cls": cls,
                "azimuth_deg": rng.uniform(-90.0, 90.0),
                "distance_m": rng.uniform(0.5, 5.0),
                "onscreen": 0.0,
            }
        )
        for cls in rng.choice(len(DCASE2025), 2, replace=False)
    ]
    return Events(pd.concat(sources))


def write_references_and_predictions(reference: Path, prediction: Path, count: int) -> None:
    """Write two folders of DCASE CSV files, one per clip; predicted azimuths are 15° off (standard deviation)."""
    rng = np.random.default_rng(0)
    for number in range(count):
        events = draw_events(rng)
        azimuth_deg = events.table["azimuth_deg"] + rng.normal(0.0, 15.0, len(events))
        predicted = replace(events, table=events.table.assign(azimuth_deg=azimuth_deg))
        write_events(events, reference / f"{number:03}.csv")
        write_events(predicted, prediction / f"{number:03}.csv")
