"""How SED-SDE learns."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior
from seldfuse_sed_sde.network import Output, SedSde, from_preset, posterior

ACTIVITY_WEIGHT = 0.1
DISTANCE_WEIGHT = 1.0


def sed_sde_loss(
    output: Output, activity: Float[Tensor, "batch frame cls"], distance: Float[Tensor, "batch frame cls"]
) -> Float[Tensor, ""]:
    """0.1·BCE of activity + mean squared *relative* error of the distance (MSPE) where the class sounds.

    Means go over every cell, silent ones counting as no error. Source: "BCE+MSPE" with weights [0.1, 1] in
    `Solution_on_3D_SELD`.
    """
    detection = F.binary_cross_entropy(output.activity, activity)
    relative = output.distance / torch.where(activity > 0, distance, 1.0) - 1.0
    return ACTIVITY_WEIGHT * detection + DISTANCE_WEIGHT * (activity * relative).square().mean()


class SdeTask:
    """SED-SDE for the trainer."""

    backend = "sde"
    criterion = "f1"

    def build(self, preset: str, labels: LabelSet) -> tuple[SedSde, tuple[str, ...]]:
        return from_preset(preset, labels)

    def loss(
        self, network: SedSde, features: Float[Tensor, "batch channel time mel"], truth: Posterior
    ) -> Float[Tensor, ""]:
        """`truth` holds activity 0 or 1; of several sources of one class the first track is learned."""
        assert truth.distance is not None
        return sed_sde_loss(network(features), truth.activity[..., 0], truth.distance[..., 0])

    def posterior(self, output: Output, labels: LabelSet) -> Posterior:
        return posterior(output, labels)
