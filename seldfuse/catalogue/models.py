"""What the engine asks of a loaded plugin."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from seldfuse.core.clip import Clip, Frame
    from seldfuse.core.detections import Detections
    from seldfuse.core.posterior import Posterior
    from seldfuse.core.rules import Rules
    from seldfuse.features import ClipBatch


@runtime_checkable
class BackendModel(Protocol):
    """Turns windows of sound (and picture) into a posterior. One instance per device; no global state."""

    def infer(self, batch: "ClipBatch") -> "Posterior":
        """A posterior with one row per window of `batch`, on the device of the batch."""
        ...


@runtime_checkable
class TokenBackendModel(BackendModel, Protocol):
    """A backend that wants embeddings: `encoders` are their names, with the version of each that it knows."""

    encoders: Mapping[str, str]


@runtime_checkable
class DetectorModel(Protocol):
    """Says what is to be seen; the engine says where to look, and does the correcting, once, with what all of them saw.

    `rules` say which thing speaks for which class. `looks_with` names what looks, its weights and prompts included: the
    same text promises the same detections, which are kept under it. Where `lasting` is False it promises nothing, as
    where files are read that may change, and nothing is kept.
    """

    rules: "Rules"
    engine_id: str
    cacheable: bool

    def detect(self, clip: "Clip", frames: "Sequence[Frame]", seen: "Detections | None") -> "Detections":
        """What stands in each of `frames`, key frames of `clip`, rows at the times of the frames, untracked.

        `seen` is what earlier post-processors found in the same frames, None where there were none.
        """
        ...
