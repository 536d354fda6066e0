"""The detector: rules, and an engine that finds people."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seldfuse.sdk import DCASE2025, Clip, Detections, DetectorModel, Frame, Rules
from seldfuse_keypoint.engine import PoseEngine
from seldfuse_keypoint.engines import open_engine
from seldfuse_keypoint.recorded import RecordedPoses

RULES = Path(__file__).with_name("rules.toml")


@dataclass
class KeypointDetector:
    """A `DetectorModel` of people and their keypoints."""

    rules: Rules
    engine: PoseEngine

    def __post_init__(self) -> None:
        self.engine_id = self.engine.engine_id
        self.cacheable = not isinstance(self.engine, RecordedPoses)

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:
        return self.engine.detect(clip, frames, seen) if frames else Detections.from_rows([])


def load(engine: str | None, device: torch.device, rules: Path | None) -> DetectorModel:
    """Load a detector with `engine`, which is `ENGINE[:WEIGHTS]`, or by the first that is ready.

    Raises UsageError for an engine that is unknown or rules that are wrong, CheckpointError for packages and weights
    that are missing or broken.
    """
    return KeypointDetector(Rules.read(rules or RULES, DCASE2025), open_engine(engine, device))
