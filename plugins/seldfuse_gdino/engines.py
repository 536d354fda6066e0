"""The engines by name."""

from functools import partial

import torch

from seldfuse.sdk import EngineCatalogue, EngineEntry
from seldfuse_gdino import groundingdino, hf, yolox
from seldfuse_gdino.engine import PhraseEngine
from seldfuse_gdino.recorded import RecordedBoxes
from seldfuse_gdino.vocabulary import Vocabulary


def open_engine(reference: str | None, vocabulary: Vocabulary, device: torch.device) -> PhraseEngine:
    """Open the engine that a user named, or the first that is ready. Raises as `EngineCatalogue.open` does."""
    # An open vocabulary, where its weights are here, before a closed one, whose weights always are.
    engines: dict[str, EngineEntry[PhraseEngine]] = {
        "hf": EngineEntry(hf.find, partial(hf.load, vocabulary=vocabulary, device=device)),
        "groundingdino": EngineEntry(
            groundingdino.find_weights_and_vocabulary, partial(groundingdino.load, vocabulary=vocabulary, device=device)
        ),
        "yolox": EngineEntry(yolox.find, partial(yolox.YoloX, vocabulary=vocabulary, device=device)),
    }
    return EngineCatalogue("gdino", engines, partial(RecordedBoxes, vocabulary), "weights or a folder").open(reference)
