"""Which recordings the user means: files, folders, patterns, the challenge's data set, the bundled demo."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import seldfuse
from seldfuse.core.clip import Clip
from seldfuse.core.geometry import Camera
from seldfuse.errors import MediaError, UsageError
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.container import describe_missing_file
from seldfuse.media.picture import FileFrames, ShownPicture, probe_picture
from seldfuse.media.sound import FileAudio
from seldfuse.storage.walk import find_files

SOUND_SUFFIXES = frozenset(
    {
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".caf",
        ".flac",
        ".m4a",
        ".mka",
        ".mp2",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".w64",
        ".wav",
        ".wma",
        ".wv",
    }
)
VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    }
)

MEDIA_SUFFIXES = SOUND_SUFFIXES | VIDEO_SUFFIXES

_MAGIC = re.compile(r"[*?]|\[[^]]+\]")

DEMO = "@demo"
"""Stands for the clip that comes with seldfuse."""


def find_clips(
    inputs: Sequence[str | Path],
    split: str | None = None,
    channels: ChannelSelection | None = None,
    fov_deg: float | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> list[Clip]:
    """Find the clips that `inputs` stand for, in their order and sorted by path within each; nothing is decoded.

    An input is a file, a folder (with all below it), a pattern such as `"takes/*.wav"`, a folder in the layout of the
    challenge's data set, of which `split` chooses one part, or `@demo`. A WAV file of the data set is joined by the
    picture of the same name. Clips are named after their stem, with the folders between it and the input above it,
    and with their suffix where others have the same stem. `channels` are the streams and channels that are taken of
    each, `fov_deg` is the width of the pictures, for None what a file states by its focal length, else 100° as in the
    challenge. `note` is told what is passed over in folders.

    A missing file among others becomes a clip, whose decoding fails, so that the others are run. Raises MediaError
    where no file is there; UsageError where an input matches nothing, the split is unknown, two clips would have one
    name, or no camera has such a field of view.
    """
    if fov_deg is not None and not 0.0 < fov_deg < 180.0:
        raise UsageError(f"--fov expects the width of the picture in degrees, between 0 and 180, got {fov_deg:g}")
    found = _tell_apart([pair for text in inputs for pair in _find(str(text), split, note)])
    if not found:
        raise UsageError("expected at least one file, folder or pattern, got none")
    _check_names(found)
    if not any(os.path.exists(path) for _, path in found):
        raise describe_missing_file(found[0][1])
    shown_in: dict[Path, ShownPicture | None] = {}
    clips = [_clip(name, FileAudio(path, channels or ChannelSelection()), shown_in) for name, path in found]
    if fov_deg is None:
        return clips
    return [replace(clip, camera=replace(clip.camera, horizontal_fov_deg=fov_deg)) for clip in clips]


def describe_fields_of_view(clips: Sequence[Clip]) -> str | None:
    """Describe how wide the pictures of clips are where nobody said it; None where there are no pictures."""
    seeing = [clip for clip in clips if clip.video is not None]
    stated = [clip for clip in seeing if clip.camera.horizontal_fov_deg != Camera.horizontal_fov_deg]
    if not seeing:
        return None
    rest = f"{Camera.horizontal_fov_deg:g}° as in the challenge; --fov DEG says what it is"
    if not stated:
        return f"no file states its focal length: the field of view is taken for {rest}"
    widths = sorted({round(clip.camera.horizontal_fov_deg) for clip in stated})
    some = ", ".join(f"{width}°" for width in widths[:3]) + (", …" if len(widths) > 3 else "")
    others = f"; of {len(seeing) - len(stated)} others for {rest}" if len(stated) < len(seeing) else ""
    return f"the field of view of {len(stated)} is taken from the focal length that the file states, {some}{others}"


def _is_pattern(text: str) -> bool:
    """Test whether a text is a pattern: a bracket that is not closed is part of a name."""
    return bool(_MAGIC.search(text))


def stands_for_one(text: str | Path) -> bool:
    """Test whether an input is one recording, and not a folder or a pattern."""
    return text == DEMO or not (os.path.isdir(text) or (_is_pattern(str(text)) and not os.path.exists(text)))


def _find(text: str, split: str | None, note: Callable[[str], None]) -> list[tuple[str, Path]]:
    """Names and paths of the sound (or video) files that one input stands for."""
    path = Path(text)
    # Unlike pathlib's, these tests take a text that no file can be called for a file that is not there.
    is_dir, exists = os.path.isdir(text), os.path.exists(text)
    if is_dir and (splits := _splits(path)):
        return _in_data_set(path, splits, split)
    if split is not None:
        raise UsageError(f"--split {split} needs a folder that holds stereo_dev or stereo_eval, got {text}")
    if text == DEMO:
        return _demo()
    if is_dir:
        return _in_folder(path, note)
    if not exists and _is_pattern(text):
        return _matching(text)
    return [(path.stem, path)]


def _demo() -> list[tuple[str, Path]]:
    path = Path(seldfuse.__file__).parent / "_demo" / "demo.mp4"
    if not path.exists():
        raise MediaError(f"this installation lacks the demo clip; install seldfuse anew: {path}")
    return [(path.stem, path)]


def _in_folder(folder: Path, note: Callable[[str], None]) -> list[tuple[str, Path]]:
    below = find_files(folder, MEDIA_SUFFIXES)
    found = [_prefix_names(path.relative_to(folder), path) for path in below.files if path.is_file()]
    if text := below.describe_passed_over():
        note(text)
    if not found:
        raise UsageError(f"no sound or video file ({', '.join(sorted(MEDIA_SUFFIXES))}) is in this folder: {folder}")
    return found


def _matching(pattern: str) -> list[tuple[str, Path]]:
    fixed = Path(*takewhile(lambda part: not _is_pattern(part), Path(pattern).parts))
    matches = sorted(
        (Path(match) for match in glob.glob(pattern, recursive=True)), key=lambda path: (len(path.parts), path)
    )
    # Through links that lead in a circle a file has many names, of which the shortest counts.
    paths = sorted({(os.path.realpath(path.parent), path.name): path for path in reversed(matches)}.values())
    found = [
        _prefix_names(path.relative_to(fixed), path)
        for path in paths
        if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file()
    ]
    if not found:
        raise UsageError(f"no sound or video file matches this pattern: {pattern}")
    return found


def _prefix_names(relative: Path, path: Path) -> tuple[str, Path]:
    return relative.with_suffix("").as_posix(), path


def _splits(folder: Path) -> dict[str, list[Path]]:
    """The parts of a data set in the challenge's layout; none where the folder has another layout."""
    splits: dict[str, list[Path]] = {}
    for part in sorted([*folder.glob("stereo_dev/*/"), *folder.glob("stereo_eval/*/")]):
        splits.setdefault(part.name, []).append(part)
    return splits


def _in_data_set(folder: Path, splits: dict[str, list[Path]], split: str | None) -> list[tuple[str, Path]]:
    if split is not None and split not in splits:
        raise UsageError(f"no split is called {split}; there are {', '.join(splits)}: {folder}")
    parts = [part for name, parts in splits.items() if split in (None, name) for part in parts]
    found = [(f"{part.name}/{path.stem}", path) for part in parts for path in _list_wavs(part)]
    if not found:
        raise UsageError(f"no WAV file is in {', '.join(part.name for part in parts)}: {folder}")
    return found


def _list_wavs(part: Path) -> list[Path]:
    return sorted(path for path in part.glob("[!.]*") if path.suffix.lower() == ".wav")


def _tell_apart(found: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Names with the suffixes of their files where several have one name: `clip.wav` and `clip.flac`."""
    number = Counter(name for name, _ in found)
    alike = Counter((name, path.suffix) for name, path in found)
    return [(name + path.suffix if number[name] > alike[name, path.suffix] else name, path) for name, path in found]


def _check_names(found: list[tuple[str, Path]]) -> None:
    paths: dict[str, Path] = {}
    for name, path in found:
        if name in paths:
            raise UsageError(
                f"two inputs would be written as {name!r}; rename one, or run them apart: {paths[name]}, {path}"
            )
        paths[name] = path


def _clip(name: str, audio: FileAudio, shown_in: dict[Path, ShownPicture | None]) -> Clip:
    path = audio.path
    picture = _picture_in_data_set(path)
    if picture is not None:
        # One picture per folder: a data set has pictures of one size, and thousands of them.
        if picture.parent not in shown_in:
            shown_in[picture.parent] = _find_shown(picture)
        return _with_video(Clip(name, audio, path=path), picture, shown_in[picture.parent])
    shown = None if path.suffix.lower() in SOUND_SUFFIXES else _find_shown(path)
    clip = Clip(name, audio, path=path)
    return clip if shown is None else _with_video(clip, path, shown)


def _with_video(clip: Clip, video: Path, shown: ShownPicture | None) -> Clip:
    if shown is None:
        return replace(clip, video=FileFrames(video))
    camera = Camera(shown.width_px, shown.height_px, shown.fov_deg or Camera.horizontal_fov_deg)
    return replace(clip, video=FileFrames(video, shown.presentation), camera=camera)


def _picture_in_data_set(path: Path) -> Path | None:
    """The video that belongs to a WAV file of the challenge's data set: the same split, the same name."""
    split, kind = path.absolute().parent, path.absolute().parent.parent
    if path.suffix.lower() != ".wav" or not kind.name.startswith("stereo_"):
        return None
    picture = kind.with_name(kind.name.replace("stereo_", "video_", 1)) / split.name / f"{path.stem}.mp4"
    return picture if picture.is_file() else None


def _find_shown(path: Path) -> ShownPicture | None:
    """How the pictures of this file are shown; None where it has none, or cannot be read, which decoding will tell."""
    try:
        return probe_picture(path)
    except MediaError:
        return None
