"""The training of SED-SCE: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss
from seldfuse_sed_sce.network import SedSce, SedSceOutput, from_settings, to_posterior


def sed_sce_loss(
    output: SedSceOutput,
    activity: Float[Tensor, "batch frame cls"],
    point: Float[Tensor, "batch frame cls 3"],
    activity_weight: float = 1.0,
    point_weight: float = 2.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + mean squared error, in m², of the source's point where the class
    sounds.

    Means go over every cell, silent ones counting as no error. Source: `SedSCELoss([1, 2])` of MVANet-SELD.
    """
    detection = activity_loss(output.activity, activity, active_positive_weight)
    error = output.point - point[..., : output.point.shape[-1]]
    return activity_weight * detection + point_weight * (activity.unsqueeze(-1) * error.square()).mean()


class SceTask:
    """SED-SCE for the trainer."""

    backend = "sce"
    criterion = "f20_1"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedSce:
        return from_settings(settings, labels)

    def loss(self, output: SedSceOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; of several sources of one class the first track is learned. `settings` hold the weights."""
        assert truth.direction is not None
        assert truth.distance is not None
        point = truth.direction[..., 0, :] * truth.distance[..., :1]
        return sed_sce_loss(output, truth.activity[..., 0], point, **settings)

    def posterior(self, output: SedSceOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
