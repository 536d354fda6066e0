"""How far eyes are believed: the numbers that ship, fitted on scenes of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.hearing import hear
from benchmarks.post import POSTS, RATE_HZ, looked_at, write_recorded
from seldfuse.cli.synth import synth
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, fuse
from seldfuse.geometry import Camera
from seldfuse.labels import DCASE2025
from seldfuse.media.inputs import find_clips
from seldfuse.plugin.registry import BackendRequest
from seldfuse.posterior import Posterior
from seldfuse.synth.dataset.folder import Split
from seldfuse.synth.dataset.plans import read_plans
from seldfuse.synth.pictures.sprites import load_sprites
from seldfuse.tune.material import Material
from seldfuse.tune.scenes import Scenes
from seldfuse.tune.seeing import fit
from seldfuse.vision.settings import VisionSettings

CLIPS, EVENNESS, SEED, SPLIT = 240, 0.5, 909, "dev-test-fit-av"
"""Scenes of sounds that no training hears, other than the frozen ones."""


def render(out: Path, sounds: Path, sprites: Path, jobs: int) -> Split:
    """The scenes to fit on, with videos. Raises what `seldfuse synth` raises."""
    synth(
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
    return Split(out, SPLIT)


def fitted(
    split: Split,
    requests: Sequence[BackendRequest],
    sprites: Path,
    engines: str,
    folder: Path,
    watch: Callable[[str], None],
) -> VisionSettings:
    """Numbers of the `engines`, as `seldfuse run --post` names them, by what they see of the scenes; those of engines
    that nobody measured by degraded detections; and what is common to all by both. Raises what `hear` and `open_eyes`
    raise.
    """
    watch("listening")
    clips = find_clips(sorted(split.folder("wav").glob("*.wav")))
    names = [clip.name for clip in clips]
    said = hear(split, requests).said
    heard = fuse(said, FusionSettings())
    material = Material.of(said, [dcase.read(split.file(name, "csv")) for name in names], names)
    plans = read_plans(split.out / f"manifest-{split.name}.jsonl")
    write_recorded(folder, names, plans, load_sprites(sprites, DCASE2025, held_out=True))

    def scenes(post: str) -> Scenes:
        watch(f"looking with {post}")
        looks, _ = looked_at(clips, heard, post, folder / "kept")
        return Scenes(
            heard, material.truth, material.references, material.recording, looks, Camera(), 1 / RATE_HZ
        ).looked_at()

    unmeasured = scenes(",".join(f"{name}@recorded:{folder / 'degraded'}" for name in POSTS[-1].split(",")))
    measured = scenes(engines)
    watch("fitting")
    settings = fit(_both(measured, unmeasured), VisionSettings())
    sight = {name.removesuffix("@recorded"): worth for name, worth in settings.sight.items()}
    return replace(settings, sight=sight)


def _both(one: Scenes, other: Scenes) -> Scenes:
    return replace(
        one,
        said=Posterior.join([one.said, other.said]),
        truth=Posterior.join([one.truth, other.truth]),
        references=[*one.references, *other.references],
        recording=torch.cat([one.recording, other.recording]),
        looks=[*one.looks, *other.looks],
    )
