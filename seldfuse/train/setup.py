"""What a training needs before its first step: network, data, optimiser, and where it stands."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.synth.worker_process import keep_freed_memory
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.data.open import TrainingData, open_data
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.initialize import copy_weights
from seldfuse.train.recipe import Recipe
from seldfuse.train.state import load_state
from seldfuse.train.task import TrainingTask
from seldfuse.train.teacher import TeacherModel, open_teacher
from seldfuse.train.weight_average import WeightAverage

SAMPLE = 256
"""Scenes from which the features' means and deviations, and the classes' typical distances, are estimated."""


@dataclass
class TrainingState:
    """Where a training stands, apart from its tensors; `stale` counts validations without a better score."""

    step: int = 0
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    best: dict[str, float] | None = None
    stale: int = 0
    typical_distances_m: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingSetup:
    """All that a training holds. `model` is `network` as it is called: compiled, or shared by several processes."""

    task: TrainingTask
    recipe: Recipe
    labels: LabelSet
    data: TrainingData
    network: Any
    model: nn.Module
    average: WeightAverage
    optimiser: Any
    accelerator: Accelerator
    device: torch.device
    out: Path
    teacher: TeacherModel | None = None


def set_up_training(
    task: TrainingTask,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    crew: Accelerator,
    resume: bool,
) -> tuple[TrainingSetup, TrainingState]:
    """A training that begins, or, with `resume`, goes on from the state in `out`.

    Raises UsageError or MediaError for unusable data, CheckpointError where there is nothing to go on or start from.
    """
    if device.type == "cuda" and crew.num_processes > 1:
        device = torch.device("cuda", crew.local_process_index)
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(recipe.run.seed)
    network, recipe, standardised = _network(task, labels, recipe, resume)
    teacher = open_teacher(recipe, labels, device)
    data = open_data(recipe, labels, ProcessShare(crew.process_index, crew.num_processes), device)
    try:
        recipe = _with_steps(recipe, data.windows // crew.num_processes)
        course = TrainingState()
        if not resume:
            course.typical_distances_m = _detect(network, data, labels, recipe.standardize and not standardised)
        network.to(device).train()
        average = WeightAverage(network, recipe.run.ema_decay)
        optimiser = _optimiser(network, recipe)
        if resume:
            course = TrainingState(**load_state(out, network, average, optimiser))
        model, prepared = crew.prepare(torch.compile(network) if recipe.run.compile else network, optimiser)
        data.scenes.seek(course.step * recipe.run.accumulate_steps * recipe.run.batch_size)
    except BaseException:
        data.scenes.close()
        raise
    labels = labels.replace_typical_distances(course.typical_distances_m)
    return (
        TrainingSetup(task, recipe, labels, data, network, model, average, prepared, crew, device, out, teacher),
        course,
    )


def _network(task: TrainingTask, labels: LabelSet, recipe: Recipe, resume: bool) -> tuple[Any, Recipe, bool]:
    """A network, started from the recipe's checkpoint, if any, and whether its features' statistics came from there.

    A checkpoint of the same backend brings its own size and features along.
    """
    if resume or not recipe.init:
        return task.build(recipe.network, labels), recipe, False
    opened = open_checkpoint(recipe.init, task.backend, of_any=True)
    if opened.config["backend"] == task.backend:
        recipe = replace(
            recipe,
            network=opened.config["network"],
            features=tuple(opened.config["features"]),
            encoders=tuple(opened.config.get("encoders", ())),
        )
    network = task.build(recipe.network, labels)
    return network, recipe, copy_weights(network, opened, recipe.features)


def _with_steps(recipe: Recipe, windows: int) -> Recipe:
    """With steps in place of passes over folders of so many windows for each process."""
    run = recipe.run
    if not run.epochs:
        return recipe
    if not windows:
        raise UsageError("run.epochs counts passes over folders, and there is none; set run.steps")
    return replace(
        recipe,
        run=replace(run, epochs=0, steps=max(1, run.epochs * windows // (run.batch_size * run.accumulate_steps))),
    )


def _detect(network: Any, data: TrainingData, labels: LabelSet, standardise: bool) -> list[float]:
    """Sets the features' statistics from a sample of scenes; gives each class's typical distance in it."""
    # In parts: the spectra of all of them at once would take gigabytes.
    sample = TrainingBatch.concat([data.scenes.draw(SAMPLE // 8) for _ in range(8)]).to("cpu")
    if standardise:
        network.set_statistics(sample.features.mean(dim=(0, 2)), sample.features.std(dim=(0, 2)))
    truth = sample.target
    assert truth.distance is not None
    found = []
    for cls, label in enumerate(labels.classes):
        heard = truth.distance[:, :, cls][truth.activity[:, :, cls] > 0]
        found.append(round(heard.median().item(), 2) if len(heard) else label.typical_distance_m)
    return found


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if recipe.optimizer.name == "adamw" else torch.optim.Adam
    settings = recipe.optimizer
    return kind(network.parameters(), lr=settings.peak_learning_rate, weight_decay=settings.weight_decay)
