"""Files that are whole or not there."""

import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from seldfuse.errors import UsageError

DRAFT = ".draft-"
"""What the names of drafts begin with: hidden, and told from anybody's files."""

OLD_DRAFT = re.compile(r"\..+\.part(\.[\w.-]+)?")
"""Drafts of version 0.1.0."""

OLD_S = 86_400.0
"""Drafts of other machines, whose processes cannot be asked after, are left so old."""


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a hidden neighbour of `path` to write to, which takes the place of `path` when the block ends well.

    Raises UsageError where the folder cannot be written or the disk is full; nothing half-written stays behind. The
    neighbour's name is this call's own, so that others may write the same file at the same time, and no link that
    stands there already is followed. One that a killed process left is removed by `remove_left_drafts`.
    """
    draft = name_draft(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise UsageError(
            f"cannot write here ({error.strerror}); choose another folder with -o: {path.parent}"
        ) from error
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"writing failed ({error.strerror}): {path}") from error
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def stage_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a hidden neighbour of each path to write to; all of them move to their places when the block ends well.

    What else was written beside them under such a name moves along. Where the block fails what stood there stays, and
    nothing of the new files does. Raises UsageError where a folder cannot be written.
    """
    mark = f"{_mark()}-"
    folders = list(dict.fromkeys(path.parent for path in paths))
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot write here ({error.strerror}); choose another folder with -o: {folder}"
            ) from error
    try:
        yield [path.with_name(f"{mark}{path.name}") for path in paths]
        for folder in folders:
            for name in _list_marked(folder, mark):
                (folder / name).replace(folder / name.removeprefix(mark))
    except OSError as error:
        name = Path(error.filename2 or error.filename or paths[0]).name.removeprefix(mark)
        raise UsageError(f"writing failed ({error.strerror}): {paths[0].with_name(name)}") from error
    except UsageError as error:
        # Nobody knows the names of drafts, which are gone.
        raise UsageError(str(error).replace(mark, "")) from error
    finally:
        for folder in folders:
            for name in _list_marked(folder, mark):
                with suppress(OSError):
                    (folder / name).unlink()


def _list_marked(folder: Path, mark: str) -> list[str]:
    """List the files of a folder in whose names a mark stands."""
    try:
        return [name for name in os.listdir(folder) if mark in name]
    except OSError:
        return []


def remove_all_left_drafts(folder: Path) -> int:
    """Remove the drafts in a folder and below it whose processes are gone, and return how many there were."""
    return sum(remove_left_drafts(Path(here)) for here, _, _ in os.walk(folder))


def name_draft(path: Path) -> Path:
    """Name a hidden neighbour of a file, whose name says which process writes it and ends as the file's does."""
    # A long name must not become too long.
    stem = path.stem.encode(errors="surrogateescape")[:100].decode(errors="ignore")
    return path.with_name(f"{_mark()}-{stem}{path.suffix}")


def _mark() -> str:
    """The beginning of a draft's name: machine, process, and what no other draft has."""
    return f"{DRAFT}{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"


def _machine() -> str:
    return sha256(platform.node().encode()).hexdigest()[:6]


def remove_left_drafts(folder: Path) -> int:
    """Remove the drafts directly in a folder whose processes are gone, and return how many there were."""
    removed = 0
    with suppress(OSError):
        for entry in os.scandir(folder):
            if OLD_DRAFT.fullmatch(entry.name) or (entry.name.startswith(DRAFT) and _is_left(entry)):
                removed += 1
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    with suppress(OSError):
                        os.unlink(entry.path)
    return removed


def _is_left(draft: os.DirEntry[str]) -> bool:
    """Whether nobody writes a draft any more: its process is gone, or, on another machine, it is a day old."""
    machine, _, rest = draft.name.removeprefix(DRAFT).partition("-")
    if machine == _machine():
        return not _is_alive(rest.partition("-")[0])
    return time.time() - draft.stat(follow_symlinks=False).st_mtime > OLD_S


def _is_alive(process: str) -> bool:
    """Whether a process of this machine has that number; what is no number is nobody's."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
