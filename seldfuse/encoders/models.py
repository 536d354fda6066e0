"""What every encoder of pictures can do."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

FIELD_OF_VIEW_DEG = 100.0
"""What encoders see of the world, from left to right: the challenge's pictures. Others are brought to it."""


@runtime_checkable
class ImageEncoderModel(Protocol):
    """Turns pictures into tokens, frozen.

    `name` and `version` say which encoder with which weights it is: what it gave once is looked up by them. Pictures
    are `height_px` by `width_px`, span `FIELD_OF_VIEW_DEG`, and are looked at `rate_hz` times a second, which divides
    10. Each gives `tokens` vectors of `channels` values; tokens are columns of the picture, from left to right.
    """

    name: str
    version: str
    height_px: int
    width_px: int
    rate_hz: int
    tokens: int
    channels: int

    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture token channel"]:
        """Tokens of some pictures, RGB, on the encoder's device."""
        ...
