"""Where a sound is panned, as a point on the unit circle, and two features that state less of themselves."""

import torch

from seldfuse.sdk import ClipBatch, PowerShares

FLOOR_POWER = 1e-10


def compute_pan(batch: ClipBatch) -> torch.Tensor:
    """Compute (L − R) / (L + R) of the powers, and the cosine that belongs to this sine."""
    left, right = batch["mel_power"].clamp_min(FLOOR_POWER).unbind(dim=1)
    return _with_cosine(((left - right) / (left + right)).unsqueeze(1))


def mirror_pan(pan: torch.Tensor) -> torch.Tensor:
    """Compute the feature of the sound with left and right exchanged: the sine changes its sign."""
    return pan * torch.tensor([-1.0, 1.0], device=pan.device).reshape(2, 1, 1)


def add_pan(first: torch.Tensor, second: torch.Tensor, shares: PowerShares) -> torch.Tensor:
    """Compute the feature of two sounds at once: the mean of both sines, weighted with the powers."""
    one, two = shares.bands
    return _with_cosine((one * first[:, :1] + two * second[:, :1]) / (one + two))


def compute_fine_level(batch: ClipBatch) -> torch.Tensor:
    return 20.0 * batch["spectrum"][:, :, :96].abs().clamp_min(1e-5).log10().transpose(2, 3)


def compute_left_power(batch: ClipBatch) -> torch.Tensor:
    return batch["mel_power"][:, :1]


def _with_cosine(sine: torch.Tensor) -> torch.Tensor:
    return torch.cat([sine, (1.0 - sine.square()).clamp_min(0.0).sqrt()], dim=1)
