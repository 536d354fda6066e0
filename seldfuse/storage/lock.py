"""One process at a time writes a file that grows: an advisory lock on it, held as long as somebody refers to it."""

import os
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary, finalize

from seldfuse.errors import UsageError

try:
    import fcntl
except ImportError:  # Windows has other locks; there two runs are not told from each other.
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """A lock on an open file, by its descriptor. It ends with the object, and with the process."""

    def __init__(self, descriptor: int) -> None:
        self._close = finalize(self, os.close, descriptor)


_held: WeakValueDictionary[tuple[int, int], FileLock] = WeakValueDictionary()
"""The locks of this process, by device and inode: it may write one file from several places."""


def lock_file(path: Path) -> FileLock:
    """Lock a file, which is made where it is not there; no link is followed.

    Raises UsageError, which names the process, where another one holds it, and OSError where it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _no_link(), 0o666)
    status = os.fstat(descriptor)
    key = (status.st_dev, status.st_ino)
    if found := _held.get(key):
        os.close(descriptor)
        return found
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UsageError(
            f"another run, {_find_holder(status.st_ino)}, writes here; wait for it, or choose another folder with -o: "
            f"{path}"
        ) from error
    except OSError:
        # Some file systems have no locks.
        pass
    held = FileLock(descriptor)
    _held[key] = held
    return held


def _no_link() -> int:
    return getattr(os, "O_NOFOLLOW", 0)


def open_without_link(path: str, flags: int) -> int:
    """Open a file where it is no link: an opener for `open`. Raises OSError."""
    return os.open(path, flags | _no_link(), 0o666)


def _find_holder(inode: int) -> str:
    """Name the process that holds a lock, where the system tells."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            parts = line.split()
            if parts[1] == "FLOCK" and parts[5].rsplit(":", 1)[1] == str(inode):
                return f"process {parts[4]}"
    return "of another process"
