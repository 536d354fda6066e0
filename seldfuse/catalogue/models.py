"""What the engine asks of a loaded plugin."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from seldfuse.core.clip import Clip, Frame
    from seldfuse.core.clip_batch import ClipBatch
    from seldfuse.core.detections import Detections
    from seldfuse.core.posterior import Posterior
    from seldfuse.core.rules import Rules


@runtime_checkable
class BackendModel(Protocol):
    """Turns windows of sound (and pictures) into a posterior. One instance for each device; no global state.

    `features` are the names of those that it asks a batch for. `encoders` are references of encoders whose tokens it
    asks for, each with the version that it was trained with. Both are those of its checkpoint.
    """

    features: tuple[str, ...]
    encoders: Mapping[str, str]

    def infer(self, batch: "ClipBatch") -> "Posterior":
        """Infer a posterior with one row for each window of `batch`, on the device of the batch."""
        ...


@runtime_checkable
class DetectorModel(Protocol):
    """Finds people or things in pictures; the engine chooses the pictures, and corrects once for all detectors.

    `rules` say which thing may be the source of which class. `engine_id` names what detects, its weights and prompts
    included: the same text promises the same detections, which are stored under it. Where `cacheable` is False it
    promises nothing, as where files are read that may change, and nothing is stored.
    """

    rules: "Rules"
    engine_id: str
    cacheable: bool

    def detect(self, clip: "Clip", frames: "Sequence[Frame]", seen: "Detections | None") -> "Detections":
        """Detect in each of `frames`, key frames of `clip`: rows at the times of the frames, untracked.

        `seen` is what earlier detectors found in the same frames, None where there were none.
        """
        ...
