"""All augmentations of a recipe, one after the other."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Augmentation
from seldfuse.core.device import is_out_of_memory
from seldfuse.errors import PluginError
from seldfuse.train.batch import TrainingBatch


def augment_batch(batch: TrainingBatch, amounts: Mapping[str, float], rng: np.random.Generator) -> TrainingBatch:
    """Apply the augmentations of batches by their amounts, in the order that their values state.

    One whose amount is 0 draws no random number. Raises PluginError where one returns no batch of the same size.
    """
    for value in _list_due("batch", amounts):
        changed = _apply(value, batch, amounts[value.name], rng)
        if not isinstance(changed, TrainingBatch) or changed.features.shape != batch.features.shape:
            raise _make_refusal(value, f"a TrainingBatch with features {tuple(batch.features.shape)}", changed)
        batch = changed
    return batch


def augment_audio(
    audio: Float[Tensor, "batch 2 sample"], amounts: Mapping[str, float], rng: np.random.Generator
) -> Float[Tensor, "batch 2 sample"]:
    """Apply the augmentations of sound at 24 kHz, of which features are made afterwards, in the same way."""
    for value in _list_due("audio", amounts):
        changed = _apply(value, audio, amounts[value.name], rng)
        if not isinstance(changed, Tensor) or changed.shape != audio.shape:
            raise _make_refusal(value, f"a tensor {tuple(audio.shape)}", changed)
        audio = changed
    return audio


def _apply(value: Augmentation, subject: Any, amount: float, rng: np.random.Generator) -> Any:
    """Apply an augmentation. Raises PluginError, which names it, whatever goes wrong but memory that ran out."""
    apply = load_reference(value.apply)
    # Training tells of memory that ran out by the error itself.
    with guard_plugin(
        f"the augmentation {value.name!r} failed in {value.apply}",
        f"train without it: --set augment.{value.name}=0",
        lets_by=is_out_of_memory,
    ):
        return apply(subject, amount, rng)


def _list_due(stage: Literal["audio", "batch"], amounts: Mapping[str, float]) -> Iterator[Augmentation]:
    """List the augmentations of a stage that are asked for, in their order."""
    values = [entry.value for entry in load_registry().augmentations.values() if entry.value.stage == stage]
    ordered = sorted(values, key=lambda value: (value.order, value.name))
    return (value for value in ordered if amounts.get(value.name, 0.0) > 0.0)


def _make_refusal(value: Augmentation, expected: str, changed: Any) -> PluginError:
    features = changed.features if isinstance(changed, TrainingBatch) else changed
    shape = f" {tuple(features.shape)}" if isinstance(features, Tensor) else ""
    return PluginError(f"{value.apply} must return {expected}, got {type(changed).__name__}{shape}")
