"""The octaves in which rooms and sources are described."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ

BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Centres of the octaves in which walls absorb differently."""


@lru_cache(maxsize=16)
def build_band_filters(fft_samples: int, device: str) -> Float[Tensor, "band frequency"]:
    """Compute the amplitudes of octave filters that add up to one everywhere: cos² over the logarithm of the
    frequency."""
    frequency_hz = torch.fft.rfftfreq(fft_samples, 1.0 / SAMPLE_RATE_HZ)
    octaves = torch.log2(frequency_hz.clamp(BANDS_HZ[0], BANDS_HZ[-1]) / torch.tensor(BANDS_HZ).unsqueeze(1))
    return torch.cos(octaves.clamp(-1.0, 1.0) * (math.pi / 2)).square().to(device)
