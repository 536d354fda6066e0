"""The engines by name."""

from functools import partial

import torch

from seldfuse.vision.engines import Engines, Offer
from seldfuse_keypoint import mmpose, movenet, pair, vitpose
from seldfuse_keypoint.engine import Engine
from seldfuse_keypoint.recorded import Recorded


def open_engine(reference: str | None, device: torch.device) -> Engine:
    """The engine that a user named, or the first that is ready. Raises as `Engines.open` does."""
    # Whoever has a file of OpenMMLab's named it; ViTPose sees one person only where nobody else says where people are.
    offers: dict[str, Offer[Engine]] = {
        "mmpose": Offer(pair.find, partial(mmpose.MMPose, device=device)),
        "movenet": Offer(movenet.find, partial(movenet.MoveNet, device=device)),
        "vitpose": Offer(vitpose.find, partial(vitpose.VitPose, device=device)),
    }
    return Engines("keypoint", offers, Recorded, "a file or folder").open(reference)
