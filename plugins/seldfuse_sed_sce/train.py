"""How SED-SCE learns."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior
from seldfuse_sed_sce.network import Output, SedSce, from_preset, posterior

ACTIVITY_WEIGHT = 1.0
POINT_WEIGHT = 2.0


def sed_sce_loss(
    output: Output, activity: Float[Tensor, "batch frame cls"], point: Float[Tensor, "batch frame cls 3"], axes: int
) -> Float[Tensor, ""]:
    """BCE of activity + 2 × mean squared error, in m², of the source's point where the class sounds.

    Means go over every cell, silent ones counting as no error. Source: `SedSCELoss([1, 2])` of MVANet-SELD.
    """
    detection = F.binary_cross_entropy(output.activity, activity)
    error = (output.point - point)[..., :axes] * activity.unsqueeze(-1)
    return ACTIVITY_WEIGHT * detection + POINT_WEIGHT * error.square().mean()


class SceTask:
    """SED-SCE for the trainer."""

    backend = "sce"
    criterion = "f20_1"

    def build(self, preset: str, labels: LabelSet) -> tuple[SedSce, tuple[str, ...]]:
        return from_preset(preset, labels)

    def loss(
        self, network: SedSce, features: Float[Tensor, "batch channel time mel"], truth: Posterior
    ) -> Float[Tensor, ""]:
        """`truth` holds activity 0 or 1; of several sources of one class the first track is learned."""
        assert truth.direction is not None
        assert truth.distance is not None
        point = truth.direction[..., 0, :] * truth.distance[..., :1]
        return sed_sce_loss(network(features), truth.activity[..., 0], point, network.axes)

    def posterior(self, output: Output, labels: LabelSet) -> Posterior:
        return posterior(output, labels)
