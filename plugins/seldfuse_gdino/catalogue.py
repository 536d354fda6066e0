"""The engines by name."""

from functools import partial

import torch

from seldfuse.vision.engines import Engines, Offer
from seldfuse_gdino import groundingdino, hf, yolox
from seldfuse_gdino.engine import Engine
from seldfuse_gdino.recorded import Recorded
from seldfuse_gdino.vocabulary import Vocabulary


def open_engine(reference: str | None, vocabulary: Vocabulary, device: torch.device) -> Engine:
    """The engine that a user named, or the first that is ready. Raises as `Engines.open` does."""
    # An open vocabulary before a closed one.
    offers: dict[str, Offer[Engine]] = {
        "hf": Offer(hf.find, partial(hf.load, vocabulary=vocabulary, device=device)),
        "groundingdino": Offer(groundingdino.find, partial(groundingdino.load, vocabulary=vocabulary, device=device)),
        "yolox": Offer(yolox.find, partial(yolox.YoloX, vocabulary=vocabulary, device=device)),
    }
    return Engines("gdino", offers, partial(Recorded, vocabulary), "weights or a folder").open(reference)
