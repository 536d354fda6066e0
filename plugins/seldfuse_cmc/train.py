"""The training of CMC: its loss, and its posterior."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import TRACKS, LabelSet, Posterior, adpit_onscreen_loss, adpit_targets, fold_to_front
from seldfuse_cmc.network import ELEMENTS, Cmc, from_settings, to_posterior

NEAR_M = 0.25
"""Up to about here distances count by their difference, beyond by their ratio."""

RATIO = "distance_ratio"
"""The setting of the loss that asks for that."""

DISTANCE = 2
"""Its place among the elements of a track."""


class CmcTask:
    """CMC for the trainer."""

    backend = "cmc"
    criterion = "f20_03"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> Cmc:
        return from_settings(settings, labels)

    def loss(
        self, output: Float[Tensor, "batch frame out"], truth: Posterior, settings: Mapping[str, Any]
    ) -> Float[Tensor, ""]:
        """Compute ADPIT with on-screen as a mean over sources; `settings` may hold its weights.

        With `distance_ratio` distances are learned by their ratio, and only where something sounds: ADPIT's are 0
        elsewhere, and what is heard uncertainly would come too near. Directions are folded to the front then, which is
        all that a stereo pair can tell.
        """
        weights = {name: value for name, value in settings.items() if name != RATIO}
        if not settings.get(RATIO):
            return adpit_onscreen_loss(output, adpit_targets(truth, onscreen=True), **weights)
        assert truth.direction is not None
        target = adpit_targets(replace(truth, direction=fold_to_front(truth.direction)), onscreen=True)
        sounding = target[:, :, :, 0].nan_to_num().amax(dim=2)  # (batch, frame, cls)
        x, y, distance, onscreen = output.reshape(*output.shape[:2], TRACKS, ELEMENTS, -1).unbind(3)
        target[:, :, :, DISTANCE + 1] = _compress(target[:, :, :, DISTANCE + 1])
        compressed = _compress(distance) * sounding.unsqueeze(2)
        masked = torch.stack([x, y, compressed, onscreen], dim=3).flatten(2)
        return adpit_onscreen_loss(masked, target, **weights)

    def posterior(self, output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)


def _compress(distance: Tensor) -> Tensor:
    return (distance / NEAR_M).log1p()
