"""The training of SED-SDE: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss
from seldfuse_sed_sde.network import SedSde, SedSdeOutput, from_settings, to_posterior


def sed_sde_loss(
    output: SedSdeOutput,
    activity: Float[Tensor, "batch frame cls"],
    distance: Float[Tensor, "batch frame cls"],
    activity_weight: float = 0.1,
    distance_weight: float = 1.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + mean squared *relative* error (MSPE) of the distance where it
    sounds.

    Means go over every cell, silent ones counting as no error. Source: "BCE+MSPE" with weights [0.1, 1] in
    `Solution_on_3D_SELD`.
    """
    detection = activity_loss(output.activity, activity, active_positive_weight)
    relative = output.distance / torch.where(activity > 0, distance, 1.0) - 1.0
    return activity_weight * detection + distance_weight * (activity * relative.square()).mean()


class SdeTask:
    """SED-SDE for the trainer."""

    backend = "sde"
    criterion = "f1"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedSde:
        return from_settings(settings, labels)

    def loss(self, output: SedSdeOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; of several sources of one class the first track is learned. `settings` hold the weights."""
        assert truth.distance is not None
        return sed_sde_loss(output, truth.activity[..., 0], truth.distance[..., 0], **settings)

    def posterior(self, output: SedSdeOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
