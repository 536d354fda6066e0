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
HOP_SAMPLES = 480
MELS = 64
SPECTRA_PER_FRAME = 5
"""Five 20 ms hops make one 100 ms frame."""


def compute_spectrum(batch: ClipBatch) -> Complex[Tensor, "batch 2 frequency time"]:
    """Compute the short-time Fourier transform: 513 frequencies, one more column than hops in the window."""
    return transform_sound(batch.audio, HOP_SAMPLES)


def transform_sound(
    audio: Float[Tensor, "batch 2 sample"], hop_samples: int
) -> Complex[Tensor, "batch 2 frequency time"]:
    """Compute the short-time Fourier transform at any hop: windows of two hops, zero-padded to a power of two.

    There is one more column than hops in the window, and a frequency more than half of that power.
    """
    window_samples = 2 * hop_samples
    fft_samples = 1 << (window_samples - 1).bit_length()
    window = torch.hann_window(window_samples, device=audio.device)
    flat = audio.reshape(-1, audio.shape[-1])
    columns = torch.stft(
        flat, fft_samples, hop_samples, window_samples, window, center=True, pad_mode="constant", return_complex=True
    )
    return columns.reshape(len(audio), 2, *columns.shape[1:])


def compute_mel_power(batch: ClipBatch) -> Float[Tensor, "batch 2 time mel"]:
    """Compute the power in each mel band."""
    return sum_mel_bands(batch["spectrum"])


def sum_mel_bands(columns: Complex[Tensor, "batch 2 frequency time"]) -> Float[Tensor, "batch 2 time mel"]:
    """Sum the power of a short-time spectrum in each mel band."""
    power = (columns.real.square() + columns.imag.square()).transpose(-1, -2)
    return power @ _mel_filters(columns.shape[-2]).to(columns.device)


def compute_mel_cross_power(batch: ClipBatch) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the real part of the cross-power of left and right in each mel band."""
    left, right = batch["spectrum"].chunk(2, dim=1)
    cross = (left.real * right.real + left.imag * right.imag).transpose(-1, -2)
    return cross @ _mel_filters(left.shape[-2]).to(batch.device)


def get_mel_centers_hz(bands: int = MELS) -> np.ndarray:
    """Return the center frequency in Hz of each of so many mel bands from 0 to 12 kHz."""
    return _edges_hz(bands)[1:-1]


def _edges_hz(bands: int) -> np.ndarray:
    return _hz_from_mel(np.linspace(0.0, _mel_from_hz(SAMPLE_RATE_HZ / 2), bands + 2))


@lru_cache
def _mel_filters(frequencies: int = FFT_SAMPLES // 2 + 1) -> Float[Tensor, "frequency mel"]:
    """Triangles of unit area (Slaney, Auditory Toolbox, 1998)."""
    frequency_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, frequencies)
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
