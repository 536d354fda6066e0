"""The training of the baseline: its loss, and its posterior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from seldfuse.sdk import LabelSet, Posterior, adpit_loss, adpit_targets
from seldfuse_baseline.network import BaselineNetwork, from_settings, to_posterior


class BaselineTask:
    """The baseline for the trainer."""

    backend = "baseline"
    criterion = "f20_03"
    recipes = Path(__file__).parent / "recipes"

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> BaselineNetwork:
        return from_settings(settings, labels)

    def loss(
        self,
        output: Float[Tensor, "batch frame out"],
        truth: Posterior,
        settings: Mapping[str, Any],  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """Compute ADPIT, which has nothing to set."""
        return adpit_loss(output, adpit_targets(truth))

    def posterior(self, output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
        return to_posterior(output, labels)
