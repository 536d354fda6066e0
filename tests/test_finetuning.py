"""A recording of one's own: every bundled checkpoint can be taught it by heart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from worlds import standing

from seldfuse.events import Events
from seldfuse.formats.dcase import write_events
from seldfuse.labels import DCASE2025
from seldfuse.media.encode import write_wav
from seldfuse.plugin.registry import load_reference
from seldfuse.synth.render import render
from seldfuse.synth.scene import Ambience, Scene, Source, Take
from seldfuse.synth.sounds.procedural import procedural_bank
from seldfuse.train.augment import Augment
from seldfuse.train.loop import train
from seldfuse.train.recipe import Part, preset, recipe_of

CLIPS = (("telephone", 40.0), ("bell", -50.0), ("knock", 10.0), ("water_tap", -20.0))
"""What sounds in each clip of 5 s, and from where."""

SECOND = "footsteps"
"""Sounds along in every second clip, from the other side."""

STEPS = {"baseline": 400}
"""Its checkpoint knows least, and its activity is the length of a vector, which grows slowly."""

PRESENT = 5 / len(DCASE2025)
"""Share of the classes that are there at all; the others count 0 in the macro F."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds with labels, one class after the other."""
    folder = tmp_path_factory.mktemp("recording")
    bank = procedural_bank(DCASE2025, held_out=False, count=1)
    keys = {cls: next(key for key in bank.keys if f"/{DCASE2025.names[cls]}/" in key) for cls in bank.present}

    def source(name: str, azimuth_deg: float) -> Source:
        key = keys[DCASE2025.index(name)]
        seconds = min(3.0, len(bank.sound(key, 1.0, 0.0).samples) / 24_000)
        return Source(DCASE2025.index(name), (Take(key, 1.0, seconds),), standing(azimuth_deg, 2.0))

    def scene(name: str, azimuth_deg: float, company: bool) -> Scene:
        beside = [source(SECOND, -azimuth_deg)] if company else []
        return Scene((source(name, azimuth_deg), *beside), None, Ambience(-70.0))

    scenes = [scene(*clip, company=number % 2 == 1) for number, clip in enumerate(CLIPS)]
    rendered = render(scenes, bank)
    write_wav(folder / "mine.wav", np.concatenate(list(rendered.audio.numpy()), axis=1))
    tables = [
        events.table.assign(frame=events.table["frame"] + 50 * number)
        for number, events in enumerate(rendered.truth.events())
    ]
    write_events(Events(pd.concat(tables)), folder / "mine.csv")
    return folder


@pytest.mark.parametrize("name", ["sed_doa", "sed_sde", "sed_sce", "baseline"])
def test_four_clips_are_learned_by_heart(name: str, recording: Path, tmp_path: Path) -> None:
    task = load_reference(f"seldfuse_{name}.train:{name.removeprefix('sed_').capitalize()}Task")()
    recipe = recipe_of(preset(task.recipes, "small"))
    steps = STEPS.get(task.backend, 120)
    run = replace(recipe.run, steps=steps, batch=4, validate_every=steps, ema_decay=0.9)
    recipe = replace(recipe, run=run, augment=Augment(), init=f"{task.backend}-small", data=(Part(str(recording)),))
    best = train(task, DCASE2025, recipe, tmp_path, torch.device("cpu"), lambda _: None, lambda _: None)
    assert best[task.criterion] / PRESENT > 0.9
