"""Pictures of one person each, and where on them a heatmap peaks, as ViTPose learnt them.

The corners of a crop, and of its heatmap, lie in the middle of their corner pixels (Huang et al. 2020, "The Devil is in
the Details").
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

PADDING = 1.25
FAINTEST = 1e-3


def extract_crops(boxes_px: Float[Tensor, "place 4"], aspect: float) -> Float[Tensor, "place 4"]:
    """Compute boxes (left, top, right, bottom) about others, a quarter larger, whose width is `aspect` times their
    height."""
    first, last = boxes_px.reshape(-1, 2, 2).unbind(dim=1)
    width, height = (last - first).unbind(dim=1)
    sides = torch.stack([torch.maximum(width, height * aspect), torch.maximum(height, width / aspect)], dim=1)
    middles, reach = (first + last) / 2, sides * PADDING / 2
    return torch.cat([middles - reach, middles + reach], dim=1)


def crop_boxes(
    picture: UInt8[Tensor, "3 height width"], boxes_px: Float[Tensor, "place 4"], high_px: int, wide_px: int
) -> Float[Tensor, "place 3 high wide"]:
    """Crop what lies in each box, from 0 to 1; black where that is outside of the picture."""
    height, width = picture.shape[1:]
    across, down = (torch.linspace(0, 1, steps, device=boxes_px.device) for steps in (wide_px, high_px))
    left, top, right, bottom = boxes_px.float().unbind(dim=1)
    x_px = left[:, None] + (right - left)[:, None] * across  # (place, wide)
    y_px = top[:, None] + (bottom - top)[:, None] * down
    # From −1 to 1, from the middle of the first pixel to that of the last.
    x, y = x_px * 2 / (width - 1) - 1, y_px * 2 / (height - 1) - 1
    grid = torch.stack([x[:, None].expand(-1, high_px, -1), y[:, :, None].expand(-1, -1, wide_px)], dim=3)
    pictures = (picture.float() / 255)[None].expand(len(boxes_px), -1, -1, -1)
    return F.grid_sample(pictures, grid, align_corners=True)


def find_peaks(heatmaps: Float[Tensor, "place point high wide"]) -> Float[Tensor, "place point 3"]:
    """Find column, row and height of each map's highest place, between pixels where a parabola's logarithm has its
    top."""
    wide = heatmaps.shape[3]
    scores, index = heatmaps.flatten(2).max(dim=2)
    row, column = index // wide, index % wide
    around = F.pad(heatmaps.clamp_min(FAINTEST).log(), (1, 1, 1, 1), mode="replicate").flatten(2)
    middle = (row + 1) * (wide + 2) + column + 1
    x = column + _top(around, middle, step=1)
    y = row + _top(around, middle, step=wide + 2)
    return torch.stack([x, y, scores], dim=2)


def to_picture_pixels(
    peaks: Float[Tensor, "place point 3"], boxes_px: Float[Tensor, "place 4"], high: int, wide: int
) -> Float[Tensor, "place point 3"]:
    """Bring peaks on maps of `high` rows and `wide` columns, to the picture's pixels."""
    first, last = boxes_px.reshape(-1, 2, 2).unbind(dim=1)
    steps = (last - first) / torch.tensor([wide - 1, high - 1], device=boxes_px.device)
    return torch.cat([first[:, None] + peaks[..., :2] * steps[:, None], peaks[..., 2:]], dim=2)


def _top(values: Float[Tensor, "place point pixel"], middle: Tensor, step: int) -> Float[Tensor, "place point"]:
    """How far from the middle a parabola through three values has its top: half a step at most."""
    before, at, after = (values.gather(2, (middle + way)[..., None])[..., 0] for way in (-step, 0, step))
    bend = before - 2 * at + after
    return torch.where(bend < 0, (before - after) / (2 * bend), torch.zeros_like(bend))
