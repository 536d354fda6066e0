"""The engines by name."""

import torch

from seldfuse.sdk import EngineCatalogue, EngineEntry, WeightFiles
from seldfuse_keypoint import mmpose, movenet, pair, vitpose
from seldfuse_keypoint.engine import PoseEngine
from seldfuse_keypoint.found_boxes import InFoundBoxes
from seldfuse_keypoint.pair import PoseWeights
from seldfuse_keypoint.recorded import RecordedPoses


def open_engine(reference: str | None, device: torch.device) -> PoseEngine:
    """Open the engine that a user named, or the first that is ready. Raises as `EngineCatalogue.open` does."""

    def load_mmpose(weights: PoseWeights) -> PoseEngine:
        poses = mmpose.MMPose(weights, device)
        return in_found_boxes(poses) if poses.one_by_one else poses

    def load_vitpose(weights: WeightFiles) -> PoseEngine:
        return in_found_boxes(vitpose.VitPose(weights, device))

    def in_found_boxes(poses: PoseEngine) -> PoseEngine:
        return InFoundBoxes(poses, movenet.MoveNet(movenet.find(None), device))

    # The strongest first. The first two are ready only where a user named or fetched weights, MoveNet always.
    engines: dict[str, EngineEntry[PoseEngine]] = {
        "mmpose": EngineEntry(pair.find, load_mmpose),
        "vitpose": EngineEntry(vitpose.find, load_vitpose),
        "movenet": EngineEntry(movenet.find, lambda path: movenet.MoveNet(path, device)),
    }
    return EngineCatalogue("keypoint", engines, RecordedPoses, "a file or folder").open(reference)
