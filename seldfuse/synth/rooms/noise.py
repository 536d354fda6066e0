"""Noise from a table, so that the same plan has the same noise on every device."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.synth.rooms.bands import build_band_filters

TABLE_SAMPLES = 2**20
SIDE_START = TABLE_SAMPLES // 2
"""What W reads from one place on, Y' reads from half a table away."""

DIFFUSE_SIDE = math.sqrt(1.0 / 3.0)
"""Level of a diffuse field's Y' beside its W: a third of the power, so that left and right correlate by one half."""

_SEED = 20250305
_LOWEST_HZ = 50.0


def draw_noise(slope: float, starts: Sequence[int], samples: int, device: str) -> Float[Tensor, "row 2 sample"]:
    """Draw a diffuse field, W and Y', of mean square 1 in W, whose spectrum falls by 10·`slope` dB a decade above 50
    Hz.
    """
    return _pair(_shape_noise(slope, device).unsqueeze(0), starts, samples)[:, 0]


def draw_octave(band: int, starts: Sequence[int], samples: int, device: str) -> Float[Tensor, "row 2 sample"]:
    """Draw one of the octave bands of `shoebox` of white diffuse fields, W and Y'; all bands' W adds up to a mean
    square of 1.
    """
    return _pair(_octaves(device)[band : band + 1], starts, samples)[:, 0]


def _pair(
    table: Float[Tensor, "band entry"], starts: Sequence[int], samples: int
) -> Float[Tensor, "row band 2 sample"]:
    first = torch.tensor(starts, device=table.device).reshape(-1, 1) % TABLE_SAMPLES
    first = torch.cat([first, first + SIDE_START], dim=1)
    level = torch.tensor([1.0, DIFFUSE_SIDE], device=table.device).reshape(2, 1)
    return table.unfold(1, samples, 1)[:, first].movedim(0, 1) * level


def _double(table: Float[Tensor, "*band entry"]) -> Float[Tensor, "*band twice"]:
    """The table after itself, so that what begins near its end goes on."""
    return torch.cat([table, table], dim=-1)


@lru_cache(maxsize=2)
def _white(device: str) -> Float[Tensor, "entry"]:
    return torch.randn(TABLE_SAMPLES, generator=torch.Generator().manual_seed(_SEED)).to(device)


@lru_cache(maxsize=2)
def _octaves(device: str) -> Float[Tensor, "band twice"]:
    return _double(
        torch.fft.irfft(torch.fft.rfft(_white(device)) * build_band_filters(TABLE_SAMPLES, device), TABLE_SAMPLES)
    )


@lru_cache(maxsize=16)
def _shape_noise(slope: float, device: str) -> Float[Tensor, "twice"]:
    frequency_hz = torch.fft.rfftfreq(TABLE_SAMPLES, 1.0 / SAMPLE_RATE_HZ, device=device)
    shape = (frequency_hz.clamp_min(_LOWEST_HZ) / 1000.0) ** (-slope / 2.0)
    table = torch.fft.irfft(torch.fft.rfft(_white(device)) * shape, TABLE_SAMPLES)
    return _double(table / table.square().mean().sqrt())
