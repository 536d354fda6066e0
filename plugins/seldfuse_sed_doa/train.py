"""How SED-DOA learns."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior
from seldfuse_sed_doa.network import Output, SedDoa, from_preset, posterior

ACTIVITY_WEIGHT = 0.1
DIRECTION_WEIGHT = 1.0


def sed_doa_loss(
    output: Output, activity: Float[Tensor, "batch frame cls"], direction: Float[Tensor, "batch frame cls 3"], axes: int
) -> Float[Tensor, ""]:
    """0.1·BCE of activity + mean squared error of the direction where the class sounds.

    Means go over every cell; silent ones count as no error, so the direction's share grows with the share of active
    cells. Source: `SedDoaLoss([0.1, 1])` of `Solution_on_3D_SELD`.
    """
    detection = F.binary_cross_entropy(output.activity, activity)
    error = (output.direction - direction)[..., :axes] * activity.unsqueeze(-1)
    return ACTIVITY_WEIGHT * detection + DIRECTION_WEIGHT * error.square().mean()


class DoaTask:
    """SED-DOA for the trainer."""

    backend = "doa"
    criterion = "f20"

    def build(self, preset: str, labels: LabelSet) -> tuple[SedDoa, tuple[str, ...]]:
        return from_preset(preset, labels)

    def loss(
        self, network: SedDoa, features: Float[Tensor, "batch channel time mel"], truth: Posterior
    ) -> Float[Tensor, ""]:
        """`truth` holds activity 0 or 1; of several sources of one class the first track is learned."""
        assert truth.direction is not None
        return sed_doa_loss(network(features), truth.activity[..., 0], truth.direction[..., 0, :], network.axes)

    def posterior(self, output: Output, labels: LabelSet) -> Posterior:
        return posterior(output, labels)
