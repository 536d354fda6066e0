"""Whether a device computes what the processor computes: posteriors of backends, and a step of their trainings."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.studies.posteriors import infer_posteriors
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import DEMO, find_clips
from seldfuse.testing.samples import tiny_batch
from seldfuse.train.recipe import parse_recipe, read_preset
from seldfuse.train.task import TrainingTask

TOLERANCES = {"activity": 0.02, "direction": 0.05, "distance": 0.05, "onscreen": 0.02}
"""Largest differences: of probabilities, of unit vectors' components, of distances in parts of the distance.

Convolutions in TF32, which GPUs use unless told otherwise, keep ten bits.
"""

LOSS_TOLERANCE = 0.01
"""Of the loss before and after a step, in parts of it."""

AUDIBLE = 0.1
"""Directions and distances are compared where the activity is above this: elsewhere they mean nothing."""


def compare_posteriors(backends: Sequence[str], device: str) -> dict[str, dict[str, float]]:
    """Compare the posteriors of the demo on `device` with those on the processor: each field's largest difference."""
    names = ",".join(backends)
    here, there = (infer_posteriors(find_clips([DEMO]), load_backends(names, place)) for place in ("cpu", device))
    return {name: measure_differences(here[name].to("cpu"), there[name].to("cpu")) for name in here}


def measure_differences(one: Posterior, other: Posterior) -> dict[str, float]:
    """Measure the largest difference of each field, as `TOLERANCES` state it."""
    sounds = one.activity > AUDIBLE
    others = other.tensors()
    found = {}
    for name, tensor in one.tensors().items():
        difference = (tensor - others[name]).abs()
        if name == "distance":
            difference = difference / tensor.clamp_min(0.1)
        if name in ("direction", "distance"):
            difference = difference[sounds]
        found[name] = float(difference.amax()) if difference.numel() else 0.0
    return found


def compare_steps(backends: Sequence[str], device: str) -> dict[str, float]:
    """Compare the loss of a batch before and after a training step: the largest difference, in parts of the loss."""
    found = {}
    for name in backends:
        reference = load_registry().find_backend(name).value.task
        if reference is None:
            continue
        task: TrainingTask = load_reference(reference)()
        here, there = (_take_step(task, place) for place in ("cpu", device))
        found[name] = max(abs(one - other) / abs(one) for one, other in zip(here, there, strict=True))
    return found


def list_failures(posteriors: Mapping[str, Mapping[str, float]], steps: Mapping[str, float]) -> list[str]:
    """List what differs by more than it may; NaN does."""
    fields = [
        f"{backend}: {field} differs by {value:.3g}"
        for backend, values in posteriors.items()
        for field, value in values.items()
        if field in TOLERANCES and not value <= TOLERANCES[field]
    ]
    losses = [
        f"{name}: the loss differs by {value:.3g}" for name, value in steps.items() if not value <= LOSS_TOLERANCE
    ]
    return fields + losses


def _take_step(task: TrainingTask, device: str) -> list[float]:
    recipe = parse_recipe(read_preset(task.recipes, "small"))
    torch.manual_seed(0)
    # In evaluation mode nothing is dropped, which each device would do at random.
    network: Any = task.build(recipe.network, DCASE2025).eval()
    batch = tiny_batch(recipe.features, encoders=recipe.encoders)
    network.set_statistics(batch.features.mean(dim=(0, 2)), batch.features.std(dim=(0, 2)).clamp_min(1e-3))
    network.to(device)
    # Encoders stay on the processor: what they do on a device is part of the posteriors.
    features, *tokens = batch.inputs
    inputs = features.to(device), *({name: value.to(device) for name, value in each.items()} for each in tokens)
    target = batch.target.to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        loss = task.loss(network(*inputs), target, recipe.loss)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses
