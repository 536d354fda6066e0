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

        Directions are folded to the front, which is all that a stereo pair can tell. Where a class does not sound
        it has no distance to learn: ADPIT's would be 0, and what is heard uncertainly would come too near.
        """
        assert truth.direction is not None
        target = adpit_targets(replace(truth, direction=fold_to_front(truth.direction)), onscreen=True)
        sounding = target[:, :, :, 0].nan_to_num().amax(dim=2)  # (batch, frame, cls)
        x, y, distance, onscreen = output.reshape(*output.shape[:2], TRACKS, ELEMENTS, -1).unbind(3)
        # A metre is much for a near source and little for a far one.
        target[:, :, :, DISTANCE + 1] = _compress(target[:, :, :, DISTANCE + 1])
        compressed = _compress(distance) * sounding.unsqueeze(2)
        masked = torch.stack([x, y, compressed, onscreen], dim=3).flatten(2)
        return adpit_onscreen_loss(masked, target, **settings)

    def posterior(self, output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)


def _compress(distance: Tensor) -> Tensor:
    return (distance / NEAR_M).log1p()
