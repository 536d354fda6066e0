"""What a training needs before its first step: network, data, optimizer, and where it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.labels import LabelSet
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.features.stack import find_feature
from seldfuse.nn.class_branch import ClassBranch
from seldfuse.nn.resnet_conformer import Trunk
from seldfuse.settings.check_types import find_misfit
from seldfuse.synth.worker_process import keep_freed_memory
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.check import check_trainable
from seldfuse.train.data.open import TrainingData, open_data
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.initialize import copy_weights, start_class_branch
from seldfuse.train.recipe import OptimizerSettings, Recipe
from seldfuse.train.state import STATE, load_state
from seldfuse.train.task import TrainingTask
from seldfuse.train.teacher import TeacherModel, open_teacher
from seldfuse.train.weight_average import WeightAverage

SAMPLE = 256
"""Scenes from which the features' means and deviations, and the classes' typical distances, are estimated."""

FUSED_DEVICES = ("cpu", "cuda")
"""Devices on which channels-last convolutions and the optimizer's fused step are known to win."""


@dataclass
class TrainingState:
    """Where a training stands, apart from its tensors.

    `stale` counts validations without a better score, `data` is what `describe_clips` says of the folders' clips.
    """

    step: int = 0
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    best: dict[str, float] | None = None
    stale: int = 0
    typical_distances_m: list[float] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSetup:
    """All that a training holds.

    `model` is `network` as it is called: compiled, or shared by several processes. `notes` say what is worth knowing
    before the first step.
    """

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
    notes: tuple[str, ...] = ()


def set_up_training(
    task: TrainingTask,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    accelerator: Accelerator,
    resume: bool,
) -> tuple[TrainingSetup, TrainingState]:
    """Set up a training that begins, or, with `resume`, goes on from the state in `out`.

    Raises what `check_trainable` raises, UsageError or MediaError for unusable data or where the network takes other
    features, and CheckpointError where there is nothing to go on or start from.
    """
    check_trainable(recipe, load_registry())
    if device.type == "cuda" and accelerator.num_processes > 1:
        device = torch.device("cuda", accelerator.local_process_index)
    if device.type == "cpu":
        keep_freed_memory()
    torch.manual_seed(recipe.run.seed)
    network, recipe, standardized = _build_network(task, labels, recipe, resume)
    teacher = open_teacher(recipe, labels, device)
    data = open_data(recipe, labels, ProcessShare(accelerator.process_index, accelerator.num_processes), device)
    try:
        recipe = _count_steps(recipe, data.windows // accelerator.num_processes)
        state = TrainingState()
        if not resume:
            state.typical_distances_m = _measure(network, data, labels, recipe.standardize and not standardized)
        place_network(network, device)
        average = WeightAverage(network, recipe.run.ema_decay)
        optimizer = make_optimizer(network, recipe, device)
        notes: tuple[str, ...] = ()
        if resume:
            state = _read_state(load_state(out, network, average, optimizer), out)
            notes = tuple(_take_up(state, recipe, data))
        state.data = data.description
        model, prepared = accelerator.prepare(torch.compile(network) if recipe.run.compile else network, optimizer)
        data.scenes.seek(state.step * recipe.run.accumulate_steps * recipe.run.batch_size)
    except BaseException:
        data.scenes.close()
        raise
    labels = labels.replace_typical_distances(state.typical_distances_m)
    return (
        TrainingSetup(
            task, recipe, labels, data, network, model, average, prepared, accelerator, device, out, teacher, notes
        ),
        state,
    )


def _take_up(state: TrainingState, recipe: Recipe, data: TrainingData) -> Iterator[str]:
    """What is worth knowing where a training goes on; on other clips its best score so far counts no longer."""
    steps = recipe.run.steps
    if state.step >= steps:
        yield f"nothing left to do: {state.step} of {steps} steps are made; --resume --steps {2 * steps} goes on"
    if not state.data or state.data == data.description:
        return
    yield (
        f"the clips are others than before: {state.data['clips']} then, {data.description['clips']} now, in names, "
        "sizes or labels"
    )
    if state.step < steps:
        yield "scores on other clips cannot be compared: the best checkpoint is chosen anew"
        state.best, state.stale = None, 0


def _build_network(task: TrainingTask, labels: LabelSet, recipe: Recipe, resume: bool) -> tuple[Any, Recipe, bool]:
    """Build a network, started from the recipe's checkpoint, if any; return whether its statistics came from there.

    A checkpoint of the same backend brings its own size and features along.
    """
    if resume or not recipe.init:
        network = _build_for_features(task, labels, recipe)
        for trunk in (module for module in network.modules() if isinstance(module, Trunk)):
            start_class_branch(trunk)
        return network, recipe, False
    opened = open_checkpoint(recipe.init, task.backend, of_any=True)
    if opened.config["backend"] == task.backend:
        recipe = replace(
            recipe,
            network=opened.config["network"],
            features=opened.features,
            encoders=tuple(opened.config.get("encoders", ())),
        )
        check_trainable(recipe, load_registry())
    network = _build_for_features(task, labels, recipe)
    settings = recipe.network
    copied = copy_weights(network, opened, recipe.features, labels, lambda classes: task.build(settings, classes))
    return network, recipe, copied


def _read_state(header: Mapping[str, Any], out: Path) -> TrainingState:
    """Read where a training stood. Raises CheckpointError."""
    try:
        state = TrainingState(**header)
        # A score may be NaN.
        misfit = find_misfit(replace(state, best=None), TrainingState) or _find_wrong_score(state.best)
        if misfit is None and state.step < 0:
            misfit = f"step must be 0 or more, got {state.step}"
    except TypeError as error:
        misfit = str(error)
    if misfit:
        raise CheckpointError(f"the state of the training is damaged ({misfit}): {out / STATE}")
    return state


def _find_wrong_score(best: Any) -> str | None:
    good = best is None or (isinstance(best, dict) and all(isinstance(one, int | float) for one in best.values()))
    return None if good else f"best must be a table of scores, got {best!r:.60}"


def _build_for_features(task: TrainingTask, labels: LabelSet, recipe: Recipe) -> Any:
    """Build a network, and check that it takes as many channels and bins as the features have together."""
    network: Any = task.build(recipe.network, labels)
    values = [find_feature(name) for name in recipe.features]
    channels, bins = sum(value.channels for value in values), values[0].bins
    try:
        # A fresh network has these statistics; one for other features cannot take them.
        network.set_statistics(torch.zeros(channels, bins), torch.ones(channels, bins))
    except RuntimeError as error:
        raise UsageError(
            f"the network of {task.backend} cannot take {channels} channels of {bins} bins, which "
            f"{', '.join(recipe.features)} have together; change its size in the recipe's [network], where bundled "
            "backends call it trunk.channels, or the features"
        ) from error
    return network


def _count_steps(recipe: Recipe, windows: int) -> Recipe:
    """Return the recipe with steps in place of passes over folders of so many windows for each process."""
    run = recipe.run
    if not run.epochs:
        return recipe
    if not windows:
        raise UsageError("run.epochs counts passes over folders, and there is none; set run.steps")
    return replace(
        recipe,
        run=replace(run, epochs=0, steps=max(1, run.epochs * windows // (run.batch_size * run.accumulate_steps))),
    )


def _measure(network: Any, data: TrainingData, labels: LabelSet, standardize: bool) -> list[float]:
    """Set the statistics of each channel and bin by a sample of scenes; return the typical distance of each class."""
    # In parts: the spectra of all of them at once would take gigabytes.
    sample = TrainingBatch.concat([data.scenes.draw(SAMPLE // 8) for _ in range(8)]).to("cpu")
    if standardize:
        network.set_statistics(sample.features.mean(dim=(0, 2)), sample.features.std(dim=(0, 2)))
    target = sample.target
    assert target.distance is not None
    found = []
    for cls, label in enumerate(labels.classes):
        distances_m = target.distance[:, :, cls][target.activity[:, :, cls] > 0]
        found.append(round(distances_m.median().item(), 2) if len(distances_m) else label.typical_distance_m)
    return found


def place_network(network: nn.Module, device: torch.device) -> None:
    """Move a network to the device, ready to learn, with the weights of its convolutions in the order that is fast."""
    network.to(device).train()
    if device.type in FUSED_DEVICES:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_optimizer(network: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """Make the optimizer of a recipe, which takes all weights in one go where the device can."""
    kind = torch.optim.AdamW if recipe.optimizer.name == "adamw" else torch.optim.Adam
    settings = recipe.optimizer
    return kind(
        _group_weights(network, settings),
        lr=settings.peak_learning_rate,
        weight_decay=settings.weight_decay,
        fused=device.type in FUSED_DEVICES,
    )


def _group_weights(network: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Group the weights by their share of the learning rate: what was pretrained moves more slowly, or not."""
    pretrained = {
        weight for module in network.modules() if isinstance(module, ClassBranch) for weight in module.parameters()
    }
    others = [weight for weight in network.parameters() if weight not in pretrained]
    slow = [weight for weight in network.parameters() if weight in pretrained]
    for weight in slow:
        # What stays as it is needs no gradients, which would also count in the norm that is clipped.
        weight.requires_grad_(settings.pretrained_share > 0)
    groups = [{"params": others, "share": 1.0}]
    return [*groups, {"params": slow, "share": settings.pretrained_share}] if slow else groups
