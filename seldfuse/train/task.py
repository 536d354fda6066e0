"""What a backend tells the trainer."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.labels import LabelSet
from seldfuse.posterior import Posterior


@runtime_checkable
class Task(Protocol):
    """A network to build, a loss to lower and a score to raise."""

    backend: str
    """Name of the backend whose checkpoints come out."""

    criterion: str
    """The score by which the best checkpoint is chosen, a field of `seldfuse.metrics.Scores`."""

    def build(self, preset: str, labels: LabelSet) -> tuple[nn.Module, tuple[str, ...]]:
        """A fresh network with a `trunk` that takes feature statistics and `settings()`, and the features it hears."""
        ...

    def loss(
        self, network: Any, features: Float[Tensor, "batch channel time mel"], truth: Posterior
    ) -> Float[Tensor, ""]:
        """The loss of a batch; `truth` has activity 0 or 1 on up to three tracks."""
        ...

    def posterior(self, output: Any, labels: LabelSet) -> Posterior:
        """What the network's output says."""
        ...
