"""The contract of augmentations: the amount, the seed, and what must stay."""

from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Augmentation
from seldfuse.testing.samples import FRAMES, tiny_batch
from seldfuse.testing.sounds import noise_clip, panned_clip, stack_audio
from seldfuse.testing.values import find_value
from seldfuse.train.batch import TrainingBatch

DECIBELS = 6.0
SEEDS = range(4)


class AugmentationContract:
    """Tests of one augmentation; a subclass sets `augmentation` to its name, or to the value itself.

    `features` are those of the batches that it is given.
    """

    augmentation: ClassVar[str | Augmentation]
    features: ClassVar[tuple[str, ...]] = ("logmel", "intensity", "stpacc")

    @property
    def value(self) -> Augmentation:
        """Find the value under test."""
        return find_value(Augmentation, self.augmentation)

    @property
    def whole(self) -> float:
        """Choose the amount with which it happens to every clip."""
        return DECIBELS if self.value.amount == "decibel" else 1.0

    def material(self, scenes: int = 4) -> Any:
        """Make what it is applied to: a batch, or sound `(batch, 2, sample)` where its stage is "audio"."""
        if self.value.stage == "batch":
            return tiny_batch(self.features, scenes)
        duration_s = FRAMES / 10
        tones = [panned_clip(duration_s=duration_s, seed=seed) for seed in range(scenes - 1)]
        return stack_audio(*tones, noise_clip(duration_s))

    def apply(self, material: Any, amount: float, seed: int = 0) -> Any:
        """Apply it with a fresh generator."""
        return load_reference(self.value.apply)(material, amount, np.random.default_rng(seed))

    def test_features_that_it_needs_are_among_those_of_the_batch(self) -> None:
        missing = set(self.value.features) - set(self.features)
        assert not missing, f"it needs {missing}; set features of the contract, which are {self.features}"

    def test_an_amount_of_0_draws_no_random_number_and_changes_nothing(self) -> None:
        rng = np.random.default_rng(0)
        before = rng.bit_generator.state
        changed = load_reference(self.value.apply)(self.material(), 0.0, rng)
        assert rng.bit_generator.state == before, "with an amount of 0 it drew random numbers"
        assert are_equal(changed, self.material()), "with an amount of 0 it changed something"

    def test_shapes_and_names_stay(self) -> None:
        given, changed = self.material(), self.apply(self.material(), self.whole)
        assert type(changed) is type(given)
        before, after = (
            {name: tuple(tensor.shape) for name, tensor in _list_tensors(one).items()} for one in (given, changed)
        )
        assert after == before, f"shapes must stay {before}, got {after}"
        if isinstance(given, TrainingBatch):
            assert changed.names == given.names, f"names must stay {given.names}, got {changed.names}"

    @pytest.mark.parametrize("seed", SEEDS)
    def test_every_value_is_finite_and_possible(self, seed: int) -> None:
        changed = self.apply(self.material(), self.whole, seed)
        for name, tensor in _list_tensors(changed).items():
            # Tokens of pictures that are not there are NaN.
            assert name.startswith("tokens") or bool(tensor.isfinite().all()), f"{name} has values that are not numbers"
        if isinstance(changed, TrainingBatch):
            activity, direction = changed.target.activity, changed.target.direction
            low, high = float(activity.amin()), float(activity.amax())
            assert 0 <= low <= high <= 1 + 1e-6, f"activity must stay from 0 to 1, found {low} to {high}"
            assert direction is not None
            torch.testing.assert_close(direction.norm(dim=-1), torch.ones(direction.shape[:-1]), atol=1e-3, rtol=0)

    def test_the_same_seed_gives_the_same_change(self) -> None:
        one, other = (self.apply(self.material(), self.whole, seed=7) for _ in range(2))
        assert are_equal(one, other), "one seed gives two results; draw from rng alone"

    def test_the_whole_amount_changes_something(self) -> None:
        changed = (self.apply(self.material(), self.whole, seed) for seed in SEEDS)
        assert any(not are_equal(one, self.material()) for one in changed), "nothing changes, whatever the seed"

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        material = self.material()
        self.apply(material, self.whole)
        assert are_equal(material, self.material()), "it changed the batch in place; make a new one"

    def test_a_single_clip_is_no_trouble(self) -> None:
        changed = _list_tensors(self.apply(self.material(scenes=2), self.whole))
        assert all(len(tensor) == 2 for tensor in changed.values())


def are_equal(one: Any, other: Any) -> bool:
    """Tell whether two batches, or two pieces of sound, hold the same numbers."""
    first, second = _list_tensors(one), _list_tensors(other)
    return first.keys() == second.keys() and all(
        torch.equal(first[name].nan_to_num(nan=1e9), second[name].nan_to_num(nan=1e9)) for name in first
    )


def _list_tensors(material: Any) -> dict[str, Tensor]:
    if isinstance(material, Tensor):
        return {"audio": material}
    assert isinstance(material, TrainingBatch), f"expected a TrainingBatch or a tensor, got {type(material).__name__}"
    tokens = {
        f"tokens of {name}, {side.name}": getattr(one, side.name)
        for name, one in material.embeddings.items()
        for side in fields(one)
        if isinstance(getattr(one, side.name), Tensor)
    }
    return {"features": material.features, **material.target.tensors(), **tokens}
