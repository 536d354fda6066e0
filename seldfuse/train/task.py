"""What a backend tells the trainer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior


@runtime_checkable
class TrainingTask(Protocol):
    """A network to build, a loss to lower and a score to raise."""

    backend: str
    """Name of the backend whose checkpoints come out."""

    criterion: str
    """The name of the score by which the best checkpoint is chosen, bundled or a plugin's."""

    recipes: Path
    """The folder of its recipes, a TOML file for each preset."""

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> nn.Module:
        """Build a fresh network from a recipe's [network], with `settings()` and `set_statistics(mean, deviation)`.

        What the network's `forward` gives for a batch's `inputs` is what `loss` and `posterior` take.
        """
        ...

    def loss(self, output: Any, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        """Compute the loss of a batch by a recipe's [loss]; `truth` is that of `seldfuse.train.batch.TrainingBatch`."""
        ...

    def posterior(self, output: Any, labels: LabelSet) -> Posterior:
        """Read the posterior that the network's output means."""
        ...
