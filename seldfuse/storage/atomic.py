"""Files that are whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seldfuse.errors import UsageError


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a hidden neighbour of `path` to write to, which takes the place of `path` when the block ends well.

    Raises UsageError where the folder cannot be written or the disk is full; nothing half-written stays behind. A
    killed process may leave the neighbour, which has one name for all times, so that writing `path` again removes it.
    """
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(b"")
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
