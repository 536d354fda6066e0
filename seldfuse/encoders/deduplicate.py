"""Pictures that are nearly the same are encoded once: most cameras stand still."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.encoders.models import ImageEncoderModel

STILL_LEVELS = 2.0
"""Two pictures count as the same where no patch of them differs by more than this on average, of 255 levels."""

PATCH_PX = 14


def encode_distinct(
    pictures: UInt8[Tensor, "picture 3 height width"], encoder: ImageEncoderModel, still_levels: float = STILL_LEVELS
) -> Float[Tensor, "picture token channel"]:
    """Encode consecutive pictures; one that is nearly the last one that was encoded gets its tokens."""
    chosen, places = find_distinct(pictures, still_levels)
    return encoder.encode(pictures[chosen]).cpu()[places]


def find_distinct(
    pictures: UInt8[Tensor, "picture 3 height width"], still_levels: float
) -> tuple[Int[Tensor, "chosen"], Int[Tensor, "picture"]]:
    """Find which pictures to encode, and for each picture the place among them of the one that stands for it."""
    levels = pictures.to(torch.int16)
    chosen, places = [0], [0]
    for number in range(1, len(pictures)):
        if _differs(levels[number], levels[chosen[-1]]) > still_levels:
            chosen.append(number)
        places.append(len(chosen) - 1)
    return torch.tensor(chosen), torch.tensor(places)


def _differs(one: Tensor, other: Tensor) -> float:
    """The mean difference of the patch that differs most."""
    difference = (one - other).abs_().float()
    return float(F.avg_pool2d(difference, PATCH_PX, ceil_mode=True).mean(0).max())
