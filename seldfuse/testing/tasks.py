"""The contract of training tasks: a network that learns, whose posterior is what its backend provides."""

from functools import cached_property
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Backend
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.metrics.registered import find_score
from seldfuse.testing.samples import FRAMES, tiny_batch
from seldfuse.testing.values import find_value
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.recipe import Recipe, list_presets, parse_recipe, read_preset
from seldfuse.train.task import TrainingTask

STEPS = 4
OTHER = LabelSet("other", (Label("whistle", "Whistle"), Label("engine", "Engine")))


class TaskContract:
    """Tests of a backend's training task; a subclass sets `backend` to the backend's name, or to the value.

    The network is that of the recipe `preset`.
    """

    backend: ClassVar[str | Backend]
    preset: ClassVar[str] = "small"

    @property
    def value(self) -> Backend:
        """Find the backend under test."""
        return find_value(Backend, self.backend)

    @cached_property
    def task(self) -> TrainingTask:
        """Make the training task."""
        task = load_reference(str(self.value.task))()
        assert isinstance(task, TrainingTask), (
            f"{self.value.task} must have backend, criterion, recipes, build, loss, posterior"
        )
        return task

    @cached_property
    def recipe(self) -> Recipe:
        """Read the recipe from which the network is built."""
        return parse_recipe(read_preset(self.task.recipes, self.preset))

    def build(self, labels: LabelSet = DCASE2025) -> Any:
        """Build the recipe's network, its weights always the same."""
        torch.manual_seed(0)
        return self.task.build(self.recipe.network, labels)

    def batch(self, labels: LabelSet = DCASE2025) -> TrainingBatch:
        """Make two scenes with the recipe's features and the tokens of its encoders."""
        return tiny_batch(self.recipe.features, scenes=2, labels=labels, encoders=self.recipe.encoders)

    def test_it_belongs_to_its_backend_and_aims_at_a_known_score(self) -> None:
        assert self.task.backend == self.value.name
        assert find_score(self.task.criterion).name == self.task.criterion

    def test_every_recipe_holds_together(self) -> None:
        presets = list_presets(self.task.recipes)
        assert self.preset in presets, f"there is no {self.preset}.toml in {self.task.recipes}"
        for preset in presets:
            recipe = parse_recipe(read_preset(self.task.recipes, preset))
            unknown = set(recipe.features) - set(load_registry().features)
            assert not unknown, f"{preset}.toml names the features {unknown}, which nobody registers"

    def test_a_network_is_built_again_from_its_settings(self) -> None:
        network = self.build()
        torch.manual_seed(0)
        again = self.task.build(network.settings(), DCASE2025)
        first, second = network.state_dict(), again.state_dict()
        assert {name: value.shape for name, value in first.items()} == {
            name: value.shape for name, value in second.items()
        }

    def test_it_takes_the_statistics_of_its_features(self) -> None:
        network, batch = self.build().eval(), self.batch()
        before = _infer(network, batch)
        network.set_statistics(batch.features.mean(dim=(0, 2)), batch.features.std(dim=(0, 2)) + 1.0)
        after = _infer(network, batch)
        assert not torch.equal(before, after), "set_statistics changes nothing"

    @pytest.mark.parametrize("labels", [DCASE2025, OTHER], ids=lambda labels: labels.name)
    def test_its_posterior_is_what_the_backend_provides(self, labels: LabelSet) -> None:
        network, batch = self.build(labels).eval(), self.batch(labels)
        with torch.no_grad():
            posterior = self.task.posterior(network(*batch.inputs), labels)
        assert set(self.value.provides) <= set(posterior.provides), (
            f"provides is {self.value.provides}, the posterior has {posterior.provides}"
        )
        assert posterior.labels.names == labels.names
        assert posterior.activity.shape[:3] == (2, FRAMES, len(labels))

    def test_the_loss_is_a_finite_number_with_a_gradient(self) -> None:
        network, batch = self.build().train(), self.batch()
        loss = self.task.loss(network(*batch.inputs), batch.target, self.recipe.loss)
        assert loss.shape == (), f"expected one number, got the shape {tuple(loss.shape)}"
        assert bool(loss.isfinite())
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [weights.grad for weights in network.parameters() if weights.grad is not None]
        assert gradients, "no weight of the network has a gradient"
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)

    def test_the_loss_falls_within_a_few_steps(self) -> None:
        network, batch = self.build().train(), self.batch()
        network.set_statistics(batch.features.mean(dim=(0, 2)), batch.features.std(dim=(0, 2)).clamp_min(1e-3))
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        losses = [self._step(network, batch, optimizer) for _ in range(STEPS)]
        assert min(losses[STEPS // 2 :]) < losses[0], f"the loss does not fall on one batch: {losses}"

    def test_silence_is_a_target_like_any_other(self) -> None:
        network, batch = self.build().train(), self.batch()
        silent = batch.target.map(lambda tensor: tensor)
        silent.activity.zero_()
        loss = self.task.loss(network(*batch.inputs), silent, self.recipe.loss)
        assert bool(loss.isfinite()), "the loss is not a number where nothing sounds"

    def _step(self, network: nn.Module, batch: TrainingBatch, optimizer: torch.optim.Optimizer) -> float:
        optimizer.zero_grad()
        loss = self.task.loss(network(*batch.inputs), batch.target, self.recipe.loss)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())


def _infer(network: Any, batch: TrainingBatch) -> Tensor:
    """All numbers that a network gives, in one row."""
    with torch.no_grad():
        output = network(*batch.inputs)
    parts = [output] if isinstance(output, Tensor) else [part for part in output if isinstance(part, Tensor)]
    return torch.cat([part.flatten() for part in parts])
