"""A recording of one's own: every bundled checkpoint can be taught it by heart."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from worlds import standing

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025
from seldfuse.formats.dcase import write_events
from seldfuse.media.encode import write_video, write_wav
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.film import render_frames
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import Ambience, CameraView, Figure, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.train.loop import train_network
from seldfuse.train.recipe import DataPart, parse_recipe, read_preset

CLIPS = (("telephone", 40.0), ("bell", -50.0), ("knock", 10.0), ("water_tap", -20.0))
"""What sounds in each clip of 5 s, and from where."""

SECOND = "footsteps"
"""Sounds along in every second clip, from the other side."""

STEPS = {"baseline": 400}
"""Its checkpoint knows least, and its activity is the length of a vector, which grows slowly."""

PRESETS = {"cmc": "medium"}
"""Of whose checkpoint the heads have no place in the preset `small`."""

PRESENT = 5 / len(DCASE2025)
"""Share of the classes that are there at all; the others count 0 in the macro F."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of video with labels, one class after the other."""
    folder = tmp_path_factory.mktemp("recording")
    bank = build_procedural_bank(DCASE2025, held_out=False, count=1)
    cutouts, backgrounds, rng = CutoutSet(DCASE2025), BackgroundSet(), np.random.default_rng(3)
    keys = {cls: next(key for key in bank.keys if f"/{DCASE2025.names[cls]}/" in key) for cls in bank.present}

    def source(name: str, azimuth_deg: float) -> ScenePlanSource:
        key = keys[DCASE2025.index(name)]
        seconds = min(3.0, len(bank.read_sound(key, 1.0, 0.0).samples) / 24_000)
        return ScenePlanSource(DCASE2025.index(name), (SoundTake(key, 1.0, seconds),), standing(azimuth_deg, 2.0))

    def scene(name: str, azimuth_deg: float, company: bool) -> ScenePlan:
        beside = [source(SECOND, -azimuth_deg)] if company else []
        sources = (source(name, azimuth_deg), *beside)
        figures = tuple(
            Figure(cutouts.draw(heard.cls, rng), 1.0, number, None, False, number)
            for number, heard in enumerate(sources)
        )
        return ScenePlan(sources, None, Ambience(-70.0), view=CameraView(backgrounds.draw(rng), figures))

    scenes = [scene(*clip, company=number % 2 == 1) for number, clip in enumerate(CLIPS)]
    rendered = render_scenes(scenes, bank)
    audio = np.concatenate(list(rendered.audio.numpy()), axis=1)
    write_wav(folder / "mine.wav", audio)
    film = [picture for scene in scenes for picture in render_frames(scene, cutouts, backgrounds, fps=10)]
    write_video(folder / "mine.mp4", film, Fraction(10), audio)
    tables = [
        events.table.assign(frame=events.table["frame"] + 50 * number)
        for number, events in enumerate(rendered.truth.to_events())
    ]
    write_events(Events(pd.concat(tables)), folder / "mine.csv")
    return folder


@pytest.mark.parametrize("backend", ["doa", "sde", "sce", "baseline", "mvanet", "cmc"])
def test_four_clips_are_learned_by_heart(
    backend: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    value = load_registry().find_backend(backend).value
    task = load_reference(value.task)()
    recipe = replace(parse_recipe(read_preset(task.recipes, PRESETS.get(backend, "small"))), teacher="")
    steps = STEPS.get(task.backend, 120)
    run = replace(recipe.run, steps=steps, batch_size=4, validate_every=steps, ema_decay=0.9)
    recipe = replace(recipe, run=run, augment={}, init=value.default_checkpoint or "", data=(DataPart(str(recording)),))
    best = train_network(task, DCASE2025, recipe, tmp_path / "out", torch.device("cpu"), lambda _: None, lambda _: None)
    assert best[task.criterion] / PRESENT > 0.9
