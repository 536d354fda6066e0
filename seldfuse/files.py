"""Files that are whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seldfuse.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` to write to; it takes the place of `path` when the block ends well.

    Raises UsageError where the folder cannot be written or the disk is full; nothing half-written stays behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise UsageError(
            f"cannot write here ({error.strerror}); choose another folder with -o: {path.parent}"
        ) from error
    draft = Path(name)
    try:
        yield draft
        # mkstemp makes files that only their owner reads; results are ordinary files.
        draft.chmod(0o666 & ~_umask())
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"writing failed ({error.strerror}): {path}") from error
    finally:
        draft.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
