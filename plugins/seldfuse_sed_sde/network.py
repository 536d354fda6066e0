"""SED-SDE: a trunk, an activity head and a distance head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.sdk import LabelSet, Posterior, Trunk, TrunkConfig, build_mlp_head

NEAREST_M = 0.05


class SedSdeOutput(NamedTuple):
    """`activity` is a probability, `distance` in metres."""

    activity: Float[Tensor, "batch frame cls"]
    distance: Float[Tensor, "batch frame cls"]


class SedSde(nn.Module):
    """One source per class: whether it sounds, and how far away."""

    def __init__(self, trunk: TrunkConfig, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        self.distance = build_mlp_head(trunk.dim, classes)

    def forward(self, features: Float[Tensor, "batch channel time mel"]) -> SedSdeOutput:
        x = self.trunk(features)  # (batch, frame, dim)
        return SedSdeOutput(self.activity(x).sigmoid(), self.distance(x).relu())

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {"trunk": self.trunk.config.to_json()}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedSde:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedSde(TrunkConfig.from_json(settings["trunk"]), len(labels))


def to_posterior(output: SedSdeOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior; a distance below 5 cm is taken for 5 cm."""
    distance = output.distance.clamp_min(NEAREST_M)
    return Posterior(output.activity.unsqueeze(-1), distance=distance.unsqueeze(-1), labels=labels)
