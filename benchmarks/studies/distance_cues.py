"""What each feature knows of distance and azimuth: `python -m benchmarks distance-cues --sounds DIR`.

Drawn scenes, of which one source is left, at rest: at any level and in any room, so that neither gives the distance
away. Each channel of a feature is pooled over the source's active frames, and a regression by kernels is fitted on one
side of the sounds and tried on the other.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.stats
import torch
from jaxtyping import Bool, Float
from rich.console import Group
from torch import Tensor

from benchmarks.speed.report import table
from seldfuse.core.labels import DCASE2025
from seldfuse.features.load import make_batch
from seldfuse.features.spectrum import MELS, SPECTRA_PER_FRAME
from seldfuse.features.stack import find_feature
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import ScenePlan, SourcePath
from seldfuse.synth.sounds.layouts import Side
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

EXISTING = ("logmel", "ild", "intensity", "stpacc")
FEATURES = (*EXISTING, "direct")
DIRECT = ("sine, 80 ms", "sine, 1 s", "sine, onsets", "share, 80 ms", "share, 1 s", "share, onsets")

GROUPS = [slice(0, 8), slice(8, 16), slice(16, 26), slice(26, 38), slice(38, 50), slice(50, MELS)]
"""Bands that are pooled together."""

SIDES: tuple[Side, Side] = ("train", "held")
CHUNK = 16
NOISE = np.geomspace(0.01, 3.0, 12)
"""Of the regression, relative to what is regressed."""


class Cues(NamedTuple):
    """Scenes with their pooled channels."""

    log_distance: Float[np.ndarray, "scene"]
    sine: Float[np.ndarray, "scene"]
    channels: dict[str, Float[np.ndarray, "scene number"]]


def measure(sounds: Path, scenes: int) -> dict[str, Any]:
    """Fit on scenes of one side of the sounds, try on those of the other, as the document that is written."""
    fit, test = (draw_cues(sounds, side, scenes) for side in SIDES)
    channels = {name: [key for key in fit.channels if key.partition(":")[0] == name] for name in FEATURES}
    existing = [key for name in EXISTING for key in channels[name]]
    sets = channels | dict(
        zip((f"direct: {name}" for name in DIRECT), ([key] for key in channels["direct"]), strict=True)
    )
    sets |= {"the four": existing, "the four and direct": existing + channels["direct"]}
    return {"scenes": scenes, "sets": {name: evaluate_cues(fit, test, keys) for name, keys in sets.items()}}


def draw_cues(sounds: Path, side: Side, count: int) -> Cues:
    """Draw scenes, and pool the features of each."""
    bank = load_bank(sounds, DCASE2025, side, on_problem=lambda _: None)
    stage = SceneIngredients(bank, SceneStatistics.load(), evenness=1.0)
    rng = np.random.default_rng(SIDES.index(side))
    places, pooled = [], []
    for first in range(0, count, CHUNK):
        scenes = [draw_lone_source(stage, rng) for _ in range(min(CHUNK, count - first))]
        rendered = render_scenes(scenes, bank)
        places += [scene.sources[0].path.start_m for scene in scenes]
        pooled.append(pool_features(rendered.audio, rendered.truth.active))
    distance_m = np.linalg.norm(places, axis=1)
    channels = {key: np.concatenate([part[key] for part in pooled]) for key in pooled[0]}
    return Cues(np.log(distance_m), np.array(places)[:, 1] / distance_m, channels)


def draw_lone_source(stage: SceneIngredients, rng: np.random.Generator) -> ScenePlan:
    """Draw a scene, and leave its first source alone, at rest."""
    scene = draw_scene(stage, rng)
    while not scene.sources:
        scene = draw_scene(stage, rng)
    start_m = scene.sources[0].path.start_m
    return replace(scene, sources=(replace(scene.sources[0], path=SourcePath(start_m, start_m)),))


def pool_features(
    audio: Float[Tensor, "batch 2 sample"], active: Bool[np.ndarray, "batch frame"]
) -> dict[str, Float[np.ndarray, "batch number"]]:
    """Pool each channel of each feature over active frames: its mean, its mean weighted with the power, its deviation.

    A channel of mel bands gives these three for each of six groups of bands.
    """
    batch = make_batch(audio)
    steps = active.shape[1] * SPECTRA_PER_FRAME
    sounding = torch.from_numpy(active).repeat_interleave(SPECTRA_PER_FRAME, dim=1).unsqueeze(-1).float()
    power = batch["mel_power"][:, :, :steps].mean(dim=1)
    pooled = {}
    for name in FEATURES:
        mel = find_feature(name).axis == "mel"
        for channel, cells in enumerate(batch[name][:, :, :steps].unbind(dim=1)):
            loud = power if mel else power.mean(dim=-1, keepdim=True).expand_as(cells)
            parts = [
                _pool(cells[..., group], sounding, loud[..., group]) for group in (GROUPS if mel else [slice(None)])
            ]
            pooled[f"{name}:{channel}"] = torch.cat(parts, dim=1).numpy()
    return pooled


def _pool(cells: Tensor, sounding: Tensor, power: Tensor) -> Float[Tensor, "batch 3"]:
    even = sounding.expand_as(cells) + 1e-9
    loud = power * sounding + 1e-12
    mean, weighted = ((cells * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)) for weight in (even, loud))
    square = ((cells - mean.reshape(-1, 1, 1)).square() * even).sum(dim=(1, 2)) / even.sum(dim=(1, 2))
    return torch.stack([mean, weighted, square.sqrt()], dim=1)


def evaluate_cues(fit: Cues, test: Cues, keys: Sequence[str]) -> dict[str, float]:
    """Fit a regression of some channels, and score what it says of other scenes."""
    known, asked = (np.concatenate([cues.channels[key] for key in keys], axis=1) for cues in (fit, test))
    distance, sine = _regress(known, np.stack([fit.log_distance, fit.sine], axis=1), asked).T
    off = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)) - np.arcsin(test.sine))
    return {
        "rank_correlation": float(scipy.stats.spearmanr(distance, test.log_distance).statistic),
        "slope": float(np.polyfit(test.log_distance, distance, 1)[0]),
        "median_factor": float(np.exp(np.median(np.abs(distance - test.log_distance)))),
        "median_deg": float(np.median(np.abs(off))),
    }


def _regress(
    known: Float[np.ndarray, "scene number"],
    values: Float[np.ndarray, "scene value"],
    asked: Float[np.ndarray, "more number"],
) -> Float[np.ndarray, "more value"]:
    """Regress by Gaussian kernels as wide as the numbers spread; the noise is that of the best leave-one-out error."""
    middle, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
    known, asked = (np.clip((part - middle) / spread, -4.0, 4.0) for part in (known, asked))
    kernel, reach = _kernel(known, known), _kernel(asked, known)
    level = values.mean(axis=0)
    size, axes = scipy.linalg.eigh(kernel)
    found = np.empty((len(asked), values.shape[1]))
    for column, centered in enumerate((values - level).T):
        weights = [_weigh(size, axes, centered, noise) for noise in NOISE]
        best = min(weights, key=lambda pair: float(np.square(pair[1]).mean()))
        found[:, column] = reach @ best[0]
    return np.asarray(found + level)


def _weigh(size: np.ndarray, axes: np.ndarray, values: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the kernels, and what is missed where each scene is left out."""
    inverse = 1.0 / (size.clip(0.0) + noise)
    weights = axes @ (inverse * (axes.T @ values))
    return weights, weights / (np.square(axes) @ inverse)


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    squared = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2.0 * one @ other.T
    return np.asarray(np.exp(-squared / (4.0 * one.shape[1])))


def tables(result: dict[str, Any]) -> Group:
    """Format the document for people."""
    rows = table("known to a regression", "rank correlation", "slope", "median factor", "azimuth off")
    for name, row in result["sets"].items():
        rows.add_row(
            name,
            f"{row['rank_correlation']:.2f}",
            f"{row['slope']:.2f}",
            f"{row['median_factor']:.2f}",
            f"{row['median_deg']:.1f}°",
        )
    return Group(rows, "", f"fitted on {result['scenes']} scenes, tried on as many of other sounds")
