"""Digests of files, texts and bytes.

They stand in manifests, caches and file names, and decide which sounds are held out: no value may ever change.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

Algorithm = Literal["sha256", "blake2b-128"]

_START: Mapping[str, Callable[..., Any]] = {
    "sha256": hashlib.sha256,
    "blake2b-128": partial(hashlib.blake2b, digest_size=16),
}

REMEMBERED = 4096
"""Files whose digests a process remembers."""


def hash_bytes(data: bytes, algorithm: Algorithm, digits: int | None = None) -> str:
    """Return the digest of bytes in hexadecimal; its first `digits` only, unless None."""
    digest: str = _START[algorithm](data).hexdigest()
    return digest[:digits]


def hash_text(text: str, algorithm: Algorithm, digits: int | None = None) -> str:
    """Return the digest of a text's UTF-8 in hexadecimal; its first `digits` only, unless None."""
    return hash_bytes(text.encode(), algorithm, digits)


def hash_file(path: Path, algorithm: Algorithm, digits: int | None = None) -> str:
    """Return the digest of a file's content in hexadecimal; its first `digits` only, unless None. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _START[algorithm]).hexdigest()[:digits]


def hash_git_blob(path: Path) -> str:
    """Return the name by which git knows a file's content: a SHA-1 of its length and bytes. Raises OSError."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def hash_input(path: Path | None) -> str | None:
    """Return the BLAKE2b-128 of a clip's file; None where there is no such file.

    The manifest, the cache of embeddings and the detections all ask for it: a file is read once for all of them, and
    again only after its size or its time of change has become another. Raises OSError.
    """
    # A pipe never ends.
    if path is None or not path.is_file():
        return None
    state = path.stat()
    return _hash_unchanged(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=REMEMBERED)
def _hash_unchanged(path: Path, size_bytes: int, changed_ns: int) -> str:  # noqa: ARG001
    return hash_file(path, "blake2b-128")
