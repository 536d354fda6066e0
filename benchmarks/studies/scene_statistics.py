"""How real recordings and drawn scenes compare: `python -m benchmarks statistics --sounds DIR`.

Drawn scenes are counted on their labels as they are written, activity of the sounds included.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table as View

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import DCASE2025
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.render import render_dry_sounds
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics, describe
from seldfuse.synth.timelines.windows import Table
from seldfuse.synth.truth import compute_truth


def measure(sounds: Path, scenes: int, seed: int = 0) -> dict[str, Any]:
    """Describe real labels, and scenes from a sound folder with the classes' real shares."""
    stage = SceneIngredients(load_bank(sounds, DCASE2025, "train"), SceneStatistics.load())
    tables = [labels(stage, np.random.default_rng([seed, number])) for number in range(scenes)]
    return {"scenes": scenes, "real": stage.statistics.described, "drawn": describe(tables)}


def labels(stage: SceneIngredients, rng: np.random.Generator) -> Table:
    """Draw labels of one scene with the columns of `dcase.PLACE`, the rear not folded."""
    scene = draw_scene(stage, rng)
    dry = torch.from_numpy(render_dry_sounds([scene], stage.bank, round(scene.duration_s * SAMPLE_RATE_HZ)))
    truth = compute_truth([scene], stage.bank.labels, dry)
    source, frame = np.nonzero(truth.active)
    positions = [values[source, frame] for values in (truth.azimuth_deg, truth.elevation_deg, truth.distance_m)]
    return np.stack([frame, truth.cls[source], source, *positions], axis=1).astype(float)


def table(result: dict[str, Any]) -> View:
    """Format both side by side."""
    view = View("", "real", f"{result['scenes']} drawn")
    for name, value in result["real"].items():
        view.add_row(name, f"{value:.3f}", f"{result['drawn'].get(name, float('nan')):.3f}")
    return view
