"""Polar places as posteriors: heads of azimuth and of log distance, read together."""

from jaxtyping import Float
from torch import Tensor

from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.nn.azimuth_bins import read_azimuth
from seldfuse.nn.log_distance import read_distance


def posterior_from_polar(
    activity: Float[Tensor, "batch frame cls"],
    azimuth: Float[Tensor, "batch frame cls bin"],
    log_distance: Float[Tensor, "batch frame cls 2"],
    labels: LabelSet,
    onscreen: Float[Tensor, "batch frame cls"] | None = None,
) -> Posterior:
    """Read the one-track posterior of `AzimuthHead` and `DistanceHead`; `activity` and `onscreen` are probabilities."""
    direction, spread_deg = read_azimuth(azimuth)
    distance_m, spread = (part.unsqueeze(-1) for part in read_distance(log_distance))
    return Posterior(
        activity.unsqueeze(-1),
        direction.unsqueeze(-2),
        distance_m,
        None if onscreen is None else onscreen.unsqueeze(-1),
        azimuth_std_deg=spread_deg.unsqueeze(-1),
        distance_log_std=spread,
        labels=labels,
    )
