"""A clip from samples in memory."""

import numpy as np
import soxr
from torch import Tensor

from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.errors import UsageError
from seldfuse.media.channels import ChannelSelection


def make_clip(
    samples: np.ndarray | Tensor, sample_rate_hz: int | None, name: str, channels: ChannelSelection | None = None
) -> Clip:
    """Make a clip of samples `(channel, sample)`, resampled to 24 kHz; integers are scaled to -1 to 1.

    Raises UsageError for another shape, no rate or values that are not numbers, MediaError as `ChannelSelection` does.
    """
    array = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else samples
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[0] > array.shape[1]:
        raise UsageError(f"expected samples as (channel, sample), such as (2, 240000), got {tuple(array.shape)}")
    if sample_rate_hz is None or sample_rate_hz <= 0:
        raise UsageError(f"expected sample_rate_hz beside an array, such as sample_rate_hz=48000, got {sample_rate_hz}")
    if np.issubdtype(array.dtype, np.integer):
        array = array / float(-np.iinfo(array.dtype).min or np.iinfo(array.dtype).max)
    if not np.isfinite(array).all():
        raise UsageError("the samples hold values that are not numbers")
    picked = array[list((channels or ChannelSelection()).select_from(len(array)))].astype(np.float32)
    if sample_rate_hz != SAMPLE_RATE_HZ:
        picked = soxr.resample(picked.T, sample_rate_hz, SAMPLE_RATE_HZ).T.astype(np.float32)
    return Clip(name, ArrayAudio(np.ascontiguousarray(picked)))
