"""A folder of embeddings that have been computed once, shared by runs and trainings.

Its size is bounded: what was not asked for longest goes first. Several processes may use it at the same time: files
are whole or not there, and a file that another process removed is computed anew.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from seldfuse.errors import UsageError
from seldfuse.storage.atomic import remove_left_drafts, write_atomically
from seldfuse.storage.digest import hash_text
from seldfuse.storage.walk import list_files, list_folders

EMBEDDINGS = "embeddings"
"""The part of the cache folder for them."""

LIMIT_BYTES = 4 * 2**30
SUFFIX = ".safetensors"
TIDY_EVERY = 64
"""New files between two checks of the folder's size."""


@dataclass
class TokenCache:
    """Tensors by text keys, in half precision, in `folder`, up to `limit_bytes` in all (and a few files more).

    In a folder that cannot be written nothing is stored, and everything is computed each time.
    """

    folder: Path
    limit_bytes: int = LIMIT_BYTES
    _written: int = 0

    def get(self, key: str, shape: tuple[int, ...]) -> Tensor | None:
        """Get what was stored under this key, in single precision; None where there is nothing, or it is damaged: of
        another shape, or anything but half precision.
        """
        path = self._path(key)
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                part = file.get_slice("tokens")
                if tuple(part.get_shape()) != shape or part.get_dtype() != "F16":
                    return None
                found: Tensor = file.get_tensor("tokens")
            os.utime(path)
        except (OSError, KeyError, ValueError, safetensors.SafetensorError):
            return None
        return None if found.isinf().any() else found.float()

    def add(self, key: str, tokens: Tensor) -> None:
        """Store tokens under a key."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as draft:
                draft.write_bytes(safetensors.torch.save({"tokens": tokens.half().contiguous().cpu()}))
        except (OSError, UsageError):
            return
        self._written += 1
        if self._written % TIDY_EVERY == 0:
            self.tidy()

    def tidy(self) -> None:
        """Remove the files that were not asked for longest, until the rest is within the limit."""
        for folder in (self.folder, *list_folders(self.folder)):
            remove_left_drafts(folder)
        found = sorted((stat.st_mtime, stat.st_size, path) for path, stat in self._files())
        surplus = sum(size for _, size, _ in found) - self.limit_bytes
        for _, size, path in found:
            if surplus <= 0:
                return
            path.unlink(missing_ok=True)
            surplus -= size

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in list_files(self.folder, f"*{SUFFIX}"):
            try:
                found.append((path, path.stat()))
            except FileNotFoundError:
                # Another process tidies too.
                continue
        return found

    def _path(self, key: str) -> Path:
        digest = hash_text(key, "blake2b-128")
        return self.folder / digest[:2] / f"{digest[2:]}{SUFFIX}"


def get_or_compute(
    cache: TokenCache | None, key: str | None, shape: tuple[int, ...], make: Callable[[], Tensor]
) -> Tensor:
    """Get what is stored under a key and has this shape, else compute and store it; without a folder or a key compute
    it each time.
    """
    if cache is None or key is None:
        return make()
    found = cache.get(key, shape)
    if found is None:
        found = make()
        cache.add(key, found)
    return found
