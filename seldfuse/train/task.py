"""What a backend tells the trainer."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry
from seldfuse.catalogue.values import Backend
from seldfuse.core.device import is_out_of_memory
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import PluginError


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


class GuardedTask:
    """A training task of a plugin within the fence: whatever it raises is a PluginError that names it."""

    def __init__(self, entry: CatalogueEntry[Backend]) -> None:
        self._who, self._remedy = (
            f"the training task of {entry.value.name!r}",
            f"tell the makers of {entry.distribution}",
        )
        make = load_reference(str(entry.value.task))
        with self._guard("failed while it was made"):
            task = make()
            if not isinstance(task, TrainingTask):
                lacks = [name for name in PARTS if not hasattr(task, name)]
                raise PluginError(f"{self._who} lacks {', '.join(lacks)}; {self._remedy}")
            self._task: TrainingTask = task
            self.backend, self.criterion = self._task.backend, self._task.criterion
            self.recipes = Path(self._task.recipes)

    def build(self, settings: Mapping[str, Any], labels: LabelSet) -> nn.Module:
        with self._guard("failed in build"):
            return self._task.build(settings, labels)

    def loss(self, output: Any, truth: Posterior, settings: Mapping[str, Any]) -> Float[Tensor, ""]:
        with self._guard("failed in loss"):
            return self._task.loss(output, truth, settings)

    def posterior(self, output: Any, labels: LabelSet) -> Posterior:
        with self._guard("failed in posterior"):
            return self._task.posterior(output, labels)

    def _guard(self, what: str) -> AbstractContextManager[None]:
        # Training tells of memory that ran out by the error itself.
        return guard_plugin(f"{self._who} {what}", self._remedy, lets_by=is_out_of_memory)


PARTS = ("backend", "criterion", "recipes", "build", "loss", "posterior")
"""What a task has."""
