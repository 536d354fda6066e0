"""A file of an ordinary server, which goes on where it broke off."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

import seldfuse
from seldfuse.errors import CheckpointError
from seldfuse.weights.hub import TIMEOUT_S, AbsentError, Listener

PIECE_BYTES = 2**20
INCOMPLETE = ".incomplete"
"""The folder, beside files that were fetched, for what has come of others."""


@contextmanager
def fetch_resumed(address: str, path: Path, advise: Callable[[str], str], on_bytes: Listener) -> Iterator[Path]:
    """Bring the file of an address near a path, and give it; it takes the path's place when the block ends well.

    Where the connection breaks, what came is kept in a hidden folder, with what the server says to know the file by,
    and the next call asks for the rest; a server that has another file by now sends that one whole. Where the block
    fails nothing is kept. `advise` says what to do about a cause of failure. Raises AbsentError or CheckpointError.
    """
    folder = path.parent / INCOMPLETE
    folder.mkdir(exist_ok=True)
    part, mark = folder / f"{path.name}.part", folder / f"{path.name}.mark"
    with FileLock(folder / f"{path.name}.lock"):
        _fetch(address, part, mark, path.name, advise, on_bytes)
        mark.unlink(missing_ok=True)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _fetch(address: str, part: Path, mark: Path, name: str, advise: Callable[[str], str], on_bytes: Listener) -> None:
    headers = {"User-Agent": f"seldfuse/{seldfuse.__version__}"}
    if part.is_file() and mark.is_file():
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": mark.read_text(encoding="utf-8")}
    try:
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT
            mark.write_text(_find_mark(answer), encoding="utf-8")
            with part.open("ab" if goes_on else "wb") as file:
                come, size = _copy(answer, file, name, on_bytes)
    except urllib.error.HTTPError as error:
        # It holds the connection.
        error.close()
        kind = AbsentError if error.code == HTTPStatus.NOT_FOUND else CheckpointError
        raise kind(advise(f"{error.code} {error.reason}")) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise CheckpointError(advise(str(cause))) from error
    # A connection that ends early looks like the end of the file.
    if size is not None and come < size:
        raise CheckpointError(advise(f"it ended after {come} of {size} bytes"))


def _copy(answer: Any, file: BinaryIO, name: str, on_bytes: Listener) -> tuple[int, int | None]:
    """Append what comes; return how many bytes are there then, and how many should be."""
    come = file.tell()
    stated = answer.headers.get("Content-Length")
    size = come + int(stated) if stated and stated.isdecimal() else None
    on_bytes(name, come, size)
    while piece := answer.read(PIECE_BYTES):
        file.write(piece)
        come += len(piece)
        on_bytes(name, come, size)
    return come, size


def _find_mark(answer: Any) -> str:
    """What a range may be asked for by: a strong ETag, or a date; a weak ETag means no more than alike."""
    tag = answer.headers.get("ETag") or ""
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified") or ""
