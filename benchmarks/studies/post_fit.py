"""The reliability of detectors: the numbers that ship, fitted on scenes of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.studies.post import POSTS, RATE_HZ, detect_all, write_recorded
from benchmarks.studies.posteriors import infer_split
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
"""Scenes of sounds that no training has, other than the frozen ones."""


def render(out: Path, sounds: Path, pictures: Path, backgrounds: Path, jobs: int) -> DatasetSplit:
    """Render the scenes to fit on, with videos of people, things and rooms for fitting. Raises what `seldfuse synth`
    raises.
    """
    make_scenes(
        out,
        clips=CLIPS,
        split=SPLIT,
        video=True,
        sounds=sounds,
        sprites=pictures,
        backgrounds=backgrounds,
        fit=True,
        evenness=EVENNESS,
        seed=SEED,
        jobs=jobs,
    )
    return DatasetSplit(out, SPLIT)


def fit_reliability(
    split: DatasetSplit,
    requests: Sequence[BackendRequest],
    pictures: Path,
    engines: str,
    folder: Path,
    note: Callable[[str], None],
) -> VisionSettings:
    """Fit numbers of the `engines`, as `seldfuse run --post` names them, to their detections in the scenes; those of
    unmeasured engines to degraded detections; and what is common to all to both. Raises what `infer_split` and
    `load_detectors` raise.
    """
    note("inferring")
    clips = find_clips(sorted(split.get_folder("wav").glob("*.wav")))
    names = [clip.name for clip in clips]
    posteriors = infer_split(split, requests).posteriors
    fused = fuse_posteriors(posteriors, FusionSettings())
    data = TuningData.from_folders(
        posteriors, [dcase.read_events(split.get_path(name, "csv")) for name in names], names
    )
    plans = read_plans(split.out / f"manifest-{split.name}.jsonl")
    write_recorded(folder, names, plans, load_cutouts(pictures, DCASE2025, "fit"))

    def scenes(post: str) -> VisionTuningData:
        note(f"detecting with {post}")
        detections, _ = detect_all(clips, fused, post, folder / "kept")
        return VisionTuningData(
            fused, data.target, data.references, data.recording, detections, Camera(), 1 / RATE_HZ
        ).select_with_detections()

    unmeasured = scenes(",".join(f"{name}@recorded:{folder / 'degraded'}" for name in POSTS[-1].split(",")))
    measured = scenes(engines)
    note("fitting")
    settings = fit_settings(_both(measured, unmeasured), VisionSettings())
    detectors = {name.removesuffix("@recorded"): reliability for name, reliability in settings.detectors.items()}
    return replace(settings, detectors=detectors)


def _both(one: VisionTuningData, other: VisionTuningData) -> VisionTuningData:
    return replace(
        one,
        posterior=Posterior.concat([one.posterior, other.posterior]),
        target=Posterior.concat([one.target, other.target]),
        references=[*one.references, *other.references],
        recording=torch.cat([one.recording, other.recording]),
        detections=[*one.detections, *other.detections],
    )
