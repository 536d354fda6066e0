"""Short-term power of the autocorrelation (stpACC): how much, and how soon, the room answers."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.power_shares import PowerShares, weigh_by_power
from seldfuse.features.spectrum import FFT_SAMPLES, HOP_SAMPLES

BINS = 64
LAGS = FFT_SAMPLES // 2
SMOOTHING_LAGS = 8


def compute_stpacc(batch: ClipBatch) -> Float[Tensor, "batch 1 time lag"]:
    """Compute the positive autocorrelation of the mid channel per 20 ms hop, squared, smoothed, peak 1, in 64 bins.

    Smoothing goes over lags. Not bound to be positive: the resampling rings a little. Source: Berghi and Jackson,
    distance features for SELD (`SELD-distance-features`): symmetric Hann window of 1024 samples, reflected ends, last
    column dropped.
    """
    mid = batch.audio.mean(dim=1)
    window = torch.hann_window(FFT_SAMPLES, periodic=False, device=batch.device)
    columns = torch.stft(mid, FFT_SAMPLES, HOP_SAMPLES, window=window, pad_mode="reflect", return_complex=True)
    power = (columns.real.square() + columns.imag.square()).transpose(-1, -2)[:, :-1]
    lags = torch.fft.irfft(power)[..., :LAGS].clamp_min(0.0)
    lags = lags / lags.amax(dim=-1, keepdim=True).clamp_min(1e-20)
    smooth = _smooth(lags.square())
    smooth = smooth / smooth.amax(dim=-1, keepdim=True).clamp_min(1e-20)
    return (smooth @ _resampling().to(batch.device)).unsqueeze(1)


def add_stpacc(
    first: Float[Tensor, "batch 1 time lag"], second: Float[Tensor, "batch 1 time lag"], shares: PowerShares
) -> Float[Tensor, "batch 1 time lag"]:
    """Compute stpACC of two sounds at once: autocorrelations add up with the power of their moment.

    The feature is a square of autocorrelations whose peak is 1; where resampling rings it may be negative.
    """
    first, second = (part.sign() * part.abs().sqrt() for part in (first, second))
    mean = weigh_by_power(first, second, shares.moments)
    return mean.sign() * mean.square()


def _smooth(lags: Float[Tensor, "batch time lag"]) -> Float[Tensor, "batch time lag"]:
    """Convolution with a symmetric Hann window of 8 lags; as long as its input, as numpy's mode 'same'."""
    weights = torch.hann_window(SMOOTHING_LAGS, periodic=False).tolist()
    padded = F.pad(lags, (SMOOTHING_LAGS // 2, SMOOTHING_LAGS // 2 - 1))
    # `conv1d` takes ten times as long for so few taps.
    smooth = torch.zeros_like(lags)
    for shift, weight in enumerate(weights):
        smooth.add_(padded[..., shift : shift + lags.shape[-1]], alpha=weight)
    return smooth


@lru_cache(maxsize=1)
def _resampling() -> Float[Tensor, "lag bin"]:
    """Fourier resampling from 512 lags to 64 bins is linear: here as a matrix, that of `scipy.signal.resample`."""
    # To import scipy.signal would take as long as to hear ten seconds of sound.
    spectrum = np.fft.rfft(np.eye(LAGS), axis=1)[:, : BINS // 2 + 1]
    spectrum[:, -1] *= 2.0  # the new Nyquist frequency stands for its mirror image, too
    return torch.from_numpy((np.fft.irfft(spectrum, BINS, axis=1) * (BINS / LAGS)).astype(np.float32))
