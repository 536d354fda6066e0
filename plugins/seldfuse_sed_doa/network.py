"""SED-DOA: a trunk, an activity head and a direction head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import LabelSet, Posterior, Trunk, TrunkConfig, build_mlp_head, fold_to_front, normalize

AXES = 3


class SedDoaOutput(NamedTuple):
    """`activity` is a probability; `direction` (x, y[, z]) points to the source and is the shorter the less sure."""

    activity: Float[Tensor, "batch frame cls"]
    direction: Float[Tensor, "batch frame cls axis"]


class SedDoa(nn.Module):
    """One source per class: whether it sounds, and where from.

    `axes` is 2 for stereo, whose labels have no elevation, and 3 in the published network.
    """

    def __init__(self, trunk: TrunkConfig, classes: int, axes: int) -> None:
        super().__init__()
        self.axes = axes
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        self.direction = build_mlp_head(trunk.dim, classes * axes)

    def forward(self, features: Float[Tensor, "batch channel time mel"]) -> SedDoaOutput:
        x = self.trunk(features)  # (batch, frame, dim)
        direction = self.direction(x).tanh().unflatten(-1, (self.axes, -1)).transpose(-1, -2)
        return SedDoaOutput(self.activity(x).sigmoid(), direction)

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {"trunk": self.trunk.config.to_json(), "axes": self.axes}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedDoa:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedDoa(TrunkConfig.from_json(settings["trunk"]), len(labels), settings["axes"])


def to_posterior(output: SedDoaOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior, its directions folded to the front."""
    direction = F.pad(output.direction, (0, AXES - output.direction.shape[-1]))
    return Posterior(output.activity.unsqueeze(-1), normalize(fold_to_front(direction)).unsqueeze(-2), labels=labels)
