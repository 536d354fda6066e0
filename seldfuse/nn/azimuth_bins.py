"""Azimuth as a distribution over bins: a network that is unsure says so, where a vector would shrink to the middle.

A coincident stereo pair cannot tell front from back, so that the bins go from −90° (right) to 90° (left).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth, fold_to_front
from seldfuse.nn.band_attention import HIDDEN

AZIMUTH_BINS = 36
BIN_DEG = 180.0 / AZIMUTH_BINS
HARMONICS = 16
"""Cosines that make up the logits over azimuth: a network learns a smooth curve, not each bin for itself."""

TARGET_STD_DEG = 4.0
"""Width of a true azimuth's soft label."""

SMOOTHING_DEG = 25.0
"""Half width of the triangular window that smooths a distribution before its highest place is looked for."""

NEAR_DEG = 20.0
"""What lies within this of the highest place belongs to it: what F20 asks for."""


def get_bin_centers_deg(device: torch.device | str = "cpu") -> Float[Tensor, "bin"]:
    """Return the azimuth in the middle of each bin, from right to left."""
    return (torch.arange(AZIMUTH_BINS, device=device) + 0.5) * BIN_DEG - 90.0


class AzimuthHead(nn.Module):
    """Logits over the bins for each class and frame, sums of cosines over azimuth, of what `BandAttention` gives."""

    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(HIDDEN, HARMONICS)
        place = (torch.arange(AZIMUTH_BINS) + 0.5) / AZIMUTH_BINS
        order = torch.arange(1, HARMONICS + 1)
        self.register_buffer("cosines", torch.cos(math.pi * order.unsqueeze(1) * place), persistent=False)

    def forward(self, hidden: Float[Tensor, "batch frame cls 64"]) -> Float[Tensor, "batch frame cls bin"]:
        with torch.autocast(hidden.device.type, enabled=False):
            return self.layer(hidden) @ self.cosines  # type: ignore[no-any-return]


def make_soft_labels(direction: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape bin"]:
    """Make the distribution that a direction stands for: a Gaussian around its azimuth, folded to the front."""
    azimuth_deg = azimuth_from_direction(fold_to_front(direction))
    distance = (get_bin_centers_deg(direction.device) - azimuth_deg.unsqueeze(-1)) / TARGET_STD_DEG
    return (-0.5 * distance.square()).softmax(dim=-1)


def read_azimuth(logits: Float[Tensor, "*shape bin"]) -> tuple[Float[Tensor, "*shape 3"], Float[Tensor, "*shape"]]:
    """Read the direction at the mode of the distribution, and its standard deviation around the mode in degrees.

    The best place is where the distribution, smoothed, is highest, and the mode the median of what lies within
    `NEAR_DEG` of it. Smoothing divides by how much of its window there is at a place, as beyond ±90° there is nothing;
    else whatever sounds at the edge would be heard at 73°.
    """
    probability = logits.float().softmax(dim=-1)
    centers_deg = get_bin_centers_deg(logits.device)
    apart_deg = (centers_deg - centers_deg.unsqueeze(1)).abs()
    window = (1.0 - apart_deg / SMOOTHING_DEG).clamp_min(0.0)  # (bin, place)
    best = (probability @ (window / window.sum(dim=0))).argmax(dim=-1)
    mode_deg = _find_median_deg(probability * (apart_deg <= NEAR_DEG)[best])
    variance = (probability * (centers_deg - mode_deg.unsqueeze(-1)).square()).sum(dim=-1)
    return direction_from_azimuth(mode_deg), variance.sqrt().clamp_min(BIN_DEG / math.sqrt(12.0))


def _find_median_deg(weights: Float[Tensor, "*shape bin"]) -> Float[Tensor, "*shape"]:
    """Find where half of the weights lie on either side, those of a bin being spread evenly over it."""
    below = weights.cumsum(dim=-1)
    half = below[..., -1:] / 2.0
    middle = (below >= half).int().argmax(dim=-1, keepdim=True)
    share_above = (below.gather(-1, middle) - half) / weights.gather(-1, middle)
    return ((middle + 1.0 - share_above) * BIN_DEG - 90.0).squeeze(-1)


def compute_azimuth_loss(
    logits: Float[Tensor, "batch frame cls bin"],
    activity: Float[Tensor, "batch frame cls track"],
    direction: Float[Tensor, "batch frame cls track 3"],
) -> Float[Tensor, ""]:
    """Compute the cross-entropy with the soft labels where the class sounds, the mean over active cells.

    Several sources of one class share the distribution by their activity. Cells of activity NaN, of classes that were
    not annotated, do not count.
    """
    activity = activity.nan_to_num()
    weight = activity.sum(dim=-1)
    labels = (make_soft_labels(direction) * activity.unsqueeze(-1)).sum(dim=-2)
    errors = -(labels * F.log_softmax(logits.float(), dim=-1)).sum(dim=-1)
    return errors.sum() / weight.sum().clamp_min(1.0)
