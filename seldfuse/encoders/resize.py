"""Any camera's picture as an encoder takes it: 100° wide, so that a column always means the same azimuth."""

import math

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.geometry import Camera
from seldfuse.encoders.models import FIELD_OF_VIEW_DEG


def resize_to_encoder(
    rgb: UInt8[np.ndarray, "height width 3"], camera: Camera, height_px: int, width_px: int
) -> UInt8[Tensor, "3 out_height out_width"]:
    """Resize a picture to an encoder's, black outside of the camera's view.

    Pixels keep their aspect: a camera of another field of view is brought to the same focal length, and what lies
    outside of the encoder's picture is cut off. `camera` has the field of view of the picture's width.
    """
    height, width = rgb.shape[:2]
    wide_px = _width_px(camera, width_px)
    high_px = max(1, round(wide_px * height / width))
    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float()
    shrinks = wide_px <= width
    scaled = F.interpolate(pixels, (high_px, wide_px), mode="area" if shrinks else "bilinear")[0]
    return _center(_center(scaled, 2, width_px), 1, height_px).round().to(torch.uint8)


def _width_px(camera: Camera, width_px: int) -> int:
    """The width at which the camera's picture has the focal length of the encoder's."""
    half, whole = (math.tan(math.radians(angle / 2)) for angle in (camera.horizontal_fov_deg, FIELD_OF_VIEW_DEG))
    return max(1, round(width_px * half / whole))


def _center(pixels: Tensor, axis: int, size: int) -> Tensor:
    """Cut, or filled up with black, on both sides of an axis."""
    surplus = pixels.shape[axis] - size
    if surplus >= 0:
        return pixels.narrow(axis, surplus // 2, size)
    first = -surplus // 2
    ends = (first, -surplus - first)
    return F.pad(pixels, ends if axis == 2 else (0, 0, *ends))
