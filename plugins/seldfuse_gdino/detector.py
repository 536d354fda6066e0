"""The detector: rules, and an engine that detects what they name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from seldfuse.sdk import DCASE2025, Clip, Detections, DetectorModel, Frame, Rules, hash_text
from seldfuse_gdino.engine import PhraseEngine
from seldfuse_gdino.engines import open_engine
from seldfuse_gdino.recorded import RecordedBoxes
from seldfuse_gdino.vocabulary import Vocabulary

RULES = Path(__file__).with_name("rules.toml")
HASH_DIGITS = 8


@dataclass
class PhraseDetector:
    """A `DetectorModel` of the things that the rules name."""

    rules: Rules
    engine_id: str
    engine: PhraseEngine
    reopen: Callable[[Vocabulary], PhraseEngine]

    def __post_init__(self) -> None:
        self.cacheable = not isinstance(self.engine, RecordedBoxes)

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Detections:  # noqa: ARG002
        return self.engine.detect(clip, frames) if frames else Detections.from_rows([])

    def ask_for(self, rules: Rules) -> "PhraseDetector":
        """Open the same engine for what other rules name. Raises UsageError for prompts that contradict each other."""
        return _open(rules, self.reopen)


def load(engine: str | None, device: torch.device, rules: Path | None) -> DetectorModel:
    """Load a detector with `engine`, which is `ENGINE[:WEIGHTS]`, or by the first that is ready.

    Raises UsageError for an engine that is unknown or rules that are wrong, CheckpointError for packages and weights
    that are missing or broken.
    """
    return _open(Rules.read(rules or RULES, DCASE2025), partial(open_engine, engine, device=device))


def _open(rules: Rules, open_engine: Callable[[Vocabulary], PhraseEngine]) -> PhraseDetector:
    vocabulary = Vocabulary(rules)
    engine = open_engine(vocabulary)
    return PhraseDetector(rules, f"{engine.engine_id}, asked for {_digest(vocabulary)}", engine, open_engine)


def _digest(vocabulary: Vocabulary) -> str:
    """Of all that changes what is found: where in a box a thing sounds does not."""
    asked = repr((vocabulary.prompts, vocabulary.names, vocabulary.things))
    return hash_text(asked, "sha256", HASH_DIGITS)
