"""The engines by name: `ENGINE`, or `ENGINE:WEIGHTS` for weights other than its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seldfuse.errors import CheckpointError, UsageError
from seldfuse_keypoint import mmpose, movenet, pair, recorded, vitpose
from seldfuse_keypoint.engine import Engine

AUTO = "auto"


@dataclass(frozen=True)
class Offer:
    """An engine: `find` says where its weights are, or raises CheckpointError that says what is missing."""

    find: Callable[[str | None], Any]
    load: Callable[[Any, torch.device], Engine]


OFFERS: Mapping[str, Offer] = {
    "mmpose": Offer(pair.find, mmpose.MMPose),
    "movenet": Offer(movenet.find, movenet.MoveNet),
    "vitpose": Offer(vitpose.find, vitpose.VitPose),
}
"""In the order in which `auto` tries them: whoever has a file of OpenMMLab's named it; ViTPose sees one person only
where nobody else says where people are."""

RECORDED = "recorded"


def open_engine(reference: str | None, device: torch.device) -> Engine:
    """The engine that a user named, or, for None and `auto`, the first that is ready, else recorded detections.

    Raises UsageError for an unknown name, CheckpointError where packages or weights are missing or broken.
    """
    if reference is None or reference == AUTO:
        return _first_ready(device)
    name, colon, weights = reference.partition(":")
    if name not in (*OFFERS, RECORDED):
        raise UsageError(f"no engine of keypoint is called {name!r}; there is {', '.join((AUTO, *OFFERS, RECORDED))}")
    if colon and not weights:
        raise UsageError(f"expected a file or folder after the colon, got {reference!r}; `keypoint@{name}` without one")
    if name == RECORDED:
        return recorded.Recorded(recorded.find(weights or None))
    return OFFERS[name].load(OFFERS[name].find(weights or None), device)


def _first_ready(device: torch.device) -> Engine:
    missing = []
    for name, offer in OFFERS.items():
        try:
            weights = offer.find(None)
        except CheckpointError as error:
            missing.append(f"{name}: {error}")
            continue
        return offer.load(weights, device)
    return recorded.Recorded(None, otherwise=f"no engine is ready that could look ({'; '.join(missing)})")
