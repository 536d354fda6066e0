"""How far and how strong sources are in drawn scenes: what distance, room and directivity do to the direct sound."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Group
from rich.table import Table
from scipy.stats import spearmanr

from seldfuse.core.labels import DCASE2025
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.render import compute_responses
from seldfuse.synth.scene import Room, ScenePlan
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

SEED = 7
EDGES_M = (0.5, 0.8, 1.2, 1.8, 2.5, 3.5, 6.5)
PERCENTILES = (5, 25, 50, 75, 95)


def measure(sounds: Path, scenes: int) -> dict[str, Any]:
    """Draw scenes of the sounds that train, and measure their sources where they start."""
    stage = SceneIngredients(load_bank(sounds, DCASE2025, "train"), SceneStatistics.load(), evenness=0.8)
    drawn = [draw_scene(stage, np.random.default_rng([SEED, number])) for number in range(scenes)]
    return describe_plans(drawn)


def describe_plans(drawn: list[ScenePlan]) -> dict[str, Any]:
    """Describe the distances and direct-to-reverberant ratios of the sources of some scenes in shoeboxes."""
    sources = [source for scene in drawn for source in scene.sources]
    distance_m = np.array([np.linalg.norm(source.path.start_m) for source in sources])
    ratio_db = np.concatenate([measure_ratios(scene) for scene in drawn if scene.sources])
    volume_m3 = np.array([np.prod(scene.room.size_m) for scene in drawn if isinstance(scene.room, Room)])
    bins = np.digitize(distance_m, EDGES_M)
    return {
        "scenes": len(drawn),
        "sources": len(sources),
        "rank_correlation": round(float(spearmanr(np.log(distance_m), ratio_db).statistic), 3),
        "distance_m": _percentiles(distance_m),
        "ratio_db": _percentiles(ratio_db),
        "volume_m3": _percentiles(volume_m3),
        "by_distance": [
            {"from_m": low, "to_m": high, "sources": len(own), **_percentiles(own)}
            for number, (low, high) in enumerate(itertools.pairwise(EDGES_M), start=1)
            for own in [ratio_db[bins == number]]
        ],
    }  # fmt: skip


def measure_ratios(scene: ScenePlan) -> Float[np.ndarray, "source"]:
    """Measure the direct-to-reverberant ratio of each source in dB, of all bands together, in W; reflections from near
    the source and from a table count as neither.
    """
    direct, reverberant = compute_responses(scene)
    energy = [part[:, 0].double().square().sum(dim=-1) for part in (direct, reverberant)]
    return np.asarray(10 * torch.log10(energy[0] / energy[1]).numpy())


def _percentiles(values: Float[np.ndarray, "value"]) -> dict[str, float]:
    found = np.percentile(values, PERCENTILES).round(2).tolist()
    return dict(zip([f"p{percent}" for percent in PERCENTILES], found, strict=True))


def tables(result: dict[str, Any]) -> Group:
    """Lay out what was measured."""
    names = [f"p{percent}" for percent in PERCENTILES]
    title = f"{result['sources']} sources, rank correlation of ratio and log distance {result['rank_correlation']}"
    ratios = Table("distance (m)", "sources", *names, title=title)
    for row in result["by_distance"]:
        ratios.add_row(f"{row['from_m']}–{row['to_m']}", str(row["sources"]), *[f"{row[name]:.1f}" for name in names])
    for name in ("ratio_db", "distance_m", "volume_m3"):
        ratios.add_row(name, str(result["sources"]), *[f"{result[name][percent]:.1f}" for percent in names])
    return Group(ratios)
