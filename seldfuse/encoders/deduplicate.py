"""Pictures that are nearly the same are encoded once: most cameras stand still."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.errors import PluginError

STILL_LEVELS = 2.0
"""Two pictures count as the same where no patch of them differs by more than this on average, of 255 levels."""

PATCH_PX = 14


def encode_distinct(
    pictures: UInt8[Tensor, "picture 3 height width"], encoder: ImageEncoderModel, still_levels: float = STILL_LEVELS
) -> Float[Tensor, "picture token channel"]:
    """Encode consecutive pictures; one that is nearly the last one that was encoded gets its tokens.

    Raises PluginError where the encoder fails, or gives tokens of another shape than it states.
    """
    chosen, places = find_distinct(pictures, still_levels)
    with guard_plugin(f"the encoder {encoder.name} failed", "leave out the backend that asks for it", lets_by=_ran_out):
        tokens = encoder.encode(pictures[chosen])
    expected, found = (len(chosen), encoder.tokens, encoder.channels), getattr(tokens, "shape", type(tokens).__name__)
    if found != expected:
        raise PluginError(
            f"the encoder {encoder.name} must give (picture, token, channel) of {expected}, as it states, gave "
            f"{found if isinstance(found, str) else tuple(found)}"
        )
    return tokens.cpu()[places]


def _ran_out(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


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
