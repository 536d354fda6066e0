"""SED-DOA: a trunk, an activity head and a direction head."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.directions import folded, unit
from seldfuse.labels import LabelSet
from seldfuse.nn.heads import head
from seldfuse.nn.resnet_conformer import PRESETS, Trunk, TrunkConfig
from seldfuse.posterior import Posterior

FEATURES = ("logmel", "intensity")
PUBLISHED_FEATURES = ("logmel",)
AXES = 3


class Output(NamedTuple):
    """`activity` is a probability; `direction` points to the source, shorter the less sure."""

    activity: Float[Tensor, "batch frame cls"]
    direction: Float[Tensor, "batch frame cls 3"]


class SedDoa(nn.Module):
    """One source per class: whether it sounds, and where from.

    `axes` is 2 for stereo, whose labels have no elevation, and 3 in the published network.
    """

    def __init__(self, trunk: TrunkConfig, classes: int, axes: int) -> None:
        super().__init__()
        self.axes = axes
        self.trunk = Trunk(trunk)
        self.activity = head(trunk.dim, classes)
        self.direction = head(trunk.dim, classes * axes)

    def forward(self, features: Float[Tensor, "batch channel time mel"]) -> Output:
        x = self.trunk(features)  # (batch, frame, dim)
        direction = (
            self.direction(x).tanh().unflatten(-1, (self.axes, -1)).transpose(-1, -2)
        )  # (batch, frame, cls, axes)
        return Output(self.activity(x).sigmoid(), F.pad(direction, (0, AXES - self.axes)))

    def settings(self) -> dict[str, Any]:
        """What `from_settings` needs to build this network again."""
        return {"trunk": self.trunk.config.to_json(), "axes": self.axes}


def from_preset(preset: str, labels: LabelSet) -> tuple[SedDoa, tuple[str, ...]]:
    """A fresh network and the features that it hears: `base` is the published one, `small` the bundled one."""
    if preset == "base":
        return SedDoa(PRESETS[preset](2), len(labels), axes=3), PUBLISHED_FEATURES
    return SedDoa(PRESETS[preset](3), len(labels), axes=2), FEATURES


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> SedDoa:
    return SedDoa(TrunkConfig.from_json(settings["trunk"]), len(labels), settings["axes"])


def posterior(output: Output, labels: LabelSet) -> Posterior:
    """The output as a one-track posterior, its directions folded to the front."""
    return Posterior(output.activity.unsqueeze(-1), unit(folded(output.direction)).unsqueeze(-2), labels=labels)
