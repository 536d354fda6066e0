"""SED-DOA: a trunk, an activity head and a direction head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import (
    AzimuthHead,
    BandAttention,
    LabelSet,
    Posterior,
    Trunk,
    TrunkConfig,
    build_mlp_head,
    fold_to_front,
    normalize,
    read_azimuth,
)

AXES = 3


class SedDoaOutput(NamedTuple):
    """`activity` is a probability; `direction` (x, y[, z]) points to the source and is the shorter the less sure, or
    `azimuth` holds the logits of a distribution over azimuths (`seldfuse.nn.azimuth_bins`).
    """

    activity: Float[Tensor, "batch frame cls"]
    direction: Float[Tensor, "batch frame cls axis"] | None = None
    azimuth: Float[Tensor, "batch frame cls bin"] | None = None


class SedDoa(nn.Module):
    """One source per class: whether it sounds, and where from.

    `axes` is 2 for stereo, whose labels have no elevation, and 3 in the published network; None makes azimuth a
    distribution.
    """

    def __init__(self, trunk: TrunkConfig, classes: int, axes: int | None) -> None:
        super().__init__()
        self.axes = axes
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        if axes is None:
            self.bands = BandAttention(trunk.dim, classes, trunk.channels)
            self.azimuth = AzimuthHead()
        else:
            self.direction = build_mlp_head(trunk.dim, classes * axes)

    def forward(
        self, features: Float[Tensor, "batch channel time mel"], tokens: Mapping[str, Tensor] | None = None
    ) -> SedDoaOutput:
        x = self.trunk(features, tokens)  # (batch, frame, dim)
        activity = self.activity(x).sigmoid()
        if self.axes is None:
            hidden = self.bands(x, self.trunk.standardize(features))
            return SedDoaOutput(activity, azimuth=self.azimuth(hidden))
        return SedDoaOutput(activity, self.direction(x).tanh().unflatten(-1, (self.axes, -1)).transpose(-1, -2))

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        axes = {} if self.axes is None else {"axes": self.axes}
        return {"trunk": self.trunk.config.to_json(), **axes}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedDoa:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedDoa(TrunkConfig.from_json(settings["trunk"]), len(labels), settings.get("axes"))


def to_posterior(output: SedDoaOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior, its directions folded to the front."""
    activity = output.activity.unsqueeze(-1)
    if output.azimuth is not None:
        direction, spread_deg = read_azimuth(output.azimuth)
        return Posterior(activity, direction.unsqueeze(-2), azimuth_std_deg=spread_deg.unsqueeze(-1), labels=labels)
    assert output.direction is not None
    direction = F.pad(output.direction, (0, AXES - output.direction.shape[-1]))
    return Posterior(activity, normalize(fold_to_front(direction)).unsqueeze(-2), labels=labels)
