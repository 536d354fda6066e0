"""Log-mel spectrograms, the feature that every bundled network takes."""

from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.power_shares import PowerShares
from seldfuse.features.spectrum import sum_mel_bands, transform_sound

FLOOR_POWER = 1e-10
RANGE_DB = 80.0


def compute_logmel(batch: ClipBatch) -> Float[Tensor, "batch 2 time mel"]:
    """Compute mel power in dB, cut at 80 dB below the window's loudest cell of both channels.

    Silence is −100 dB throughout. Time counts 20 ms hops, one more than the window has. Source: the DCASE 2025 Task 3
    baseline (`power_to_db`, `top_db` over the whole array).
    """
    return _measure_level(batch["mel_power"])


def compute_logmel_at(audio: Float[Tensor, "batch 2 sample"], hop_samples: int) -> Float[Tensor, "batch 2 time mel"]:
    """Compute the log-mel spectrogram at any hop, in windows of two hops, as the baseline's settings can ask for."""
    return _measure_level(sum_mel_bands(transform_sound(audio, hop_samples)))


def add_logmel(
    first: Float[Tensor, "batch 2 time mel"],  # noqa: ARG001
    second: Float[Tensor, "batch 2 time mel"],  # noqa: ARG001
    shares: PowerShares,
) -> Float[Tensor, "batch 2 time mel"]:
    """Compute the log-mel spectrogram of two sounds at once from their powers."""
    return 10.0 * (shares.first + shares.second).log10()


def _measure_level(power: Float[Tensor, "batch 2 time mel"]) -> Float[Tensor, "batch 2 time mel"]:
    level_db = 10.0 * power.clamp_min(FLOOR_POWER).log10()
    return level_db.maximum(level_db.amax(dim=(1, 2, 3), keepdim=True) - RANGE_DB)
