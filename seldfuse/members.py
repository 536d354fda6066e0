"""Folders of posteriors or of plain event tables, as members of an ensemble."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seldfuse.errors import UsageError
from seldfuse.events import Events
from seldfuse.formats import dcase
from seldfuse.fusion.votes import events_as_posterior
from seldfuse.heard import Heard
from seldfuse.posterior import Posterior

SUFFIXES = (".safetensors", ".csv")


@dataclass(frozen=True)
class Members:
    """The files of each member, by member and clip."""

    files: Mapping[str, Mapping[str, Path]]

    def fields(self) -> set[str]:
        """Fields that at least one member gives, by the first file of each. Raises UsageError."""
        return set().union(*(_fields(next(iter(paths.values()))) for paths in self.files.values()))

    def heard(self) -> Iterator[Heard]:
        """What each member says of every clip, in the order of names; a note names those that lack it."""
        for clip in sorted(set().union(*self.files.values())):
            there = {member: paths[clip] for member, paths in self.files.items() if clip in paths}
            yield _heard(clip, there, absent=[member for member in self.files if member not in there])


def open_members(folders: Sequence[Path]) -> Members:
    """The members that folders stand for; a folder's name is its member's name.

    Raises UsageError where a folder holds no posteriors and no events, or two folders have one name.
    """
    files = {_name(folder): _by_clip(folder) for folder in folders}
    if len(files) < len(folders):
        raise UsageError(
            f"two folders have one name, which weights could not tell apart: {', '.join(map(str, folders))}"
        )
    return Members(files)


def _fields(path: Path) -> set[str]:
    if path.suffix == ".csv":
        return {"activity", "direction", "distance", "onscreen"}
    return set(_read_posterior(path).provides)


def _name(folder: Path) -> str:
    return folder.resolve().name


def _by_clip(folder: Path) -> dict[str, Path]:
    """Files by clip name: the path below the folder, without its suffix."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder of posteriors or of DCASE CSV files: {folder}")
    for suffix in SUFFIXES:
        paths = [path for path in folder.rglob(f"*{suffix}") if not path.name.startswith(".")]
        found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
        if found:
            return found
    raise UsageError(f"the folder holds neither posteriors ({SUFFIXES[0]}) nor events ({SUFFIXES[1]}): {folder}")


def _heard(clip: str, paths: Mapping[str, Path], absent: Sequence[str]) -> Heard:
    read = {member: _read(path) for member, path in paths.items()}
    frames = max(map(_frames, read.values()))
    # Votes get one number of tracks, so that a system that heard nothing votes against the second event too.
    tracks = max((_tracks(found) for found in read.values() if isinstance(found, Events)), default=1)
    posteriors = {
        member: events_as_posterior(found, frames, tracks) if isinstance(found, Events) else found
        for member, found in read.items()
    }
    notes = (f"{clip} is missing from {', '.join(absent)}, which abstain",) if absent else ()
    return Heard(clip, posteriors, frames * next(iter(posteriors.values())).hop_s, notes)


def _read(path: Path) -> Posterior | Events:
    return dcase.read(path) if path.suffix == ".csv" else _read_posterior(path)


def _read_posterior(path: Path) -> Posterior:
    posterior = Posterior.load(path)
    if posterior.activity.shape[0] != 1:
        raise UsageError(f"expected the posterior of one clip, got a batch of {posterior.activity.shape[0]}: {path}")
    return posterior


def _frames(found: Posterior | Events) -> int:
    if isinstance(found, Posterior):
        return found.frames
    return 1 + int(found.table["frame"].max()) if len(found) else 1


def _tracks(events: Events) -> int:
    return int(events.table.groupby(["frame", "cls"]).size().max()) if len(events) else 1
