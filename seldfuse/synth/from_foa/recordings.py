"""First-order recordings on disk, with the labels and the panoramic videos that belong to them."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av

from seldfuse.core.grid import FRAMES_PER_S, SAMPLE_RATE_HZ, WINDOW_FRAMES, WINDOW_S
from seldfuse.errors import MediaError, SeldfuseError, UsageError
from seldfuse.formats.folder import drop_by_products
from seldfuse.media.container import find_video_stream, open_media, probe
from seldfuse.media.inputs import VIDEO_SUFFIXES
from seldfuse.storage.text import name_some
from seldfuse.storage.walk import compose, find_files
from seldfuse.synth.from_foa.labels import NoDistanceError, read_labels

CHANNELS = 4

LAYOUTS = (
    "give a folder that holds foa_dev/<split>/<name>.wav, metadata_dev/<split>/<name>.csv and, for pictures, "
    "video_dev/<split>/<name>.mp4, or one in which they lie side by side"
)

# The folders of a data set that are apart only because of what kind of file is in them.
_PART = re.compile(r"(foa|metadata|labels|video)(_dev|_eval)?")

# The same recordings in the raw channels of the microphone.
_FOREIGN = re.compile(r"mic(_dev|_eval)?")

SHOWN = 3


@dataclass(frozen=True)
class FoaRecording:
    """A sound with labels, and a video where there is one; `frames` of 100 ms are in both."""

    split: str
    name: str
    sound: Path
    labels: Path
    video: Path | None
    frames: int

    @property
    def starts(self) -> int:
        """Count the frames at which a clip may begin."""
        return self.frames - WINDOW_FRAMES + 1


def find_recordings(
    folder: Path, with_video: bool, distance_m: float | None, on_problem: Callable[[str], None] | None = None
) -> list[FoaRecording]:
    """Find the recordings in a folder and below it, sorted by split and name as the challenge's program sorts them.

    Files belong together whose paths differ only in the folders foa_dev, metadata_dev and video_dev, and in their
    suffix. The split is called like the folder that a sound is in. Headers and labels are read; `on_problem` is told
    of those that are no good, and the rest goes on; without it the error is raised. A recording whose video is no good
    stays without it. `distance_m` is for labels that have no distances.

    Raises UsageError where there is no folder or no sound with labels, NoDistanceError, and where no recording is left
    what was wrong with the first one.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder of first-order recordings; {LAYOUTS}: {folder}")
    files = _files(folder, on_problem or (lambda _: None))
    pairs = sorted((key for key in files.sounds if key in files.labels), key=lambda key: f"{key}.csv")
    if not pairs:
        raise UsageError(
            f"expected sounds with label files of the same names, found {len(files.sounds)} WAV files, "
            f"{len(files.labels)} CSV files and no such name; {LAYOUTS}: {folder}"
        )
    alone = sorted(files.sounds.keys() - files.labels.keys())
    if alone and on_problem:
        on_problem(f"passed over, for they have no label files: {name_some(alone, SHOWN)}: {folder}")
    found, first = [], None
    for key in pairs:
        try:
            read_labels(files.labels[key], distance_m, on_problem or (lambda _: None))
            found.append(_recording(folder, key, files, with_video, on_problem))
        except NoDistanceError:
            raise
        except SeldfuseError as error:
            if on_problem is None:
                raise
            on_problem(f"passed over: {error}")
            first = first or error
    if first and not found:
        raise first
    return found


class _Files(NamedTuple):
    """Paths by split and name, such as dev-test-sony/fold4_room23_mix001."""

    sounds: dict[str, Path]
    labels: dict[str, Path]
    videos: dict[str, Path]


def _files(folder: Path, note: Callable[[str], None]) -> _Files:
    """Raises UsageError where two files of a kind have one name."""
    files = _Files({}, {}, {})
    kinds = {".wav": files.sounds, ".csv": files.labels} | dict.fromkeys(VIDEO_SUFFIXES, files.videos)
    below = find_files(folder, kinds)
    if text := below.describe_passed_over():
        note(text)
    for path in drop_by_products(below.files, note):
        kind, parents = kinds[path.suffix.lower()], path.relative_to(folder).parts[:-1]
        if any(_FOREIGN.fullmatch(part) for part in parents):
            continue
        parts = [part for part in parents if not _PART.fullmatch(part)]
        other = kind.setdefault(compose("/".join([*parts, path.stem])), path)
        if other != path:
            raise UsageError(f"two files would belong to one recording; move one elsewhere: {other}, {path}")
    return files


def _recording(
    folder: Path, key: str, files: _Files, with_video: bool, on_problem: Callable[[str], None] | None
) -> FoaRecording:
    sound, video = files.sounds[key], files.videos.get(key) if with_video else None
    lengths_s = [_sound_s(sound)]
    if video is not None:
        try:
            lengths_s.append(_video_s(video))
        except MediaError as error:
            if on_problem is None:
                raise
            on_problem(f"passed over: {error}")
            video = None
    frames = math.floor(FRAMES_PER_S * min(lengths_s))
    if frames < WINDOW_FRAMES:
        raise MediaError(
            f"expected at least {WINDOW_S:.0f} s of sound and picture, got {min(lengths_s):.1f} s: {sound}"
        )
    *parents, name = key.split("/")
    split = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parents) or folder.resolve().name).lstrip("_.-")
    return FoaRecording(split or "recordings", name, sound, files.labels[key], video, frames)


def _sound_s(path: Path) -> float:
    """The length in seconds. Raises MediaError where the sound is not of the kind that is expected."""
    info = probe(path)
    if info.channels != CHANNELS:
        raise MediaError(
            f"expected first-order Ambisonics, {CHANNELS} channels (W, Y, Z, X), got {info.channels}: {path}"
        )
    if info.sample_rate_hz != SAMPLE_RATE_HZ:
        raise MediaError(
            f"expected a sample rate of {SAMPLE_RATE_HZ} Hz, got {info.sample_rate_hz} Hz; convert it first "
            f"(ffmpeg -i IN.wav -ar {SAMPLE_RATE_HZ} OUT.wav): {path}"
        )
    return info.duration_s or 0.0


def _video_s(path: Path) -> float:
    """The length in seconds, counted in pictures. Raises MediaError where the video is no panorama."""
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None:
            raise MediaError(f"expected a file with a picture, found no video stream in it: {path}")
        if stream.width != 2 * stream.height or stream.height % 4:
            raise MediaError(
                f"expected an equirectangular video such as 1920×960, twice as wide as high, "
                f"got {stream.width}×{stream.height}: {path}"
            )
        if stream.frames and stream.average_rate:
            return stream.frames / float(stream.average_rate)
        return (container.duration or 0) / av.time_base
