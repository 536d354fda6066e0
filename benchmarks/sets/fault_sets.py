"""Clean data sets for faults to be made in: random scenes of varied rooms, ours or pyroomacoustics'."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.studies.faults import RawClip, RawSet
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025
from seldfuse.metrics.rows import to_rows
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.render import render_scenes
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

CLIPS = 16
"""Clips of 5 s in a set: a small data set of somebody's own."""


def draw_sets(sounds: Path, count: int, theirs: bool = False, seed: int = 33) -> Iterator[RawSet]:
    """Draw sets of random scenes from held-out sounds, rendered by our rooms, or, with `theirs`, by pyroomacoustics."""
    stage = SceneIngredients(load_bank(sounds, DCASE2025, "held"), SceneStatistics.load(), evenness=0.5)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        clips = []
        for clip in range(CLIPS):
            samples, events = _render(stage, rng, theirs)
            clips.append(RawClip(f"clip{clip:03}", samples, round_rows(events)))
        yield clips


def round_rows(events: Events) -> np.ndarray:
    """Round rows as label files have them: whole degrees and centimetres."""
    rows = to_rows(events).copy()
    rows[:, 3], rows[:, 4] = np.rint(rows[:, 3]), np.rint(rows[:, 4] * 100) / 100
    return rows


def _render(stage: SceneIngredients, rng: np.random.Generator, theirs: bool) -> tuple[np.ndarray, Events]:
    scene = draw_scene(stage, rng)
    if theirs:
        from benchmarks.sets.pra_scenes import render_with_pyroomacoustics

        samples, truth = render_with_pyroomacoustics(scene, stage.bank)
    else:
        rendered = render_scenes([scene], stage.bank)
        samples, truth = rendered.audio[0].numpy(), rendered.truth
    return samples, truth.to_events()[0]
