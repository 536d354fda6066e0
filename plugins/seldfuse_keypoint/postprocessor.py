"""The post-processor: rules, and an engine that looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seldfuse.clip import Clip, Frame
from seldfuse.detections import Detections
from seldfuse.labels import DCASE2025
from seldfuse.plugin import PostProcessor
from seldfuse.rules import Rules
from seldfuse_keypoint.catalogue import open_engine
from seldfuse_keypoint.engine import Engine
from seldfuse_keypoint.recorded import Recorded

RULES = Path(__file__).with_name("rules.toml")


@dataclass
class Keypoints:
    """People and their keypoints, as the engine's `PostProcessor` asks for them."""

    rules: Rules
    engine: Engine

    def __post_init__(self) -> None:
        self.looks_with = self.engine.looks_with
        self.lasting = not isinstance(self.engine, Recorded)

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:
        return self.engine.look(clip, frames, seen) if frames else Detections.of([])


def load(engine: str | None, device: torch.device, rules: Path | None) -> PostProcessor:
    """Keypoints by `engine`, which is `ENGINE[:WEIGHTS]`, or by the first that is ready.

    Raises UsageError for an engine that is unknown or rules that are wrong, CheckpointError for packages and weights
    that are missing or broken.
    """
    return Keypoints(Rules.read(rules or RULES, DCASE2025), open_engine(engine, device))
