"""One file of a model on the hub, by huggingface_hub, and only where somebody asked to fetch it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import seldfuse
from seldfuse.errors import CheckpointError

if TYPE_CHECKING:
    from tqdm import tqdm

HUB = "https://huggingface.co"
HUB_VARIABLE, LIBRARY_VARIABLE = "SELDFUSE_HUB", "HF_ENDPOINT"
MAIN = "main"
TIMEOUT_S = 30.0

NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

Listener = Callable[[str, int, int | None], None]
"""Told of a file: its name, the bytes that have come, and how many will have come at the end if that is known."""


class AbsentError(CheckpointError):
    """The server was reached and does not have the file."""


def choose_hub() -> str:
    """Choose where files come from: SELDFUSE_HUB or the library's HF_ENDPOINT can hold the address of a mirror."""
    return (os.environ.get(HUB_VARIABLE) or os.environ.get(LIBRARY_VARIABLE) or HUB).rstrip("/")


def fetch_from_hub(
    reference: str, name: str, revision: str, folder: Path, advise: Callable[[str], str], on_bytes: Listener
) -> bool:
    """Bring a file of a hub's name into a folder; what came of it before a break is kept and gone on with.

    `advise` says what to do about a cause of failure. Returns False where an ordinary server answers, which keeps files
    under a hub's addresses and says nothing of revisions. Raises AbsentError or CheckpointError.
    """
    with _quiet_library() as library:
        hub = choose_hub()
        # Who logged in did so at one place; another one gets no password of it.
        token = None if hub in (HUB, library.constants.ENDPOINT) else False
        about = {
            "endpoint": hub,
            "token": token,
            "library_name": "seldfuse",
            "library_version": seldfuse.__version__,
        }
        try:
            address = library.hf_hub_url(reference, name, revision=revision, endpoint=hub)
            stated = library.get_hf_file_metadata(address, timeout=TIMEOUT_S, **about)
            if stated.commit_hash is None or stated.etag is None:
                return False
            bar = _make_bar(name, on_bytes)
            library.hf_hub_download(reference, name, revision=revision, local_dir=folder, tqdm_class=bar, **about)
        # The library passes on errors of whatever carries it.
        except Exception as error:
            code = getattr(getattr(error, "response", None), "status_code", None)
            if code in NO_HEAD:
                return False
            kind = AbsentError if code == HTTPStatus.NOT_FOUND else CheckpointError
            raise kind(advise(_describe(error, code))) from error
    return True


@contextmanager
def _quiet_library() -> Iterator[Any]:
    """The library, which reports nothing to anyone."""
    import huggingface_hub
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield huggingface_hub
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before


def _describe(error: Exception, code: int | None) -> str:
    if code is None:
        return (str(error).splitlines() or [type(error).__name__])[0]
    text = f"{code} {error.response.reason_phrase}"  # type: ignore[attr-defined]
    if code in REFUSED:
        text += "; where the model asks for consent, give it on its page, then log in by `hf auth login`"
    return text


def _make_bar(name: str, on_bytes: Listener) -> "type[tqdm[Any]]":
    """A bar that draws nothing and tells a listener."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *_: Any, total: int | None = None, initial: int = 0, **__: Any) -> None:
            super().__init__(disable=True)
            self.come, self.whole = initial, total
            on_bytes(name, self.come, self.whole)

        def update(self, n: Any = 1) -> None:
            self.come += int(n or 0)
            on_bytes(name, self.come, self.whole)

    return Bar
