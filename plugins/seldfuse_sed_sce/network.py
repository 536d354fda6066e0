"""SED-SCE: a trunk, an activity head and a head for the source's Cartesian coordinates."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import (
    LabelSet,
    Posterior,
    Trunk,
    TrunkConfig,
    build_linear_head,
    build_mlp_head,
    fold_to_front,
    normalize,
)

AXES = 3
NEAREST_M = 0.05


class SedSceOutput(NamedTuple):
    """`activity` is a probability, `point` the source's place in metres (x front, y left[, z up])."""

    activity: Float[Tensor, "batch frame cls"]
    point: Float[Tensor, "batch frame cls axis"]


class SedSce(nn.Module):
    """One source per class: whether it sounds, and at which point, direction times distance.

    `axes` is 2 for stereo, whose labels have no elevation, and 3 in the published network.
    """

    def __init__(self, trunk: TrunkConfig, classes: int, axes: int) -> None:
        super().__init__()
        self.axes = axes
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        self.point = build_linear_head(trunk.dim, classes * axes)

    def forward(self, features: Float[Tensor, "batch channel time mel"]) -> SedSceOutput:
        x = self.trunk(features)  # (batch, frame, dim)
        point = self.point(x).unflatten(-1, (self.axes, -1)).transpose(-1, -2)
        return SedSceOutput(self.activity(x).sigmoid(), point)

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {"trunk": self.trunk.config.to_json(), "axes": self.axes}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedSce:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedSce(TrunkConfig.from_json(settings["trunk"]), len(labels), settings["axes"])


def to_posterior(output: SedSceOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior: the point, folded to the front, as direction and distance, 5 cm at
    least."""
    point = F.pad(output.point, (0, AXES - output.point.shape[-1])).unsqueeze(-2)
    return Posterior(
        output.activity.unsqueeze(-1),
        normalize(fold_to_front(point)),
        point.norm(dim=-1).clamp_min(NEAREST_M),
        labels=labels,
    )
