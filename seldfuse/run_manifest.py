"""Which clips of an output folder are finished: from what input, and how they were made.

`manifest.jsonl` has one line of JSON for each recipe and for each finished clip. Lines are only ever added, so a run of
many thousand clips writes each of them once, and the newest line of a clip counts. A line that a killed run left torn
is passed over.

Shards, which run side by side, have a manifest each, `manifest-3-of-8.jsonl`. All are read as one, and the next run
that is no shard appends them to `manifest.jsonl`.
"""

import errno
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import seldfuse
from seldfuse.catalogue.registry import CatalogueEntry, Registry
from seldfuse.catalogue.requests import BackendRequest, PostProcessorRequest
from seldfuse.catalogue.values import Writer
from seldfuse.checkpoint import BUNDLED
from seldfuse.core.clip import Clip
from seldfuse.errors import UsageError
from seldfuse.executors.shard import Shard
from seldfuse.storage.atomic import remove_all_left_drafts
from seldfuse.storage.digest import hash_file, hash_input, hash_text
from seldfuse.storage.json_lines import append_json_line, read_json_lines
from seldfuse.storage.lock import FileLock, lock_file
from seldfuse.storage.walk import list_files

NAME = "manifest.jsonl"

SHARDS = "manifest-*-of-*.jsonl"
"""The manifests of shards."""


class RunManifest:
    """The finished clips of `folder`; `recipe` holds, as JSON values, all that results depend on but the input.

    A `shard` writes a manifest of its own; without one, those that shards left become part of this one. Raises
    UsageError where the folder or a manifest in it cannot be read or written, or another process writes there.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], shard: Shard | None = None) -> None:
        self._folder = folder
        self._path = folder / (shard.rename(NAME) if shard else NAME)
        self._recipe = hash_text(json.dumps(recipe, sort_keys=True), "blake2b-128")
        self._inputs: dict[str, Mapping[str, Any] | None] = {}
        self._recordings: dict[str, Path | None] = {}
        self._lock = self._take_lock(self._path)
        remove_all_left_drafts(folder)
        if shard is None:
            self._merge_shards()
        lines = self._read()
        self._finished = {line["clip"]: line for line in lines if "clip" in line}
        if not any("clip" not in line and line["recipe"] == self._recipe for line in self._read(self._path)):
            self._add({"recipe": self._recipe, **recipe})

    def find_finished(self, clip: Clip) -> list[Path]:
        """Find the files of a clip that is finished: made from this input by this recipe, and all there. Else none."""
        found = identify(clip)
        self.expect(clip, found)
        return self.find_files(clip.name) if self.is_finished(clip.name, found) else []

    def find_files(self, name: str) -> list[Path]:
        """Find the files that this recipe made of a clip, from whatever input, where all are there. Else none."""
        line = self._finished.get(name, {})
        files = [self._folder / file for file in line["files"]] if line.get("recipe") == self._recipe else []
        return files if all(file.is_file() for file in files) else []

    def is_finished(self, name: str, found: Mapping[str, Any] | None) -> bool:
        """Test whether a clip is finished whose input another process identified."""
        return found is not None and self._finished.get(name, {}).get("input") == found and bool(self.find_files(name))

    def expect(self, clip: Clip, found: Mapping[str, Any] | None) -> None:
        """Remember what a clip is made of, for the line that it gets when it is finished."""
        self._inputs[clip.name], self._recordings[clip.name] = found, clip.path

    def begin(self, name: str) -> None:
        """Cancel the line of a clip whose files are about to be written: from then on it is not true of them."""
        if self._finished.pop(name, None):
            self._add({"clip": name, "time_ms": _read_clock_ms()})

    def finish(self, name: str, files: Iterable[Path]) -> None:
        """Enter a clip whose files are written; `find_finished` or `expect` was called with it."""
        names = [file.relative_to(self._folder).as_posix() for file in files]
        line = {
            "clip": name,
            "time_ms": _read_clock_ms(),
            "input": self._inputs.pop(name),
            "recipe": self._recipe,
            "files": names,
        }
        recording = self._recordings.pop(name)
        self._add(line if recording is None else line | {"recording": _relate(recording, self._folder)})

    def _take_lock(self, path: Path) -> FileLock:
        """Keep other runs from writing a manifest. Raises UsageError where one does."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return lock_file(path)
        except FileExistsError as error:
            raise self._refusal(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))) from error
        except OSError as error:
            raise self._refusal(error) from error

    def _merge_shards(self) -> None:
        """Append the manifests that shards left to this one. Raises UsageError where a shard is at work."""
        paths = sorted(self._folder.glob(SHARDS))
        locks = [self._take_lock(path) for path in paths]
        for line in _sort([line for path in paths for line in self._read(path)]):
            self._add(line)
        # A kill before this leaves lines that stand twice, and say the same.
        for path in paths:
            path.unlink(missing_ok=True)
        del locks

    def _read(self, path: Path | None = None) -> list[dict[str, Any]]:
        """The lines of one manifest, or of all."""
        try:
            return _read_all(self._folder) if path is None else _read_lines(path)
        except OSError as error:
            raise self._refusal(error) from error

    def _add(self, line: Mapping[str, Any]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            append_json_line(self._path, line)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> UsageError:
        return UsageError(f"cannot write here ({error.strerror}); choose another folder with -o: {self._path}")


@dataclass(frozen=True)
class FinishedClip:
    """What the manifest says of a finished clip: its input, where that was, and the recipe.

    `recording` is the file with the sound, None where the manifest does not say.
    """

    name: str
    input: Mapping[str, Any] | None
    recording: Path | None
    recipe: Mapping[str, Any]

    def is_made_from(self, clip: Clip) -> bool:
        """Test whether a clip's files are those that were heard, byte by byte."""
        return self.input is not None and identify(clip) == self.input


def read_finished_clips(folder: Path) -> dict[str, FinishedClip]:
    """Read the finished clips of an output folder by name; none where it has no manifest that can be read."""
    try:
        lines = _read_all(folder)
    except OSError:
        return {}
    recipes = {line["recipe"]: line for line in lines if "clip" not in line and "recipe" in line}
    newest = {line["clip"]: line for line in lines if "clip" in line}
    return {
        name: FinishedClip(
            name,
            line.get("input"),
            _locate(line["recording"], folder) if "recording" in line else None,
            recipes.get(line["recipe"], {}),
        )
        for name, line in newest.items()
        if "recipe" in line
    }


def describe_run(
    backends: Sequence[BackendRequest], writers: Sequence[CatalogueEntry[Writer]], registry: Registry, **options: Any
) -> dict[str, Any]:
    """Describe all that results depend on but the input: versions, weights by their content, and options, as JSON
    values.
    """
    return {
        "seldfuse": seldfuse.__version__,
        "backends": [
            {
                "name": request.instance,
                "from": _origin(registry.backends[request.value.name]),
                "checkpoint": _checkpoint(request.checkpoint),
            }
            for request in backends
        ],
        "formats": [{"name": entry.value.name, "from": _origin(entry)} for entry in writers],
        **options,
    }


def describe_origins(requests: Sequence[PostProcessorRequest], registry: Registry) -> list[dict[str, str]]:
    """Describe post-processors by name and distribution, as JSON values."""
    return [
        {"name": request.instance, "from": _origin(registry.postprocessors[request.value.name])} for request in requests
    ]


def _read_all(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's manifest and of those of shards, the newest last. Raises OSError."""
    shards = [line for path in sorted(folder.glob(SHARDS)) for line in _read_lines(path)]
    lines = _read_lines(folder / NAME)
    return _sort([*lines, *shards]) if shards else lines


def _read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a manifest, torn ones and those of another form aside; none where there is no manifest.
    Raises OSError.
    """
    try:
        lines = [line.value for line in read_json_lines(path, torn="skip")]
    except FileNotFoundError:
        return []
    return [line for line in lines if _is_line(line)]


def _sort(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of several manifests in the order in which they were written; what has no time stays in front."""
    return sorted(lines, key=lambda line: line.get("time_ms", 0))


def _read_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_line(line: Mapping[str, Any]) -> bool:
    """Whether a line is one of a recipe, of a finished clip, or of one that is being done anew."""
    if "clip" not in line:
        return isinstance(line.get("recipe"), str)
    if not isinstance(line.get("time_ms", 0), int):
        return False
    if line.keys() <= {"clip", "time_ms"}:
        return isinstance(line["clip"], str)
    files = line.get("files")
    return (
        all(isinstance(line.get(name), str) for name in ("clip", "recipe"))
        and isinstance(line.get("recording", ""), str)
        and isinstance(line.get("input"), dict | None)
        and isinstance(files, list)
        and all(isinstance(name, str) and _is_below(name) for name in files)
    )


def _is_below(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _relate(path: Path, folder: Path) -> str:
    """A path as seen from a folder, so that both can move together; absolute where they share no root.

    Links of the folder are followed, those of the path are not: what a link is called may say what belongs to it.
    """
    try:
        return Path(os.path.relpath(path.absolute(), folder.resolve())).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def _locate(path: str, folder: Path) -> Path:
    """The path that `_relate` related."""
    return Path(os.path.normpath(folder.resolve() / path))


def _origin(entry: CatalogueEntry[Any]) -> str:
    return f"{entry.distribution} {entry.version}"


def _checkpoint(reference: str | None) -> dict[str, str]:
    """A digest of each file of a checkpoint; none where the reference is no file or folder of this machine."""
    places = [] if reference is None else [*(root / reference for root in BUNDLED), Path(reference)]
    place = next((place for place in places if place.exists()), None)
    if place is None:
        return {}
    files = [place] if place.is_file() else [path for path in list_files(place, include_hidden=True) if path.is_file()]
    return {file.relative_to(place.parent).as_posix(): hash_file(file, "blake2b-128") for file in files}


def identify(clip: Clip) -> dict[str, Any] | None:
    """Identify what a clip is made of: one file, or in the challenge's data set two. None where it cannot be read."""
    found, picture = _identity(clip.path), clip.video_path
    if found is None or picture is None or picture == clip.path:
        return found
    return {**found, "picture": _identity(picture)}


def _identity(path: Path | None) -> dict[str, Any] | None:
    """Size and digest of an input; None where it cannot be read, which decoding will tell."""
    try:
        digest = hash_input(path)
        return None if path is None or digest is None else {"size": path.stat().st_size, "blake2b": digest}
    except OSError:
        return None
