"""Isolated sounds to make scenes from, in memory, split by speaker or recording."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from jaxtyping import Bool, Float32

from seldfuse.clip import SAMPLE_RATE_HZ
from seldfuse.errors import MediaError, UsageError
from seldfuse.labels import LabelSet

FRAME_SAMPLES = SAMPLE_RATE_HZ // 10
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aif", ".aiff")
HELD_OUT_SHARE = 0.2
ACTIVE_RANGE_DB = 35.0
REFERENCE_RMS = 0.05
"""Every sound is brought to this level over its active frames, which is its level at 1 m."""


@dataclass(frozen=True)
class Sound:
    """One isolated sound: mono at 24 kHz, and the 100 ms frames in which it is heard."""

    cls: int
    group: str
    samples: Float32[np.ndarray, "sample"]
    active: Bool[np.ndarray, "frame"]


class Entry(NamedTuple):
    cls: int
    group: str
    path: Path


@dataclass(frozen=True)
class SoundBank:
    """Sounds by class. `classes` holds, per class, the sounds of each group, so that a draw can even out groups."""

    labels: LabelSet
    classes: tuple[tuple[tuple[Sound, ...], ...], ...]

    def __post_init__(self) -> None:
        silent = [label.name for label, groups in zip(self.labels.classes, self.classes, strict=True) if not groups]
        if len(silent) == len(self.labels):
            raise UsageError(
                "there is no sound for any class; expected sub-folders named after the classes, or manifest.csv"
            )

    def draw(self, cls: int, rng: np.random.Generator) -> Sound:
        """A sound of the class: first a group, then one of its sounds."""
        group = self.classes[cls][rng.integers(len(self.classes[cls]))]
        return group[rng.integers(len(group))]

    @property
    def present(self) -> list[int]:
        """Ids of the classes that have sounds."""
        return [cls for cls, groups in enumerate(self.classes) if groups]


def load_bank(folder: Path, labels: LabelSet, held_out: bool, only: Sequence[int] | None = None) -> SoundBank:
    """Sounds of a folder: `manifest.csv` (columns class, group, path), or sub-folders named after classes.

    A fifth of the groups of each class is held out for validation, the same ones every time; a class with one group
    has nothing held out. `held_out` chooses which side to load, `only` some classes. Raises UsageError or MediaError,
    which name the file.
    """
    manifest = folder / "manifest.csv"
    entries = list(_from_manifest(manifest, labels) if manifest.is_file() else _from_folders(folder, labels))
    grouped: dict[int, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        grouped[entry.cls][entry.group].append(entry.path)
    classes = []
    for cls in range(len(labels)):
        chosen = _side(sorted(grouped[cls]), held_out) if only is None or cls in only else []
        classes.append(
            tuple(tuple(read_sound(cls, group, path) for path in sorted(grouped[cls][group])) for group in chosen)
        )
    return SoundBank(labels, tuple(classes))


def _from_manifest(manifest: Path, labels: LabelSet) -> Iterator[Entry]:
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {"class", "group", "path"} - set(rows.fieldnames or ())
        if missing:
            raise UsageError(f"the manifest lacks the columns {sorted(missing)}: {manifest}")
        for row in rows:
            group = f"{row.get('source', '')}/{row['group']}"
            yield Entry(labels.index(row["class"]), group, manifest.parent / row["path"])


def _from_folders(folder: Path, labels: LabelSet) -> Iterator[Entry]:
    """A file's group is the sub-folder it stands in, or itself where it stands in the class folder."""
    if not folder.is_dir():
        raise UsageError(f"--sounds expects a folder of sounds: {folder}")
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        cls = labels.index(place.name.lstrip("0123456789_- "))
        for path in sorted(place.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                group = path.parent if path.parent != place else path
                yield Entry(cls, str(group.relative_to(folder)), path)


def _side(groups: list[str], held_out: bool) -> list[str]:
    # The order of the hashes is as good as a draw, and stays the same when other groups come or go.
    shuffled = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).hexdigest())
    count = 0 if len(groups) < 2 else max(1, round(HELD_OUT_SHARE * len(groups)))
    return shuffled[:count] if held_out else shuffled[count:]


def read_sound(cls: int, group: str, path: Path) -> Sound:
    """A file brought to the reference level, and the frames in which it is heard. Raises MediaError."""
    samples = _decode(path)
    frames = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    if frames.shape[0] == 0:
        frames = np.pad(samples, (0, FRAME_SAMPLES - samples.size)).reshape(1, -1)
    power = np.square(frames).mean(axis=1)
    if power.max() <= 0:
        raise MediaError(f"the sound is silent: {path}")
    active = power > power.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    level = np.sqrt(power[active].mean())
    return Sound(cls, group, (frames.reshape(-1) * (REFERENCE_RMS / level)).astype(np.float32), active)


def _decode(path: Path) -> Float32[np.ndarray, "sample"]:
    """The whole file as mono at 24 kHz; a sound of a bank is short."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    try:
        with av.open(path) as container:
            frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            frames += resampler.resample(None)
    except (FFmpegError, IndexError) as error:
        raise MediaError(f"expected a sound that FFmpeg reads ({error}): {path}") from error
    if not frames:
        raise MediaError(f"the sound holds no samples: {path}")
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
