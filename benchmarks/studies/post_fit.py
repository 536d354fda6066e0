"""How far eyes are believed: the numbers that ship, fitted on scenes of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.studies.hearing import hear
from benchmarks.studies.post import POSTS, RATE_HZ, looked_at, write_recorded
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.cli.commands.synth import make_scenes
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, fuse_posteriors
from seldfuse.media.inputs import find_clips
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.tune.tuning_data import TuningData
from seldfuse.tune.vision import fit_settings
from seldfuse.tune.vision_data import VisionTuningData
from seldfuse.vision.settings import VisionSettings

CLIPS, EVENNESS, SEED, SPLIT = 240, 0.5, 909, "dev-test-fit-av"
"""Scenes of sounds that no training hears, other than the frozen ones."""


def render(out: Path, sounds: Path, sprites: Path, jobs: int) -> DatasetSplit:
    """The scenes to fit on, with videos. Raises what `seldfuse synth` raises."""
    make_scenes(
        out,
        clips=CLIPS,
        split=SPLIT,
        video=True,
        sounds=sounds,
        sprites=sprites,
        held_out=True,
        evenness=EVENNESS,
        seed=SEED,
        jobs=jobs,
    )
    return DatasetSplit(out, SPLIT)


def fitted(
    split: DatasetSplit,
    requests: Sequence[BackendRequest],
    sprites: Path,
    engines: str,
    folder: Path,
    watch: Callable[[str], None],
) -> VisionSettings:
    """Numbers of the `engines`, as `seldfuse run --post` names them, by what they see of the scenes; those of engines
    that nobody measured by degraded detections; and what is common to all by both. Raises what `hear` and
    `load_detectors` raise.
    """
    watch("listening")
    clips = find_clips(sorted(split.get_folder("wav").glob("*.wav")))
    names = [clip.name for clip in clips]
    said = hear(split, requests).said
    heard = fuse_posteriors(said, FusionSettings())
    material = TuningData.from_folders(said, [dcase.read_events(split.get_path(name, "csv")) for name in names], names)
    plans = read_plans(split.out / f"manifest-{split.name}.jsonl")
    write_recorded(folder, names, plans, load_cutouts(sprites, DCASE2025, held_out=True))

    def scenes(post: str) -> VisionTuningData:
        watch(f"looking with {post}")
        looks, _ = looked_at(clips, heard, post, folder / "kept")
        return VisionTuningData(
            heard, material.truth, material.references, material.recording, looks, Camera(), 1 / RATE_HZ
        ).select_looked_at()

    unmeasured = scenes(",".join(f"{name}@recorded:{folder / 'degraded'}" for name in POSTS[-1].split(",")))
    measured = scenes(engines)
    watch("fitting")
    settings = fit_settings(_both(measured, unmeasured), VisionSettings())
    sight = {name.removesuffix("@recorded"): worth for name, worth in settings.detectors.items()}
    return replace(settings, detectors=sight)


def _both(one: VisionTuningData, other: VisionTuningData) -> VisionTuningData:
    return replace(
        one,
        posterior=Posterior.concat([one.posterior, other.posterior]),
        truth=Posterior.concat([one.truth, other.truth]),
        references=[*one.references, *other.references],
        recording=torch.cat([one.recording, other.recording]),
        detections=[*one.detections, *other.detections],
    )
