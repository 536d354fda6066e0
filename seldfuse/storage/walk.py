"""Folders and what is in them, always in the same order.

Hidden files and folders are passed over: editors, archives and half-written files leave such. The folder that is asked
about may itself be hidden.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def list_files(
    folder: Path, pattern: str = "*", *, follow_links: bool = False, include_hidden: bool = False
) -> list[Path]:
    """List the files in a folder and below it whose names match `pattern`, sorted as paths are.

    Links to files count as files, wherever they lead. Links to folders are followed where `follow_links`, each folder
    once, so that circles end. `include_hidden` is for digests of all that a folder holds. A folder that is not there,
    or cannot be read, holds nothing.
    """
    found = _walk(folder, follow_links, include_hidden)
    return sorted(path for path in found if fnmatchcase(path.name, pattern))


def list_folders(folder: Path) -> list[Path]:
    """List the folders directly in a folder, links to folders among them, sorted by name. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _walk(folder: Path, follow_links: bool, include_hidden: bool) -> Iterator[Path]:
    seen: set[str] = set()
    for here, below, names in os.walk(folder, followlinks=follow_links):
        if follow_links:
            real = os.path.realpath(here)
            if real in seen:
                below.clear()
                continue
            seen.add(real)
        below[:] = sorted(name for name in below if include_hidden or not name.startswith("."))
        yield from (Path(here, name) for name in names if include_hidden or not name.startswith("."))
