"""Mid-side intensity: where a source is, on a scale with ends."""

from jaxtyping import Float
from torch import Tensor

from seldfuse.core.clip_batch import ClipBatch
from seldfuse.features.logmel import FLOOR_POWER
from seldfuse.features.power_shares import PowerShares, weigh_by_power


def compute_intensity(batch: ClipBatch) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the mid-side intensity Re(M·S*) / (|M|² + |S|²) per mel band, from −½ (right) to ½ (left).

    With M = (L + R) / 2 and S = (L − R) / 2 the quotient is (|L|² − |R|²) / (2·(|L|² + |R|²)), so that the mel powers
    that are there already are enough. One source without a room at azimuth θ gives sin θ / (1 + sin² θ).
    Source of the feature: Yeow et al., arXiv 2507.00874.
    """
    left, right = batch["mel_power"][:, :1], batch["mel_power"][:, 1:]
    return (left - right) / (2.0 * (left + right) + FLOOR_POWER)


def add_intensity(
    first: Float[Tensor, "batch 1 time mel"], second: Float[Tensor, "batch 1 time mel"], shares: PowerShares
) -> Float[Tensor, "batch 1 time mel"]:
    """Compute the intensity of two sounds at once: a mean, weighted with their powers."""
    return weigh_by_power(first, second, shares.bands)
