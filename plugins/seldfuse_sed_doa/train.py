"""The training of SED-DOA: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss
from seldfuse_sed_doa.network import SedDoa, SedDoaOutput, from_settings, to_posterior


def sed_doa_loss(
    output: SedDoaOutput,
    activity: Float[Tensor, "batch frame cls"],
    direction: Float[Tensor, "batch frame cls 3"],
    activity_weight: float = 0.1,
    direction_weight: float = 1.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + mean squared error of the direction where the class sounds.

    Means go over every cell; silent ones count as no error, so the direction's share grows with the share of active
    cells. Source: `SedDoaLoss([0.1, 1])` of `Solution_on_3D_SELD`.
    """
    detection = activity_loss(output.activity, activity, active_positive_weight)
    error = output.direction - direction[..., : output.direction.shape[-1]]
    return activity_weight * detection + direction_weight * (activity.unsqueeze(-1) * error.square()).mean()


class DoaTask:
    """SED-DOA for the trainer."""

    backend = "doa"
    criterion = "f20"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedDoa:
        return from_settings(settings, labels)

    def loss(self, output: SedDoaOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; of several sources of one class the first track is learned. `settings` hold the weights."""
        assert truth.direction is not None
        return sed_doa_loss(output, truth.activity[..., 0], truth.direction[..., 0, :], **settings)

    def posterior(self, output: SedDoaOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
