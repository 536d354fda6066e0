"""The training of CMC: its loss, and its posterior."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, adpit_onscreen_loss, adpit_targets, fold_to_front
from seldfuse_cmc.network import Cmc, from_settings, to_posterior


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

        Directions are folded to the front, which is all that a stereo pair can tell.
        """
        assert truth.direction is not None
        truth = replace(truth, direction=fold_to_front(truth.direction))
        return adpit_onscreen_loss(output, adpit_targets(truth, onscreen=True), **settings)

    def posterior(self, output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
