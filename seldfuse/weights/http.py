"""Fetching weights from a hub: the only thing in seldfuse that downloads, and only when it is asked to."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import safetensors

from seldfuse.catalogue.values import SETTINGS_FILES, WEIGHT_FILES
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.limits import MOST_DOCUMENT_BYTES
from seldfuse.storage.cache import CACHE_VARIABLE
from seldfuse.storage.digest import hash_file, hash_git_blob
from seldfuse.storage.read_json import read_json
from seldfuse.weights.find import CONFIG, EXAMPLE, HUB_NAME, VOCABULARY, find_published, find_weights_folder
from seldfuse.weights.hub import MAIN, AbsentError, Listener, choose_hub, fetch_from_hub
from seldfuse.weights.resume import fetch_resumed


@dataclass(frozen=True)
class DownloadedFile:
    """A file that is there now, and what it holds."""

    path: Path
    sha256: str


def download(reference: str, on_bytes: Listener, revision: str | None = None) -> Iterator[DownloadedFile]:
    """Bring the files of a hub's name into the cache, one after another; those that are there stay.

    With a `revision`, a branch, a tag or a commit of the hub, files of another one are replaced. Each file is whole or
    not there; one that broke off goes on where it stopped. Raises UsageError for what is no hub's name, CheckpointError
    where the hub cannot be reached, does not have a file, or sends something else.
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
        yield _file(reference, name, folder, on_bytes, revision)
    if entry is None and _reads_words(folder):
        yield from _vocabulary(reference, folder, on_bytes, revision)
    there = [folder / name for name in weights if (folder / name).is_file() and revision is None]
    yield _describe(there[0]) if there else _weights(reference, folder, on_bytes, revision)


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

    with fetch_resumed(address, path, advise, on_bytes) as draft:
        if git_blob and hash_git_blob(draft) != git_blob:
            raise CheckpointError(
                f"what came is not the file that was published, which git names {git_blob}; is a proxy in between? "
                f"{address}"
            )
    return _describe(path)


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


def _vocabulary(reference: str, folder: Path, on_bytes: Listener, revision: str | None) -> Iterator[DownloadedFile]:
    """Of a network that reads words; some split them by other files, which nothing here reads."""
    with suppress(AbsentError):
        yield _file(reference, VOCABULARY, folder, on_bytes, revision)


def _weights(reference: str, folder: Path, on_bytes: Listener, revision: str | None) -> DownloadedFile:
    """The first of the names that weights can have that the hub knows."""
    best, *others = _names(reference)[1]
    try:
        return _file(reference, best, folder, on_bytes, revision)
    except AbsentError as error:
        for name in others:
            try:
                return _file(reference, name, folder, on_bytes, revision)
            except AbsentError:
                continue
        raise error


def _file(reference: str, name: str, folder: Path, on_bytes: Listener, revision: str | None) -> DownloadedFile:
    path = folder / name
    if path.is_file() and revision is None:
        return _describe(path)
    url = f"{choose_hub()}/{reference}/resolve/{revision or MAIN}/{name}"
    advise = partial(_failure, url, reference, folder)
    if not fetch_from_hub(reference, name, revision or MAIN, folder, advise, on_bytes):
        with fetch_resumed(url, path, advise, on_bytes) as draft:
            _check(draft, name, reference)
    return _describe(path)


def _failure(url: str, reference: str, folder: Path, cause: str) -> str:
    settings, weights = _names(reference)
    *others, last = [*settings, weights[0]]
    files = f"{', '.join(others)} and {last}" if others else last
    return (
        f"{url} cannot be fetched ({cause}); try again, or put {files} of "
        f"{choose_hub()}/{reference}/tree/main by hand into {folder}"
    )


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
            f"what came as {name} of {reference} from {choose_hub()} is something else ({error}); "
            "is a proxy in between?"
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
