"""Where a sound comes from shows in the level difference: the challenge's stereo pair is coincident."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from seldfuse.features.logmel import FLOOR_POWER

if TYPE_CHECKING:
    from seldfuse.features.batch import ClipBatch


def compute_ild(batch: "ClipBatch") -> Float[Tensor, "batch 1 time mel"]:
    """Interaural level difference in dB, left over right, per mel band: +9.5 dB for one source at +30°."""
    power = batch["mel_power"].clamp_min(FLOOR_POWER)
    return 10.0 * (power[:, :1] / power[:, 1:]).log10()


def compute_intensity(batch: "ClipBatch") -> Float[Tensor, "batch 1 time mel"]:
    """Mid-side intensity Re(M·S*) / (|M|² + |S|²) of the energies in each mel band, from −½ (right) to ½ (left).

    With M = (L + R) / 2 and S = (L − R) / 2 the quotient is (|L|² − |R|²) / (2·(|L|² + |R|²)), so that the mel powers
    that are there already are enough. One source without a room at azimuth θ gives sin θ / (1 + sin² θ).
    Source of the feature: Yeow et al., arXiv 2507.00874.
    """
    left, right = batch["mel_power"][:, :1], batch["mel_power"][:, 1:]
    return (left - right) / (2.0 * (left + right) + FLOOR_POWER)
