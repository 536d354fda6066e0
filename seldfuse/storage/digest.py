"""Digests of files. They stand in manifests and caches, so their algorithm never changes."""

import hashlib
from pathlib import Path


def hash_file(path: Path) -> str:
    """Return BLAKE2b of a file's content, 128 bits in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, blake2b_128).hexdigest()


def blake2b_128(start: bytes = b"") -> "hashlib.blake2b":
    """Begin a BLAKE2b digest of 128 bits."""
    return hashlib.blake2b(start, digest_size=16)
