"""The engines by name."""

from functools import partial

import torch

from seldfuse.sdk import EngineCatalogue, EngineEntry
from seldfuse_keypoint import mmpose, movenet, pair, vitpose
from seldfuse_keypoint.engine import PoseEngine
from seldfuse_keypoint.recorded import RecordedPoses


def open_engine(reference: str | None, device: torch.device) -> PoseEngine:
    """Open the engine that a user named, or the first that is ready. Raises as `EngineCatalogue.open` does."""
    # mmpose is ready only where a user named its files; ViTPose alone finds one person only, without boxes of people.
    engines: dict[str, EngineEntry[PoseEngine]] = {
        "mmpose": EngineEntry(pair.find, partial(mmpose.MMPose, device=device)),
        "movenet": EngineEntry(movenet.find, partial(movenet.MoveNet, device=device)),
        "vitpose": EngineEntry(vitpose.find, partial(vitpose.VitPose, device=device)),
    }
    return EngineCatalogue("keypoint", engines, RecordedPoses, "a file or folder").open(reference)
