"""Any camera's picture as an encoder takes it: 100° wide, so that a column always means the same azimuth."""

import math

import numpy as np
import torch
from jaxtyping import Float32, Num, UInt8
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
    pixels = np.ascontiguousarray(rgb)
    scaled = _shrink(pixels, high_px, wide_px) if wide_px <= width else _grow(pixels, high_px, wide_px)
    return _center(_center(scaled, 2, width_px), 1, height_px).round().to(torch.uint8)


def _grow(rgb: UInt8[np.ndarray, "height width 3"], high_px: int, wide_px: int) -> Float32[Tensor, "3 high wide"]:
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
    return F.interpolate(pixels, (high_px, wide_px), mode="bilinear")[0]


def _shrink(rgb: UInt8[np.ndarray, "height width 3"], high_px: int, wide_px: int) -> Float32[Tensor, "3 high wide"]:
    """Average over areas, as `interpolate` does by mode "area", in half its time and less: rows first, then columns."""
    height, width = rgb.shape[:2]
    rows, high = _sum_areas(rgb.reshape(height, -1), high_px)
    columns, wide = _sum_areas(rows.reshape(high_px, width, 3).transpose(1, 2, 0).reshape(width, -1), wide_px)
    means = columns.reshape(wide_px, 3, high_px).transpose(1, 2, 0) / (high[:, None] * wide).astype(np.float32)
    return torch.from_numpy(means.astype(np.float32))


def _sum_areas(lines: Num[np.ndarray, "line value"], count: int) -> tuple[Num[np.ndarray, "count value"], np.ndarray]:
    """Sum up the lines of so many areas, which share a line where it lies in two; also give how many each has."""
    area = np.arange(count)
    first, end = area * len(lines) // count, -(-(area + 1) * len(lines) // count)
    sums = lines[first].astype(np.int32)
    for step in range(1, int((end - first).max())):
        inside = first + step < end
        sums[inside] += lines[(first + step)[inside]]
    return sums, end - first


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
