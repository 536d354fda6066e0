"""The training of SED-DOA: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss, compute_azimuth_loss
from seldfuse_sed_doa.network import SedDoa, SedDoaOutput, from_settings, to_posterior


def sed_doa_loss(
    output: SedDoaOutput,
    activity: Float[Tensor, "batch frame cls track"],
    direction: Float[Tensor, "batch frame cls track 3"],
    activity_weight: float = 0.1,
    direction_weight: float = 1.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + the error of the direction where the class sounds.

    Of a vector it is the mean squared error, of a distribution the cross-entropy (see `compute_azimuth_loss`). The mean
    of the squared error goes over every cell; silent ones count as no error, so the direction's share grows with the
    share of active cells. A vector learns the first track of a class, a distribution all. Source of the former:
    `SedDoaLoss([0.1, 1])` of `Solution_on_3D_SELD`.
    """
    detection = activity_weight * activity_loss(output.activity, activity[..., 0], active_positive_weight)
    if output.azimuth is not None:
        return detection + direction_weight * compute_azimuth_loss(output.azimuth, activity, direction)
    assert output.direction is not None
    error = output.direction - direction[..., 0, : output.direction.shape[-1]]
    return detection + direction_weight * (activity[..., :1].nan_to_num() * error.square()).mean()


class DoaTask:
    """SED-DOA for the trainer."""

    backend = "doa"
    criterion = "f20"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedDoa:
        return from_settings(settings, labels)

    def loss(self, output: SedDoaOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; `settings` hold the weights."""
        assert truth.direction is not None
        return sed_doa_loss(output, truth.activity, truth.direction, **settings)

    def posterior(self, output: SedDoaOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
