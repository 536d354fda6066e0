"""Azimuths as unit vectors, in torch: what posteriors hold and models compute with."""

import torch
from jaxtyping import Float
from torch import Tensor


def direction_from_azimuth(azimuth_deg: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape 3"]:
    """Compute the unit vectors (x front, y left, z up) of horizontal azimuths.

    >>> import torch
    >>> direction_from_azimuth(torch.tensor([0.0]))
    tensor([[1., 0., 0.]])
    """
    azimuth = torch.deg2rad(azimuth_deg)
    return torch.stack([azimuth.cos(), azimuth.sin(), torch.zeros_like(azimuth)], dim=-1)


def azimuth_from_direction(direction: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape"]:
    """Compute the azimuth in degrees, in (−180, 180]; 0 for a vector without horizontal part.

    >>> import torch
    >>> azimuth_from_direction(torch.tensor([0.0, 1.0, 0.0]))
    tensor(90.)
    """
    return torch.rad2deg(torch.atan2(direction[..., 1], direction[..., 0]))


def normalize(vector: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """Scale a vector to length 1; a vector of (nearly) no length becomes the front."""
    length = vector.norm(dim=-1, keepdim=True)
    front = torch.tensor([1.0, 0.0, 0.0], dtype=vector.dtype, device=vector.device)
    return torch.where(length > 1e-8, vector / length.clamp_min(1e-8), front)


def fold_to_front(direction: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """Fold a direction to its mirror image in front, which a coincident stereo pair cannot distinguish from it."""
    return torch.cat([direction[..., :1].abs(), direction[..., 1:]], dim=-1)
