"""Isolated sounds to make scenes from, split by speaker or recording, and read when they are needed."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import av
import numpy as np
from av.error import FFmpegError
from jaxtyping import Bool, Float, Float32
from scipy.signal import butter, sosfilt

from seldfuse.core.grid import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from seldfuse.core.labels import LabelSet
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.container import open_alone
from seldfuse.storage.digest import hash_bytes, hash_file, hash_text
from seldfuse.synth.sounds.layouts import Side, SoundFile, find_sounds
from seldfuse.synth.sounds.speed_and_pitch import change_speed_and_pitch

HOP_SAMPLES = SAMPLE_RATE_HZ // 100
HELD_OUT_SHARE = 0.2
ACTIVE_RANGE_DB = 35.0
ACTIVE_SHARE = 10 ** (-ACTIVE_RANGE_DB / 10)
REFERENCE_RMS = 0.05
"""Every sound is brought to this level over its active frames, which is its level at 1 m."""
LONGEST_S = 60.0
"""What a file holds beyond this is not read."""
REMEMBERED_S = 1800.0
"""So many seconds of sound a bank keeps in memory (some 170 MB)."""
RUMBLE_HZ = 40.0
"""Below this recordings are filtered."""

TRIES = 20
RECENT = 64
_NAMED = 8

_MISSING = {
    "held": " that is held out; that takes a class with two groups of sounds, or sounds that a manifest gives the "
    "side held",
    "fit": " on the side fit; give some the side fit in the manifest, or take another side",
}


@dataclass(frozen=True)
class BankSound:
    """One isolated sound: mono at 24 kHz and the reference level, and the 100 ms frames in which it is audible."""

    cls: int
    group: str
    samples: Float32[np.ndarray, "sample"]
    active: Bool[np.ndarray, "frame"]


@runtime_checkable
class SoundEntry(Protocol):
    """A sound that is known but not read: its class, the collection that it is from, and who or what made it."""

    @property
    def cls(self) -> int: ...

    @property
    def source(self) -> str: ...

    @property
    def group(self) -> str: ...

    def read(self) -> BankSound:
        """Read the sound. Raises MediaError."""
        ...

    def hash_content(self) -> str:
        """Compute the SHA-256 of what the sound is made from. Raises MediaError."""
        ...


@dataclass(frozen=True)
class FileEntry:
    """A sound in a file of any format that FFmpeg reads."""

    cls: int
    group: str
    path: Path
    source: str = ""

    def read(self) -> BankSound:
        """Read the first minute of the file. Raises MediaError, which names the file, where it cannot be read or is
        silent.
        """
        return read_sound(self.cls, self.group, self.path)

    def hash_content(self) -> str:
        try:
            return hash_file(self.path, "sha256")
        except OSError as error:
            raise MediaError(f"expected a sound that can be read ({error.strerror}): {self.path}") from error


@dataclass(frozen=True)
class HeldEntry:
    """A sound that is in memory already."""

    sound: BankSound

    @property
    def cls(self) -> int:
        return self.sound.cls

    @property
    def source(self) -> str:
        return ""

    @property
    def group(self) -> str:
        return self.sound.group

    def read(self) -> BankSound:
        return self.sound

    def hash_content(self) -> str:
        return hash_bytes(self.sound.samples.tobytes(), "sha256")


class _Memory:
    """What a process has read of a bank of late, and which broken sounds it has reported; a new process starts anew."""

    def __init__(self) -> None:
        self.sounds: OrderedDict[str, BankSound] = OrderedDict()
        self.seconds = 0.0
        self.reported: set[str] = set()
        self.played: OrderedDict[tuple[str, float, float], BankSound] = OrderedDict()

    def __reduce__(self) -> "tuple[type[_Memory], tuple[()]]":
        return _Memory, ()

    def read(self, key: str, entry: SoundEntry) -> BankSound:
        if key not in self.sounds:
            self.sounds[key] = entry.read()
            self.seconds += self.sounds[key].samples.size / SAMPLE_RATE_HZ
        self.sounds.move_to_end(key)
        while self.seconds > REMEMBERED_S and len(self.sounds) > 1:
            _, oldest = self.sounds.popitem(last=False)
            self.seconds -= oldest.samples.size / SAMPLE_RATE_HZ
        return self.sounds[key]


class _ClassSources(NamedTuple):
    """The groups of a class, source by source, and the sums of the sources' chances."""

    groups: tuple[tuple[tuple[str, ...], ...], ...]
    chance: Float[np.ndarray, "source"]

    @classmethod
    def from_groups(cls, groups: Sequence[tuple[str, ...]], entries: Mapping[str, SoundEntry]) -> "_ClassSources":
        by_source: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for group in groups:
            by_source[entries[group[0]].source].append(group)
        weight = np.sqrt([len(of_source) for of_source in by_source.values()])
        return cls(tuple(map(tuple, by_source.values())), np.cumsum(weight))

    def draw(self, rng: np.random.Generator) -> tuple[str, ...]:
        source = int(np.searchsorted(self.chance, rng.random() * self.chance[-1], side="right"))
        return self.groups[source][int(rng.integers(len(self.groups[source])))]


@dataclass(frozen=True, eq=False)
class SoundBank:
    """Sounds by their keys, one side of the split of a collection.

    A key is a path inside the folder, with slashes, or `procedural/<class>/<seed>`. A bank can be sent to another
    process if `on_problem` can be; sounds that were read stay behind. Raises UsageError where there is no sound.
    """

    labels: LabelSet
    entries: Mapping[str, SoundEntry]
    side: Side = "train"
    on_problem: Callable[[str], None] | None = None
    _memory: _Memory = field(default_factory=_Memory, repr=False)

    def __post_init__(self) -> None:
        if not self.entries:
            side = _MISSING.get(self.side, "")
            raise UsageError(f"there is no sound for any class of {self.labels.name}{side}")

    @classmethod
    def from_sounds(cls, labels: LabelSet, sounds: Mapping[str, BankSound]) -> "SoundBank":
        """Build a bank of sounds that are in memory, by their keys."""
        return cls(labels, {key: HeldEntry(sound) for key, sound in sounds.items()})

    @cached_property
    def classes(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """List the keys per class and group."""
        groups: list[dict[str, list[str]]] = [defaultdict(list) for _ in self.labels.classes]
        for key, entry in self.entries.items():
            groups[entry.cls][entry.group].append(key)
        return tuple(tuple(tuple(keys) for keys in of_class.values()) for of_class in groups)

    @cached_property
    def _sources(self) -> "tuple[_ClassSources, ...]":
        return tuple(_ClassSources.from_groups(groups, self.entries) for groups in self.classes)

    @property
    def present(self) -> list[int]:
        """List the ids of the classes that have sounds."""
        return [cls for cls, groups in enumerate(self.classes) if groups]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.entries)

    def draw(self, cls: int, rng: np.random.Generator) -> str:
        """Draw the key of a sound of a class that is `present`: first a source, then one of its groups, then a sound.

        A source's chance grows with the square root of how many groups it has, so that one large collection does not
        drown many small ones, nor does a lone recording count as much as a collection. The sound is read, to know that
        it can be. With `on_problem` one that cannot is reported, once in a process, and another is drawn; without, and
        after 20 such, raises MediaError.
        """
        return self._draw(lambda: self._sources[cls].draw(rng), rng)

    def draw_alike(self, key: str, rng: np.random.Generator) -> str:
        """Draw as `draw` does, a key of the class and group of a sound."""
        group = self.is_same_group(key)
        return self._draw(lambda: group, rng)

    def _draw(self, draw_group: Callable[[], Sequence[str]], rng: np.random.Generator) -> str:
        failed = 0
        while True:
            group = draw_group()
            key = group[int(rng.integers(len(group)))]
            try:
                self.read_sound(key)
                return key
            except MediaError as error:
                failed += 1
                if self.on_problem is None or failed == TRIES:
                    raise
                if key not in self._memory.reported:
                    self._memory.reported.add(key)
                    self.on_problem(f"passed over: {error}")

    def read_sound(self, key: str, speed: float = 1.0, semitones: float = 0.0) -> BankSound:
        """Read a sound, played as `change_speed_and_pitch` does and brought to the reference level again.

        Raises MediaError where it cannot be read, UsageError where the bank does not hold it.
        """
        sound = self._memory.read(key, self._entry(key))
        if (speed, semitones) == (1.0, 0.0):
            return sound
        # Planned, then rendered: most are asked for twice in a row.
        recent = self._memory.played
        if (key, speed, semitones) not in recent:
            recent[key, speed, semitones] = normalize_sound(
                sound.cls, sound.group, change_speed_and_pitch(sound.samples, speed, semitones)
            )
            if len(recent) > RECENT:
                recent.popitem(last=False)
        return recent[key, speed, semitones]

    def is_same_group(self, key: str) -> tuple[str, ...]:
        """List all sounds of the class and group of a sound, itself among them."""
        return next(group for group in self.classes[self._entry(key).cls] if key in group)

    def hash_sound(self, key: str) -> str:
        """Compute the SHA-256 of the sound's file, or of its samples where it has none. Raises MediaError or
        UsageError.
        """
        return self._entry(key).hash_content()

    def _entry(self, key: str) -> SoundEntry:
        if key not in self.entries:
            raise UsageError(f"expected a sound of the bank, which holds {len(self.entries)}, got {key!r}")
        return self.entries[key]

    def add_entries(self, entries: Mapping[str, SoundEntry]) -> "SoundBank":
        """Build the same bank with more sounds."""
        return replace(self, entries={**self.entries, **entries}, _memory=_Memory())


def load_bank(
    folder: Path,
    labels: LabelSet,
    side: Side,
    only: Sequence[int] | None = None,
    on_problem: Callable[[str], None] | None = None,
    exclude: Sequence[str] = (),
) -> SoundBank:
    """List the sounds of a folder: `manifest.csv` (columns class, group, path and, if it likes, source and side),
    FSD50K or ESC-50 as they are unpacked, or sub-folders named after classes. None is opened.

    `side` chooses what trains, what is held out for validation, or what fusion is fitted on, as the manifest's column
    side has it. Where there is no such column, a fifth of the groups of each class is held out, the same ones every
    time, and all others train and fit: then fusion is fitted on sounds that its members know. A class with one group
    has nothing held out.

    `only` chooses some classes, `exclude` leaves out sources by their names in the manifest. Raises UsageError where
    there is nothing to choose from, a class, a side or a source is unknown, or a group is on two sides. With
    `on_problem` unknown classes, and later sounds that cannot be read, are reported and passed over.
    """
    grouped: dict[int, dict[str, list[SoundFile]]] = defaultdict(lambda: defaultdict(list))
    sources = set()
    for found in find_sounds(folder, labels, on_problem):
        sources.add(found.source)
        if found.source not in exclude:
            grouped[found.cls][found.group].append(found)
    unknown = [name for name in exclude if name not in sources]
    if unknown:
        names = sorted(sources - {""})
        there = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        raise UsageError(
            f"expected sources to leave out, got {', '.join(unknown)}; the manifest's column source has "
            f"{there or 'none'}: {folder}"
        )
    if not grouped:
        raise UsageError(
            f"there is no sound for any class of {labels.name}; expected sub-folders named after the classes, "
            f"manifest.csv, or FSD50K or ESC-50 as they are unpacked: {folder}"
        )
    entries: dict[str, SoundEntry] = {}
    for cls in range(len(labels)) if only is None else only:
        for group in _choose_groups(grouped[cls], side):
            files = sorted(grouped[cls][group], key=lambda found: found.key)
            entries |= {found.key: FileEntry(cls, group, folder / found.key, found.source) for found in files}
    return SoundBank(labels, entries, side, on_problem)


def _choose_groups(groups: Mapping[str, Sequence[SoundFile]], side: Side) -> list[str]:
    # The order of the hashes is as good as a draw, and stays the same when other groups come or go.
    shuffled = sorted(groups, key=lambda group: hash_text(group, "sha256"))
    # A table names the side of all its groups or of none, and all sounds of a group are on one side.
    sides = {group: groups[group][0].side for group in shuffled}
    if None not in sides.values():
        return [group for group in shuffled if sides[group] == side]
    count = 0 if len(groups) < 2 else max(1, round(HELD_OUT_SHARE * len(groups)))
    return shuffled[:count] if side == "held" else shuffled[count:]


def read_sound(cls: int, group: str, path: Path) -> BankSound:
    """Read the first minute of a file at the reference level. Raises MediaError."""
    try:
        return normalize_sound(cls, group, _without_rumble(_decode(path)))
    except MediaError as error:
        raise MediaError(f"{error}: {path}") from error


def _without_rumble(samples: Float32[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample"]:
    # Wind and handling would set the level and the activity of one recording in ten.
    filtered: np.ndarray = sosfilt(butter(2, RUMBLE_HZ, "highpass", fs=SAMPLE_RATE_HZ, output="sos"), samples)
    return filtered.astype(np.float32)


def normalize_sound(cls: int, group: str, samples: Float32[np.ndarray, "sample"]) -> BankSound:
    """Normalize samples to a sound: silence cut off at both ends, the reference level, whole frames.

    Audible is what is less than 35 dB below the loudest 100 ms. Raises MediaError where that is silence.
    """
    audible = np.flatnonzero(_power(samples, HOP_SAMPLES) > _power(samples, SAMPLES_PER_FRAME).max() * ACTIVE_SHARE)
    if audible.size == 0:
        raise MediaError("the sound is silent")
    trimmed = samples[audible[0] * HOP_SAMPLES : (audible[-1] + 1) * HOP_SAMPLES]
    filled = np.pad(trimmed, (0, -trimmed.size % SAMPLES_PER_FRAME))
    power = _power(filled, SAMPLES_PER_FRAME)
    active = power > power.max() * ACTIVE_SHARE
    gain = REFERENCE_RMS / np.sqrt(power[active].mean())
    return BankSound(cls, group, (filled * gain).astype(np.float32), active)


def _power(samples: Float32[np.ndarray, "sample"], window: int) -> Float32[np.ndarray, "window"]:
    """Mean square of consecutive windows, the last one filled up with silence."""
    filled = np.pad(samples, (0, -samples.size % window))
    return np.asarray(np.square(filled.reshape(-1, window)).mean(axis=1))


def _decode(path: Path) -> Float32[np.ndarray, "sample"]:
    """The first minute of a file as mono at 24 kHz."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[Float32[np.ndarray, "sample"]] = []
    seconds = 0.0
    try:
        with open_alone(path) as container:
            if not container.streams.audio:
                raise MediaError("expected a file with sound, found no audio stream in it")
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
                seconds += frame.samples / frame.sample_rate
                if seconds >= LONGEST_S:
                    break
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (FFmpegError, OSError) as error:
        raise MediaError(f"expected a sound that FFmpeg reads ({error.strerror})") from error
    if not parts:
        raise MediaError("the sound holds no samples")
    samples = np.concatenate(parts)[: round(LONGEST_S * SAMPLE_RATE_HZ)]
    if not np.isfinite(samples).all():
        raise MediaError("the sound holds NaN or Inf; export it anew")
    return samples
