"""The short-time spectrum and its mel bands, from which the level features are made.

Parameters of the DCASE 2025 Task 3 baseline: 40 ms Hann window (960 samples at 24 kHz) zero-padded to 1024, hop 20 ms,
zero padding at the ends, 64 Slaney bands from 0 to 12 kHz.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.core.grid import SAMPLE_RATE_HZ

FFT_SAMPLES = 1024
WINDOW_SAMPLES = 960
HOP_SAMPLES = 480
MELS = 64
SPECTRA_PER_FRAME = 5
"""Five 20 ms hops make one 100 ms frame."""


def compute_spectrum(batch: ClipBatch) -> Complex[Tensor, "batch 2 frequency time"]:
    """Compute the short-time Fourier transform: 513 frequencies, one more column than hops in the window."""
    window = torch.hann_window(WINDOW_SAMPLES, device=batch.device)
    flat = batch.audio.reshape(-1, batch.audio.shape[-1])
    columns = torch.stft(
        flat, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, window, center=True, pad_mode="constant", return_complex=True
    )
    return columns.reshape(len(batch), 2, *columns.shape[1:])


def compute_mel_power(batch: ClipBatch) -> Float[Tensor, "batch 2 time mel"]:
    """Compute the power in each mel band."""
    columns = batch["spectrum"]
    power = (columns.real.square() + columns.imag.square()).transpose(-1, -2)
    return power @ _mel_filters().to(batch.device)


def compute_mel_cross_power(batch: ClipBatch) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the real part of the cross-power of left and right in each mel band."""
    left, right = batch["spectrum"].chunk(2, dim=1)
    cross = (left.real * right.real + left.imag * right.imag).transpose(-1, -2)
    return cross @ _mel_filters().to(batch.device)


def get_mel_centers_hz(bands: int = MELS) -> np.ndarray:
    """Return the center frequency in Hz of each of so many mel bands from 0 to 12 kHz."""
    return _edges_hz(bands)[1:-1]


def _edges_hz(bands: int) -> np.ndarray:
    return _hz_from_mel(np.linspace(0.0, _mel_from_hz(SAMPLE_RATE_HZ / 2), bands + 2))


@lru_cache(maxsize=1)
def _mel_filters() -> Float[Tensor, "frequency mel"]:
    """Triangles of unit area (Slaney, Auditory Toolbox, 1998)."""
    frequency_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    edge_hz = _edges_hz(MELS)
    rising = (frequency_hz[:, None] - edge_hz[:-2]) / (edge_hz[1:-1] - edge_hz[:-2])
    falling = (edge_hz[2:] - frequency_hz[:, None]) / (edge_hz[2:] - edge_hz[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edge_hz[2:] - edge_hz[:-2])
    return torch.from_numpy(triangles.astype(np.float32))


# Slaney's scale is linear (200/3 Hz a mel) up to 1 kHz, then 27 mels make a factor of 6.4.
_LINEAR_HZ = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27.0


def _mel_from_hz(frequency_hz: float) -> float:
    if frequency_hz < _KNEE_HZ:
        return frequency_hz / _LINEAR_HZ
    return float(_KNEE_MEL + np.log(frequency_hz / _KNEE_HZ) / _LOG_STEP)


def _hz_from_mel(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ, _KNEE_HZ * np.exp((mel - _KNEE_MEL) * _LOG_STEP))
