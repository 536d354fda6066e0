"""Fetching weights from a hub: the only thing in seldfuse that downloads, and only when it is asked to."""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors

import seldfuse
from seldfuse.catalogue.values import SETTINGS_FILES, WEIGHT_FILES
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.cache import CACHE_VARIABLE
from seldfuse.storage.digest import hash_file, hash_git_blob
from seldfuse.storage.read_json import read_json
from seldfuse.weights.find import CONFIG, EXAMPLE, HUB_NAME, VOCABULARY, find_published, find_weights_folder

HUB = "https://huggingface.co"
HUB_VARIABLE = "SELDFUSE_HUB"
TIMEOUT_S = 30.0
PIECE_BYTES = 2**20

Listener = Callable[[str, int, int | None], None]
"""Told of a file: its name, the bytes that have come, and how many will have come at the end if that is known."""


@dataclass(frozen=True)
class DownloadedFile:
    """A file that is there now, and what it holds."""

    path: Path
    sha256: str


def download(reference: str, on_bytes: Listener) -> Iterator[DownloadedFile]:
    """Bring the files of a hub's name into the cache, one after another; those that are there stay.

    Each file is whole or not there. Raises UsageError for what is no hub's name, CheckpointError where the hub cannot
    be reached, does not have a file, or sends something else.
    """
    if not HUB_NAME.fullmatch(reference):
        raise UsageError(
            f"expected a hub's name such as {EXAMPLE}; `seldfuse checkpoints` lists more; got {reference!r}"
        )
    entry, folder = find_published(reference), find_weights_folder(reference)
    if entry and entry.address:
        yield download_address(entry.address, folder / entry.weights[0], on_bytes, entry.git_blob)
        return
    _make(folder)
    settings, weights = _names(reference)
    for name in settings:
        yield _file(reference, name, folder, on_bytes)
    if entry is None and _reads_words(folder):
        yield from _vocabulary(reference, folder, on_bytes)
    there = [folder / name for name in weights if (folder / name).is_file()]
    yield _describe(there[0]) if there else _weights(reference, folder, on_bytes)


def download_address(address: str, path: Path, on_bytes: Listener, git_blob: str | None = None) -> DownloadedFile:
    """Bring the file of an address to a path, in place of one that is there.

    With `git_blob` it must be the one that git so names, and stays if it is there.

    Raises UsageError for what is no address on the web, CheckpointError where it cannot be reached or sends something
    else.
    """
    if not address.startswith(("https://", "http://")):
        raise UsageError(f"expected an address that begins with https://, got {address!r}")
    if git_blob and path.is_file() and hash_git_blob(path) == git_blob:
        return _describe(path)
    _make(path.parent)

    def advise(cause: str) -> str:
        return f"{address} cannot be fetched ({cause}); try again, or put the file there by hand: {path}"

    with write_atomically(path) as draft:
        with draft.open("wb") as file:
            file.writelines(_pieces(address, path.name, advise, on_bytes))
        if git_blob and hash_git_blob(draft) != git_blob:
            raise CheckpointError(
                f"what came is not the file that was published, which git names {git_blob}; is a proxy in between? "
                f"{address}"
            )
    return _describe(path)


class _AbsentError(CheckpointError):
    """The hub was reached and does not have the file."""


def _names(reference: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that belong to weights, and the names that their own can have."""
    entry = find_published(reference)
    return (entry.settings, entry.weights) if entry else (SETTINGS_FILES, WEIGHT_FILES)


def _reads_words(folder: Path) -> bool:
    try:
        config = read_json(folder / CONFIG, MOST_DOCUMENT_BYTES)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the settings of the weights cannot be read ({error}); remove them and fetch again: {folder / CONFIG}"
        ) from error
    return isinstance(config, dict) and "text_config" in config


def _vocabulary(reference: str, folder: Path, on_bytes: Listener) -> Iterator[DownloadedFile]:
    """Of a network that reads words; some split them by other files, which nothing here reads."""
    with suppress(_AbsentError):
        yield _file(reference, VOCABULARY, folder, on_bytes)


def _weights(reference: str, folder: Path, on_bytes: Listener) -> DownloadedFile:
    """The first of the names that weights can have that the hub knows."""
    best, *others = _names(reference)[1]
    try:
        return _file(reference, best, folder, on_bytes)
    except _AbsentError as error:
        for name in others:
            try:
                return _file(reference, name, folder, on_bytes)
            except _AbsentError:
                continue
        raise error


def _file(reference: str, name: str, folder: Path, on_bytes: Listener) -> DownloadedFile:
    path = folder / name
    if path.is_file():
        return _describe(path)
    with write_atomically(path) as draft:
        with draft.open("wb") as file:
            url = f"{_hub()}/{reference}/resolve/main/{name}"
            file.writelines(_pieces(url, name, partial(_failure, url, reference, folder), on_bytes))
        _check(draft, name, reference)
    return _describe(path)


def _pieces(url: str, name: str, advise: Callable[[str], str], on_bytes: Listener) -> Iterator[bytes]:
    """What comes from an address; `advise` says what to do about a cause of failure."""
    come = 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"seldfuse/{seldfuse.__version__}"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            size = _size(answer)
            on_bytes(name, 0, size)
            while piece := answer.read(PIECE_BYTES):
                come += len(piece)
                on_bytes(name, come, size)
                yield piece
    except urllib.error.HTTPError as error:
        # It holds the connection.
        error.close()
        kind = _AbsentError if error.code == http.HTTPStatus.NOT_FOUND else CheckpointError
        raise kind(advise(f"{error.code} {error.reason}")) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise CheckpointError(advise(str(cause))) from error
    # A connection that ends early looks like the end of the file.
    if size is not None and come < size:
        raise CheckpointError(advise(f"it ended after {come} of {size} bytes"))


def _failure(url: str, reference: str, folder: Path, cause: str) -> str:
    settings, weights = _names(reference)
    *others, last = [*settings, weights[0]]
    files = f"{', '.join(others)} and {last}" if others else last
    return (
        f"{url} cannot be fetched ({cause}); try again, or put {files} of "
        f"{_hub()}/{reference}/tree/main by hand into {folder}"
    )


def _size(answer: Any) -> int | None:
    stated = answer.headers.get("Content-Length")
    return int(stated) if stated and stated.isdecimal() else None


def _check(draft: Path, name: str, reference: str) -> None:
    """A proxy's page of HTML would come as readily as the file."""
    try:
        if name.endswith(".json"):
            read_json(draft, MOST_DOCUMENT_BYTES)
        elif name.endswith(".safetensors"):
            with safetensors.safe_open(draft, "pt"):
                pass
    except (ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"what came as {name} of {reference} from {_hub()} is something else ({error}); is a proxy in between?"
        ) from error


def _describe(path: Path) -> DownloadedFile:
    return DownloadedFile(path, hash_file(path, "sha256"))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the cache cannot be written ({error.strerror}); name another folder in {CACHE_VARIABLE}: {folder}"
        ) from error


def _hub() -> str:
    """Where files come from; SELDFUSE_HUB can hold another address, that of a mirror."""
    return (os.environ.get(HUB_VARIABLE) or HUB).rstrip("/")
