"""The training of SED-SDE: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, activity_loss, compute_distance_loss
from seldfuse_sed_sde.network import SedSde, SedSdeOutput, from_settings, to_posterior


def sed_sde_loss(
    output: SedSdeOutput,
    activity: Float[Tensor, "batch frame cls track"],
    distance: Float[Tensor, "batch frame cls track"],
    activity_weight: float = 0.1,
    distance_weight: float = 1.0,
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute BCE of activity (see `activity_loss`) + the error of the distance where the class sounds.

    In metres it is the mean squared *relative* error (MSPE), of a distribution the negative log-likelihood (see
    `compute_distance_loss`). The mean of the former goes over every cell, silent ones counting as no error. Metres
    learn the first track of a class, a distribution all. Source of the former: "BCE+MSPE" with weights [0.1, 1] in
    `Solution_on_3D_SELD`.
    """
    detection = activity_weight * activity_loss(output.activity, activity[..., 0], active_positive_weight)
    if output.log_distance is not None:
        return detection + distance_weight * compute_distance_loss(output.log_distance, activity, distance)
    assert output.distance is not None
    first = activity[..., 0].nan_to_num()
    relative = output.distance / torch.where(first > 0, distance[..., 0], 1.0) - 1.0
    return detection + distance_weight * (first * relative.square()).mean()


class SdeTask:
    """SED-SDE for the trainer."""

    backend = "sde"
    criterion = "f03"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SedSde:
        return from_settings(settings, labels)

    def loss(self, output: SedSdeOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; `settings` hold the weights."""
        assert truth.distance is not None
        return sed_sde_loss(output, truth.activity, truth.distance, **settings)

    def posterior(self, output: SedSdeOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
