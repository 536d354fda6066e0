"""SED-SDE: a trunk, an activity head and a distance head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.sdk import (
    BandAttention,
    DistanceHead,
    LabelSet,
    Posterior,
    Trunk,
    TrunkConfig,
    build_mlp_head,
    read_distance,
)

NEAREST_M = 0.05


class SedSdeOutput(NamedTuple):
    """`activity` is a probability, `distance` in metres; or `log_distance` holds a distribution of its logarithm
    (`seldfuse.nn.log_distance`).
    """

    activity: Float[Tensor, "batch frame cls"]
    distance: Float[Tensor, "batch frame cls"] | None = None
    log_distance: Float[Tensor, "batch frame cls 2"] | None = None


class SedSde(nn.Module):
    """One source per class: whether it sounds, and how far away, in metres or as a distribution of their logarithm."""

    def __init__(self, trunk: TrunkConfig, classes: int, log_distance: bool) -> None:
        super().__init__()
        self.is_log = log_distance
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        if log_distance:
            self.bands = BandAttention(trunk.dim, classes, trunk.channels)
            self.log_distance = DistanceHead()
        else:
            self.distance = build_mlp_head(trunk.dim, classes)

    def forward(
        self, features: Float[Tensor, "batch channel time mel"], tokens: Mapping[str, Tensor] | None = None
    ) -> SedSdeOutput:
        x = self.trunk(features, tokens)  # (batch, frame, dim)
        activity = self.activity(x).sigmoid()
        if self.is_log:
            hidden = self.bands(x, self.trunk.standardize(features))
            return SedSdeOutput(activity, log_distance=self.log_distance(hidden))
        return SedSdeOutput(activity, self.distance(x).relu())

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {"trunk": self.trunk.config.to_json(), "log_distance": self.is_log}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedSde:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedSde(TrunkConfig.from_json(settings["trunk"]), len(labels), settings.get("log_distance", False))


def to_posterior(output: SedSdeOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior; a distance below 5 cm is taken for 5 cm."""
    activity = output.activity.unsqueeze(-1)
    if output.log_distance is not None:
        distance_m, spread = (part.unsqueeze(-1) for part in read_distance(output.log_distance))
        return Posterior(activity, distance=distance_m, distance_log_std=spread, labels=labels)
    assert output.distance is not None
    return Posterior(activity, distance=output.distance.clamp_min(NEAREST_M).unsqueeze(-1), labels=labels)
