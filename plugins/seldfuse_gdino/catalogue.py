"""The engines by name: `ENGINE`, or `ENGINE:WEIGHTS` for weights other than its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seldfuse.errors import CheckpointError, UsageError
from seldfuse_gdino import groundingdino, hf, recorded, yolox
from seldfuse_gdino.engine import Engine
from seldfuse_gdino.vocabulary import Vocabulary

AUTO = "auto"


@dataclass(frozen=True)
class Offer:
    """An engine: `find` says where its weights are, or raises CheckpointError that says what is missing."""

    find: Callable[[str | None], Any]
    load: Callable[[Any, Vocabulary, torch.device], Engine]


OFFERS: Mapping[str, Offer] = {
    "hf": Offer(hf.find, hf.load),
    "groundingdino": Offer(groundingdino.find, groundingdino.load),
    "yolox": Offer(yolox.find, yolox.YoloX),
}
"""In the order in which `auto` tries them: an open vocabulary before a closed one."""

RECORDED = "recorded"


def open_engine(reference: str | None, vocabulary: Vocabulary, device: torch.device) -> Engine:
    """The engine that a user named, or, for None and `auto`, the first that is ready, else recorded detections.

    Raises UsageError for an unknown name, CheckpointError where packages or weights are missing or broken.
    """
    if reference is None or reference == AUTO:
        return _first_ready(vocabulary, device)
    name, colon, weights = reference.partition(":")
    if name not in (*OFFERS, RECORDED):
        raise UsageError(f"no engine of gdino is called {name!r}; there is {', '.join((AUTO, *OFFERS, RECORDED))}")
    if colon and not weights:
        raise UsageError(f"expected weights or a folder after the colon, got {reference!r}; `gdino@{name}` without one")
    if name == RECORDED:
        return recorded.Recorded(recorded.find(weights or None), vocabulary)
    return OFFERS[name].load(OFFERS[name].find(weights or None), vocabulary, device)


def _first_ready(vocabulary: Vocabulary, device: torch.device) -> Engine:
    missing = []
    for name, offer in OFFERS.items():
        try:
            weights = offer.find(None)
        except CheckpointError as error:
            missing.append(f"{name}: {error}")
            continue
        return offer.load(weights, vocabulary, device)
    otherwise = f"no engine is ready that could look ({'; '.join(missing)})"
    return recorded.Recorded(None, vocabulary, otherwise)
