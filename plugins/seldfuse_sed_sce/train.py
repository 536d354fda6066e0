"""The training of SED-SCE: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss, compute_azimuth_loss, compute_distance_loss
from seldfuse_sed_sce.network import SedSce, SedSceOutput, from_settings, to_posterior


def sed_sce_loss(
    output: SedSceOutput,
    activity: Float[Tensor, "batch frame cls track"],
    direction: Float[Tensor, "batch frame cls track 3"],
    distance: Float[Tensor, "batch frame cls track"],
    activity_weight: float = 1.0,
    point_weight: float = 2.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + the error of the source's place where the class sounds.

    Of a point it is the mean squared error in m², whose mean goes over every cell, silent ones counting as no error;
    of a polar place the sum of `compute_azimuth_loss` and `compute_distance_loss`. A point learns the first track of a
    class, a polar place all. Source of the former: `SedSCELoss([1, 2])` of MVANet-SELD.
    """
    detection = activity_weight * activity_loss(output.activity, activity[..., 0], active_positive_weight)
    if output.azimuth is not None:
        assert output.log_distance is not None
        azimuth = compute_azimuth_loss(output.azimuth, activity, direction)
        return detection + point_weight * (azimuth + compute_distance_loss(output.log_distance, activity, distance))
    assert output.point is not None
    point = direction[..., 0, :] * distance[..., :1]
    error = output.point - point[..., : output.point.shape[-1]]
    return detection + point_weight * (activity[..., :1].nan_to_num() * error.square()).mean()


class SceTask:
    """SED-SCE for the trainer."""

    backend = "sce"
    criterion = "f20_03"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedSce:
        return from_settings(settings, labels)

    def loss(self, output: SedSceOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; `settings` hold the weights."""
        assert truth.direction is not None
        assert truth.distance is not None
        return sed_sce_loss(output, truth.activity, truth.direction, truth.distance, **settings)

    def posterior(self, output: SedSceOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
