"""A backend that can be trained: two linear layers over the features of a frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from seldfuse.sdk import (
    DCASE2025,
    LabelSet,
    NetworkBackend,
    Posterior,
    activity_loss,
    fold_to_front,
    normalize,
)

COLUMNS_PER_FRAME = 5
NUMBERS = 4
"""Activity, x, y and distance."""


class PannerNetwork(nn.Module):
    def __init__(self, channels: int, bins: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "bins": bins, "hidden": hidden}
        self.register_buffer("mean", torch.zeros(channels, 1, bins))
        self.register_buffer("deviation", torch.ones(channels, 1, bins))
        self.layers = nn.Sequential(nn.Linear(channels * bins, hidden), nn.ReLU(), nn.Linear(hidden, classes * NUMBERS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = ((features - self.mean) / self.deviation).transpose(1, 2).flatten(2)  # (batch, time, channel · bin)
        x = x.unflatten(1, (-1, COLUMNS_PER_FRAME)).mean(dim=2)
        return self.layers(x).unflatten(-1, (-1, NUMBERS))  # (batch, frame, cls, number)

    def set_statistics(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        self.mean.copy_(mean.unsqueeze(1))
        self.deviation.copy_(deviation.clamp_min(1e-3).unsqueeze(1))

    def settings(self) -> dict[str, int]:
        return self.sizes


class PannerTask:
    backend = "panner"
    criterion = "f20_1"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> PannerNetwork:
        return PannerNetwork(classes=len(labels), **settings)

    def loss(self, output: torch.Tensor, truth: Posterior, settings: Mapping[str, Any]) -> torch.Tensor:  # noqa: ARG002
        activity = truth.activity[..., 0]
        expected = torch.cat([truth.direction[..., 0, :2], truth.distance[..., :1]], dim=-1)
        error = (output[..., 1:] - expected).square().sum(dim=-1)
        return activity_loss(output[..., 0].sigmoid(), activity, 1.0) + (activity * error).mean()

    def posterior(self, output: torch.Tensor, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)


def to_posterior(output: torch.Tensor, labels: LabelSet = DCASE2025) -> Posterior:
    direction = normalize(fold_to_front(F.pad(output[..., None, 1:3], (0, 1))))
    return Posterior(output[..., :1].sigmoid(), direction, output[..., 3:].clamp_min(0.05), labels=labels)


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> PannerNetwork:
    return PannerTask().build(settings, labels)


def load(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    return NetworkBackend("panner", from_settings, to_posterior, checkpoint, device)


class SiderNetwork(PannerNetwork):
    """Levels of the frame, from the encoder, scale what the layers give."""

    def forward(self, features: torch.Tensor, tokens: Mapping[str, torch.Tensor]) -> torch.Tensor:
        level = tokens["levels"].mean(dim=(2, 3))  # (batch, frame)
        return super().forward(features) * level[..., None, None]


class SiderTask(PannerTask):
    backend = "sider"
    criterion = "wrong_side"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> SiderNetwork:
        return SiderNetwork(classes=len(labels), **settings)


def build_sider(settings: Mapping[str, Any], labels: LabelSet) -> SiderNetwork:
    return SiderTask().build(settings, labels)


def load_sider(checkpoint: str | None, device: torch.device) -> NetworkBackend:
    return NetworkBackend("sider", build_sider, to_posterior, checkpoint, device)
