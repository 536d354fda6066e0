"""The engines by name."""

from functools import partial

import torch

from seldfuse.sdk import EngineCatalogue, EngineEntry
from seldfuse_keypoint import mmpose, movenet, pair, vitpose
from seldfuse_keypoint.engine import PoseEngine
from seldfuse_keypoint.recorded import RecordedPoses


def open_engine(reference: str | None, device: torch.device) -> PoseEngine:
    """The engine that a user named, or the first that is ready. Raises as `EngineCatalogue.open` does."""
    # Whoever has a file of OpenMMLab's named it; ViTPose sees one person only where nobody else says where people are.
    offers: dict[str, EngineEntry[PoseEngine]] = {
        "mmpose": EngineEntry(pair.find, partial(mmpose.MMPose, device=device)),
        "movenet": EngineEntry(movenet.find, partial(movenet.MoveNet, device=device)),
        "vitpose": EngineEntry(vitpose.find, partial(vitpose.VitPose, device=device)),
    }
    return EngineCatalogue("keypoint", offers, RecordedPoses, "a file or folder").open(reference)
