"""What the engine asks of a loaded plugin."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from seldfuse.features import ClipBatch
    from seldfuse.posterior import Posterior


@runtime_checkable
class Backend(Protocol):
    """Turns windows of sound (and picture) into a posterior. One instance per device; no global state."""

    def infer(self, batch: "ClipBatch") -> "Posterior":
        """A posterior with one row per window of `batch`, on the device of the batch."""
        ...


@runtime_checkable
class SeeingBackend(Backend, Protocol):
    """A backend that wants embeddings: `encoders` are their names, with the version of each that it knows."""

    encoders: Mapping[str, str]
