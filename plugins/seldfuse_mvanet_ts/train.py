"""The training of MVANet: its loss, and its posterior."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from seldfuse.sdk import LabelSet, Posterior, activity_loss, compute_azimuth_loss, compute_distance_loss
from seldfuse_mvanet_ts.network import MvaNet, MvaNetOutput, from_settings, to_posterior


def onscreen_loss(
    logit: Float[Tensor, "batch frame cls"],
    onscreen: Float[Tensor, "batch frame cls"],
    activity: Float[Tensor, "batch frame cls"],
    onscreen_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute mean BCE over active cells; sources in the picture, which are one in four, count
    `onscreen_positive_weight` times.

    The logit is shifted by as much as the weight shifts the best answer, so that it stays that of the true share. Cells
    whose `onscreen` is NaN do not count.
    """
    weight = activity * onscreen.isfinite() * (1.0 + (onscreen_positive_weight - 1.0) * onscreen.nan_to_num())
    shifted = logit + math.log(onscreen_positive_weight)
    error = F.binary_cross_entropy_with_logits(shifted, onscreen.nan_to_num(), reduction="none")
    return (weight * error).sum() / weight.sum().clamp_min(1.0)


def mvanet_loss(
    output: MvaNetOutput,
    truth: Posterior,
    activity_weight: float = 1.0,
    point_weight: float = 2.0,
    onscreen_weight: float = 0.1,
    active_positive_weight: float = 1.0,
    onscreen_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Compute SED-SCE's loss, BCE of activity and the error of the place where a class sounds, and on-screen.

    Of a point the error is the mean square in m²; of a polar place the sum of `compute_azimuth_loss` and
    `compute_distance_loss`. Of several sources of one class the first track is learned, by a polar place all.
    """
    assert truth.onscreen is not None
    activity = truth.activity[..., 0]
    return (
        activity_weight * activity_loss(output.activity, activity, active_positive_weight)
        + point_weight * _place_loss(output, truth)
        + onscreen_weight
        * onscreen_loss(output.onscreen, truth.onscreen[..., 0], activity.nan_to_num(), onscreen_positive_weight)
    )


def _place_loss(output: MvaNetOutput, truth: Posterior) -> Float[Tensor, ""]:
    assert truth.direction is not None
    assert truth.distance is not None
    if output.azimuth is not None:
        assert output.log_distance is not None
        azimuth = compute_azimuth_loss(output.azimuth, truth.activity, truth.direction)
        return azimuth + compute_distance_loss(output.log_distance, truth.activity, truth.distance)
    assert output.point is not None
    point = truth.direction[..., 0, :] * truth.distance[..., :1]
    error = output.point - point[..., : output.point.shape[-1]]
    return (truth.activity[..., :1].nan_to_num() * error.square()).mean()


class MvaTask:
    """MVANet for the trainer."""

    backend = "mvanet"
    criterion = "f20_03"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> MvaNet:
        return from_settings(settings, labels)

    def loss(self, output: MvaNetOutput, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss; `settings` hold the weights."""
        return mvanet_loss(output, truth, **settings)

    def posterior(self, output: MvaNetOutput, labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
