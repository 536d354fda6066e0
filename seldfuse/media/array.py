"""A clip from samples in memory."""

import numpy as np
import soxr
from torch import Tensor

from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import UsageError
from seldfuse.limits import LOUDEST
from seldfuse.media.channels import ChannelSelection


def make_clip(
    samples: np.ndarray | Tensor, sample_rate_hz: int | None, name: str, channels: ChannelSelection | None = None
) -> Clip:
    """Make a clip of samples `(channel, sample)`, resampled to 24 kHz; integers are scaled to -1 to 1.

    Raises UsageError for another shape or type, no rate or values that are not finite, MediaError as
    `ChannelSelection.select_from` does.
    """
    array = _to_floats(samples)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[0] > array.shape[1]:
        raise UsageError(f"expected samples as (channel, sample), such as (2, 240000), got {tuple(array.shape)}")
    if sample_rate_hz is None or sample_rate_hz <= 0:
        raise UsageError(f"expected sample_rate_hz beside samples, such as sample_rate_hz=48000, got {sample_rate_hz}")
    if not np.isfinite(array).all():
        raise UsageError("expected finite samples, got NaN or Inf")
    if np.abs(array).max(initial=0.0) > LOUDEST:
        raise UsageError(f"expected samples whose full scale is 1, got {np.abs(array).max():g}")
    picked = array[list((channels or ChannelSelection()).select_from(len(array)))]
    if sample_rate_hz != SAMPLE_RATE_HZ:
        picked = soxr.resample(picked.T, sample_rate_hz, SAMPLE_RATE_HZ).T
    return Clip(name, ArrayAudio(np.ascontiguousarray(picked)))


def _to_floats(samples: np.ndarray | Tensor) -> np.ndarray:
    """Convert to single precision, full scale of integers at 1."""
    if isinstance(samples, Tensor):
        # NumPy has no bfloat16.
        samples = (samples.float() if samples.is_floating_point() else samples).detach().cpu().numpy()
    if samples.dtype.kind not in "fi":
        raise UsageError(f"expected samples that are floats or signed integers, such as int16, got {samples.dtype}")
    full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1) if samples.dtype.kind == "i" else 1.0
    return (samples / full_scale).astype(np.float32)
