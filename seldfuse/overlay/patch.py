"""Small drawings that are laid over pictures again and again, and are converted to a video's colours once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from seldfuse.media.redraw import Planes

BT601_WEIGHTS, BT709_WEIGHTS = (0.299, 0.114), (0.2126, 0.0722)
"""Shares of red and blue in luma (ITU-R BT.601 and BT.709)."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A drawing with transparency, of even width and height: red, green, blue and opacity."""

    rgba: UInt8[np.ndarray, "height width 4"]

    def __post_init__(self) -> None:
        height, width = self.rgba.shape[:2]
        if height % 2 or width % 2:
            raise ValueError(f"width and height must be even, got {width}×{height}")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.rgba.shape[1], self.rgba.shape[0]


class Placed(NamedTuple):
    """A patch and the pixel of its left upper corner, which may lie outside of the picture."""

    patch: Patch
    x_px: int
    y_px: int


def lay_over(planes: Planes, placed: Sequence[Placed]) -> None:
    """Lay patches over a picture, the first one below."""
    for patch, x_px, y_px in placed:
        layers = _convert(patch, x_px % 2, y_px % 2, planes.bt709, planes.full_range)
        x_px, y_px = x_px - x_px % 2, y_px - y_px % 2
        for plane, (color, keep), step in zip((planes.luma, planes.blue, planes.red), layers, (1, 2, 2), strict=True):
            _blend(plane, color, keep, x_px // step, y_px // step)


def _blend(plane: np.ndarray, color: np.ndarray, keep: np.ndarray, x_px: int, y_px: int) -> None:
    """Lay a layer over a plane where it lies inside: `color` is multiplied by opacity already, `keep` is the rest."""
    height, width = plane.shape
    left, top = max(0, -x_px), max(0, -y_px)
    right, bottom = min(color.shape[1], width - x_px), min(color.shape[0], height - y_px)
    if left >= right or top >= bottom:
        return
    below = plane[y_px + top : y_px + bottom, x_px + left : x_px + right]
    inside = slice(top, bottom), slice(left, right)
    below[:] = (below * keep[inside] + color[inside]) >> 8


@lru_cache(maxsize=256)
def _convert(
    patch: Patch, odd_x: int, odd_y: int, bt709: bool, full_range: bool
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Each plane's color times 256 × opacity, and 256 × (1 − opacity).

    Chroma has a value for two by two pixels: a patch at an odd pixel begins with a clear line.
    """
    rgba = np.pad(patch.rgba, ((odd_y, odd_y), (odd_x, odd_x), (0, 0)))
    red, green, blue = np.moveaxis(rgba[..., :3].astype(np.float64) / 255, -1, 0)
    red_share, blue_share = BT709_WEIGHTS if bt709 else BT601_WEIGHTS
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    from_blue, from_red = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    black, white, chroma = (0, 255, 255) if full_range else (16, 219, 224)
    opacity = rgba[..., 3].astype(np.float64) / 255
    planes = (black + white * luma, 128 + chroma * from_blue, 128 + chroma * from_red)
    halved = [_halve(plane * opacity) for plane in planes[1:]]
    layers = [(planes[0] * opacity, opacity), *((one, _halve(opacity)) for one in halved)]
    return tuple(
        (np.rint(color * 256).astype(np.uint16), np.rint(256 * (1 - covered)).astype(np.uint16))
        for color, covered in layers
    )


def _halve(plane: np.ndarray) -> np.ndarray:
    """Means of two by two pixels."""
    height, width = plane.shape
    halved: np.ndarray = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return halved
