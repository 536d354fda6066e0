"""Scenes as files, in the layout of the challenge's data set: sound, labels, and video where it is wanted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from seldfuse.core.events import Events
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import write_events
from seldfuse.media.encode import write_video, write_wav
from seldfuse.storage.digest import hash_file
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.pictures.film import FPS, render_frames
from seldfuse.synth.recording_chain import encode_aac
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.truth import SceneTruth

PARTS = {"wav": "stereo_dev", "csv": "metadata_dev", "mp4": "video_dev"}
"""The folders of a data set by what is in them."""

Rendering = Callable[[ScenePlan], tuple[np.ndarray, SceneTruth]]

MIXES = 1000
"""Clips of one room number."""


@dataclass(frozen=True)
class DatasetSplit:
    """One split of a data set in the folder `out`. Raises UsageError where no folder can have such a name."""

    out: Path
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise UsageError(f"--split expects the name of a folder, such as dev-train-synth, got {self.name!r}")

    @property
    def manifest(self) -> Path:
        return self.out / f"manifest-{self.name}.jsonl"

    def get_folder(self, suffix: str) -> Path:
        return self.out / PARTS[suffix] / self.name

    def get_path(self, clip: str, suffix: str) -> Path:
        return self.get_folder(suffix) / f"{clip}.{suffix}"

    def list_files(self) -> list[Path]:
        """List all files of the split, and what killed runs left of them."""
        return sorted(path for suffix in PARTS for path in self.get_folder(suffix).glob(f"*.{suffix}"))

    def clip_name(self, number: int, scene: ScenePlan) -> str:
        """Build a name as the challenge does: fold 4 for tests, else 1, which its baseline takes for synthetic
        scenes."""
        room, mix = divmod(number, MIXES)
        yaw_deg = round(scene.room.yaw_deg) % 360 if scene.room else 0
        return f"fold{4 if 'test' in self.name else 1}_room{room + 1:03}_mix{mix:03}_deg{yaw_deg:03}_start0000"


@dataclass(frozen=True)
class WrittenClip:
    """SHA-256 of a clip's files, by their paths inside of the data set, and how long each class sounds in it."""

    files: Mapping[str, str]
    seconds: Mapping[str, float]


def write_clip(split: DatasetSplit, clip: str, scene: ScenePlan, stage: SceneIngredients, video: bool) -> WrittenClip:
    """Render a scene alone, so that its bytes depend on no other, and write its files.

    A lossy codec in the plan is here a real one. Raises MediaError where a sound or a picture cannot be read,
    UsageError where writing fails.
    """
    audio, truth = render_with_codec(scene, partial(_render, stage))
    (events,) = truth.to_events()
    # The sound comes last: a clip is complete once it is there.
    write_events(events, split.get_path(clip, "csv"))
    if video:
        assert stage.cutouts is not None
        assert stage.backgrounds is not None
        write_video(split.get_path(clip, "mp4"), render_frames(scene, stage.cutouts, stage.backgrounds), FPS, audio)
    write_wav(split.get_path(clip, "wav"), audio)
    return describe_clip(split, clip, events, video)


def describe_clip(split: DatasetSplit, clip: str, events: Events, video: bool) -> WrittenClip:
    """Describe a clip whose files, with or without a video, are written."""
    written = [split.get_path(clip, suffix) for suffix in PARTS if video or suffix != "mp4"]
    return WrittenClip(
        {path.relative_to(split.out).as_posix(): hash_file(path, "sha256") for path in written}, _seconds(events)
    )


def render_with_codec(scene: ScenePlan, rendering: Rendering) -> tuple[Float32[np.ndarray, "2 sample"], SceneTruth]:
    """Render sound and truth of a scene with a real codec in place of the simulated one."""
    audio, truth = rendering(replace(scene, wear=replace(scene.wear, codec_kbps=None)))
    if scene.wear.codec_kbps is not None:
        audio = encode_aac(audio, scene.wear.codec_kbps).clip(-1.0, 1.0)
    return audio, truth


def _render(stage: SceneIngredients, scene: ScenePlan) -> tuple[Float32[np.ndarray, "2 sample"], SceneTruth]:
    rendered = render_scenes([scene], stage.bank, stage.responses)
    return rendered.audio[0].numpy(), rendered.truth


def _seconds(events: Events) -> dict[str, float]:
    frames_of = np.bincount(events.table["cls"], minlength=len(events.labels)).tolist()
    pairs = zip(events.labels.names, frames_of, strict=True)
    return {name: round(count * events.hop_s, 1) for name, count in pairs if count}
