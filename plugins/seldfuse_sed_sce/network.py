"""SED-SCE: a trunk, an activity head and a head for the source's place."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import (
    AzimuthHead,
    BandAttention,
    DistanceHead,
    LabelSet,
    Posterior,
    Trunk,
    TrunkConfig,
    build_linear_head,
    build_mlp_head,
    fold_to_front,
    normalize,
    posterior_from_polar,
)

AXES = 3
NEAREST_M = 0.05


class SedSceOutput(NamedTuple):
    """`activity` is a probability, `point` the source's place in metres (x front, y left[, z up]).

    Or the place is polar: `azimuth` holds the logits of a distribution over azimuths (`seldfuse.nn.azimuth_bins`) and
    `log_distance` a distribution of the logarithm of the distance (`seldfuse.nn.log_distance`).
    """

    activity: Float[Tensor, "batch frame cls"]
    point: Float[Tensor, "batch frame cls axis"] | None = None
    azimuth: Float[Tensor, "batch frame cls bin"] | None = None
    log_distance: Float[Tensor, "batch frame cls 2"] | None = None


class SedSce(nn.Module):
    """One source per class: whether it sounds, and at which place.

    `axes` of the Cartesian point is 2 for stereo, whose labels have no elevation, and 3 in the published network; None
    makes the place polar, azimuth and distance as distributions.
    """

    def __init__(self, trunk: TrunkConfig, classes: int, axes: int | None) -> None:
        super().__init__()
        self.axes = axes
        self.trunk = Trunk(trunk)
        self.activity = build_mlp_head(trunk.dim, classes)
        if axes is None:
            self.bands = BandAttention(trunk.dim, classes, trunk.channels)
            self.azimuth, self.log_distance = AzimuthHead(), DistanceHead()
        else:
            self.point = build_linear_head(trunk.dim, classes * axes)

    def forward(
        self, features: Float[Tensor, "batch channel time mel"], tokens: Mapping[str, Tensor] | None = None
    ) -> SedSceOutput:
        x = self.trunk(features, tokens)  # (batch, frame, dim)
        activity = self.activity(x).sigmoid()
        if self.axes is None:
            hidden = self.bands(x, self.trunk.standardize(features))
            return SedSceOutput(activity, azimuth=self.azimuth(hidden), log_distance=self.log_distance(hidden))
        return SedSceOutput(activity, self.point(x).unflatten(-1, (self.axes, -1)).transpose(-1, -2))

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        axes = {} if self.axes is None else {"axes": self.axes}
        return {"trunk": self.trunk.config.to_json(), **axes}


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedSce:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    return SedSce(TrunkConfig.from_json(settings["trunk"]), len(labels), settings.get("axes"))


def to_posterior(output: SedSceOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior: the place, folded to the front, as direction and distance, 5 cm at
    least."""
    if output.azimuth is not None:
        assert output.log_distance is not None
        return posterior_from_polar(output.activity, output.azimuth, output.log_distance, labels)
    assert output.point is not None
    point = F.pad(output.point, (0, AXES - output.point.shape[-1])).unsqueeze(-2)
    distance_m = point.norm(dim=-1).clamp_min(NEAREST_M)
    return Posterior(output.activity.unsqueeze(-1), normalize(fold_to_front(point)), distance_m, labels=labels)
