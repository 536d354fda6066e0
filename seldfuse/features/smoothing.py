"""Means over time, each step's own, as one matrix that all bands and windows are multiplied with."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


def smooth(cells: Float[Tensor, "*batch time bin"], steps: int) -> Float[Tensor, "*batch time bin"]:
    """Average over a Hann window of `steps` to either side of each time step, shorter at the ends of the clip."""
    return _make_hann_means(cells.shape[-2], steps).to(cells.device) @ cells


def average_past(cells: Float[Tensor, "*batch time bin"], steps: int) -> Float[Tensor, "*batch time bin"]:
    """Average over all that came before each time step, e times less for every `steps` of age; 0 at the first."""
    return _make_past_means(cells.shape[-2], steps).to(cells.device) @ cells


@lru_cache(maxsize=16)
def _make_hann_means(times: int, steps: int) -> Float[Tensor, "time time"]:
    age = _make_ages(times)
    weights = torch.where(age.abs() < steps, 1.0 + torch.cos(math.pi / steps * age), 0.0)
    return weights / weights.sum(dim=1, keepdim=True)


@lru_cache(maxsize=16)
def _make_past_means(times: int, steps: int) -> Float[Tensor, "time time"]:
    age = _make_ages(times)
    weights = torch.where(age > 0, torch.exp(-age.clamp_min(0.0) / steps), 0.0)
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-20)


def _make_ages(times: int) -> Float[Tensor, "time time"]:
    """How many steps before each (row) every other (column) lies."""
    step = torch.arange(times, dtype=torch.float32)
    return step.unsqueeze(1) - step
