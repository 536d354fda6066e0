"""Folders and what is in them, always in the same order: the one walker of all commands.

Links to folders are followed, each folder once and never back to one above, so that circles end. Hidden files and
folders are passed over: editors, archives and half-written files leave such, and notebooks keep copies in them. The
folder that is asked about may itself be hidden. Pipes and devices are passed over, too: they are no files.
"""

import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from seldfuse.storage.text import format_count, name_some

NAMED = 3
"""Files that a sentence names before it counts the rest."""

_OF_ARCHIVES = "__MACOSX"
"""Where archives made on a Mac keep what is no part of the files."""


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder that have one of some suffixes, in order, and what was passed over, by reason."""

    folder: Path
    files: tuple[Path, ...]
    passed_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def describe_passed_over(self) -> str:
        """Say in a sentence what was passed over; nothing where nothing was."""
        if not self.passed_over:
            return ""
        listed = "; ".join(
            f"{format_count(len(names), reason)} ({name_some(names, NAMED)})"
            for reason, names in self.passed_over.items()
        )
        return f"passed over {listed}: {self.folder}"


def find_files(folder: Path, suffixes: Collection[str]) -> FolderFiles:
    """Find the files in a folder and below it that end in one of `suffixes`, in any case, sorted as paths are.

    A folder that is not there, or cannot be read, holds nothing.
    """
    found: list[Path] = []
    passed_over: defaultdict[str, list[str]] = defaultdict(list)
    for path, hidden in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if not hidden and path.suffix.lower() in suffixes and not _is_file(path):
            passed_over["special file"].append(name)
        elif hidden and (path.is_dir() or path.suffix.lower() in suffixes):
            passed_over["hidden folder" if path.is_dir() else "hidden file"].append(name)
        elif not hidden and path.suffix.lower() in suffixes:
            found.append(path)
    return FolderFiles(
        folder, tuple(sorted(found)), {reason: tuple(sorted(all_)) for reason, all_ in passed_over.items()}
    )


def list_files(folder: Path, pattern: str = "*", *, include_hidden: bool = False) -> list[Path]:
    """List the files in a folder and below it whose names match `pattern`, in any case, sorted as paths are.

    Links to files count as files, wherever they lead. `include_hidden` is for digests of all that a folder holds. A
    folder that is not there, or cannot be read, holds nothing.
    """
    found = (path for path, hidden in _walk(folder, include_hidden) if not hidden)
    return sorted(path for path in found if fnmatchcase(path.name.lower(), pattern.lower()) and _is_file(path))


def list_folders(folder: Path) -> list[Path]:
    """List the folders directly in a folder, links to folders among them, sorted by name. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def name_in(folder: Path, path: Path) -> str:
    """Name a file by its path below a folder without its suffix, letters with accents composed."""
    return compose(path.relative_to(folder).with_suffix("").as_posix())


def is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path that a file in a folder names stays in the folder; links in there may lead anywhere."""
    # No path has a zero in it, and most functions of paths raise for one.
    return "\0" not in str(path) and Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))


def compose(name: str) -> str:
    """Compose letters and their accents: a Mac writes names decomposed, so that what looks alike is not the same."""
    return unicodedata.normalize("NFC", name)


def _walk(folder: Path, include_hidden: bool = False) -> Iterator[tuple[Path, bool]]:
    """Files with whether they are hidden, and hidden folders, which are not entered; real folders before links."""
    seen: set[str] = set()
    due, links = [str(folder)], list[str]()
    while due or links:
        here = due.pop() if due else links.pop(0)
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            hidden = not include_hidden and (entry.name.startswith(".") or entry.name == _OF_ARCHIVES)
            if not _is_folder(entry):
                yield Path(entry.path), hidden
            elif hidden:
                yield Path(entry.path), True
            elif not entry.is_symlink():
                due.append(entry.path)
            elif not _leads_up(entry.path, here):
                links.append(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself.
        return False


def _is_file(path: Path) -> bool:
    """Tell files from pipes and devices, which never end; a link that leads nowhere is an error of its own later."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _leads_up(link: str, here: str) -> bool:
    """Tell whether a link in a folder leads back to the folder or to one above it."""
    target, place = os.path.realpath(link), os.path.realpath(here)
    return place == target or place.startswith(target.rstrip(os.sep) + os.sep)
