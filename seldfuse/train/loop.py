"""The training loop, which every backend's task plugs into."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list
from torch import nn

from seldfuse import __version__
from seldfuse.checkpoint import open_checkpoint, save_checkpoint
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.files import replacing
from seldfuse.labels import LabelSet
from seldfuse.metrics.scores import Scores
from seldfuse.synth.child import keep_memory
from seldfuse.train.augment import augmented
from seldfuse.train.average import Average
from seldfuse.train.batch import Batch
from seldfuse.train.card import write_card
from seldfuse.train.data.opened import Data, open_data
from seldfuse.train.data.source import Share
from seldfuse.train.progress import Log, Progress, plain
from seldfuse.train.recipe import Recipe
from seldfuse.train.schedule import SCHEDULES
from seldfuse.train.state import STATE, load_state, save_state
from seldfuse.train.task import Task
from seldfuse.train.validation import score

RECIPE = "recipe.toml"
LAST = "last"
"""The folder, inside of the output, of the newest checkpoint; the best stands in the output itself."""

SAMPLE = 256
"""Scenes from which the features' means and deviations, and the classes' typical distances, are estimated."""

SAVE_EVERY_S = 300.0
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


class TrainingError(SeldfuseError):
    """The training itself went wrong."""


@dataclass
class _Course:
    """Where a training stands, apart from its tensors; `stale` counts validations without a better score."""

    step: int = 0
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    best: dict[str, float] | None = None
    stale: int = 0
    typical_distances_m: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Training:
    """All that a training holds. `model` is `network` as it is called: compiled, or shared by several processes."""

    task: Task
    recipe: Recipe
    labels: LabelSet
    data: Data
    network: Any
    model: nn.Module
    average: Average
    optimiser: Any
    crew: Accelerator
    device: torch.device
    out: Path


def train(
    task: Task,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    watch: Callable[[Progress], None],
    warn: Callable[[str], None],
    resume: bool = False,
) -> dict[str, float]:
    """Trains by a recipe; gives the scores of the best checkpoint by the task's criterion, which stands in `out`.

    With `resume` it goes on from the state in `out`, to the same weights as if it had never stopped. `watch` hears of
    every step, `warn` of what is odd about the data. Started by `torchrun`, several processes share each step's scenes.
    Raises UsageError or MediaError for unusable data, CheckpointError where there is nothing to go on from, and
    TrainingError where the loss is no longer a number or memory runs out; the best checkpoint so far is kept.
    """
    if not resume and (out / STATE).exists():
        raise UsageError(f"a training stands here; go on with --resume, or choose another folder with -o: {out}")
    with _crew(recipe, device) as crew:
        training, course = _begin(task, labels, recipe, out, device, crew, resume)
        with closing(training.data.scenes), closing(Log(out if crew.is_main_process else None, course.step)) as log:
            _run(training, course, log, watch, warn)
    assert course.best is not None
    return course.best


@contextmanager
def _crew(recipe: Recipe, device: torch.device) -> Iterator[Accelerator]:
    """The processes that train together, one unless `torchrun` started more, and their precision."""
    try:
        yield Accelerator(
            cpu=device.type == "cpu",
            mixed_precision=PRECISIONS[recipe.run.precision],
            gradient_accumulation_steps=recipe.run.accumulate,
            device_placement=False,
        )
    finally:
        # It keeps its settings for the whole process, and the next training may have others.
        AcceleratorState._reset_state(reset_partial_state=True)


def _run(
    training: _Training,
    course: _Course,
    log: Log,
    watch: Callable[[Progress], None],
    warn: Callable[[str], None],
) -> None:
    """All steps that are left."""
    recipe, main = training.recipe, training.crew.is_main_process
    saved_s, told = time.monotonic(), set[str]()
    while course.step < recipe.run.steps and not _tired(course, recipe):
        started_s = time.monotonic()
        loss = _step(training, course)
        due = course.step % recipe.run.validate_every == 0 or course.step == recipe.run.steps
        scores = _judge(training, course) if due else None
        course.elapsed_s += time.monotonic() - started_s
        if main and (due or time.monotonic() - saved_s > SAVE_EVERY_S):
            save_state(training.out, training.network, training.average, training.optimiser, vars(course))
            saved_s = time.monotonic()
        progress = _progress(training, course, loss, scores)
        log.write(progress)
        if main:
            watch(progress)
            _tell(training.data, told, warn)


def _begin(
    task: Task,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    crew: Accelerator,
    resume: bool,
) -> tuple[_Training, _Course]:
    if device.type == "cuda" and crew.num_processes > 1:
        device = torch.device("cuda", crew.local_process_index)
    if device.type == "cpu":
        keep_memory()
    torch.manual_seed(recipe.run.seed)
    network, recipe, standardised = _network(task, labels, recipe, resume)
    data = open_data(recipe, labels, Share(crew.process_index, crew.num_processes), device)
    try:
        recipe = _with_steps(recipe, data.windows // crew.num_processes)
        course = _Course()
        if not resume:
            course.typical_distances_m = _look(network, data, labels, recipe.standardise and not standardised)
        network.to(device).train()
        average = Average(network, recipe.run.ema_decay)
        optimiser = _optimiser(network, recipe)
        if resume:
            course = _Course(**load_state(out, network, average, optimiser))
        model, prepared = crew.prepare(torch.compile(network) if recipe.run.compile else network, optimiser)
        data.scenes.seek(course.step * recipe.run.accumulate * recipe.run.batch)
        if crew.is_main_process:
            with replacing(out / RECIPE) as draft:
                draft.write_text(recipe.to_toml(), encoding="utf-8")
    except BaseException:
        data.scenes.close()
        raise
    labels = labels.with_typical_distances(course.typical_distances_m)
    return (
        _Training(task, recipe, labels, data, network, model, average, prepared, crew, device, out),
        course,
    )


def _network(task: Task, labels: LabelSet, recipe: Recipe, resume: bool) -> tuple[Any, Recipe, bool]:
    """A network, started from the recipe's checkpoint, if any, and whether its features' statistics came from there.

    A checkpoint of the same backend brings its own size and features along.
    """
    if resume or not recipe.init:
        return task.build(recipe.network, labels), recipe, False
    opened = open_checkpoint(recipe.init, task.backend, of_any=True)
    if opened.config["backend"] == task.backend:
        recipe = replace(recipe, network=opened.config["network"], features=tuple(opened.config["features"]))
    network = task.build(recipe.network, labels)
    copied = opened.start(network)
    return network, recipe, any(name.rpartition(".")[2] == "deviation" for name in copied)


def _with_steps(recipe: Recipe, windows: int) -> Recipe:
    """With steps in place of passes over folders of so many windows for each process."""
    run = recipe.run
    if not run.epochs:
        return recipe
    if not windows:
        raise UsageError("run.epochs counts passes over folders, and there is none; set run.steps")
    return replace(
        recipe, run=replace(run, epochs=0, steps=max(1, run.epochs * windows // (run.batch * run.accumulate)))
    )


def _look(network: Any, data: Data, labels: LabelSet, standardise: bool) -> list[float]:
    """Sets the features' statistics from a sample of scenes; gives each class's typical distance in it."""
    sample = Batch.join([data.scenes.draw(SAMPLE // 8) for _ in range(8)]).to("cpu")
    if standardise:
        network.set_statistics(sample.features.mean(dim=(0, 2)), sample.features.std(dim=(0, 2)))
    truth = sample.truth
    assert truth.distance is not None
    found = []
    for cls, label in enumerate(labels.classes):
        heard = truth.distance[:, :, cls][truth.activity[:, :, cls] > 0]
        found.append(round(heard.median().item(), 2) if len(heard) else label.typical_distance_m)
    return found


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    kind = torch.optim.AdamW if recipe.optimiser.name == "adamw" else torch.optim.Adam
    settings = recipe.optimiser
    return kind(network.parameters(), lr=settings.peak_learning_rate, weight_decay=settings.weight_decay)


def _step(training: _Training, course: _Course) -> float:
    """One step of the weights; gives the loss. Its random numbers depend on the seed and its number alone."""
    recipe, crew = training.recipe, training.crew
    course.step += 1
    seeds = np.random.SeedSequence([recipe.run.seed, course.step, crew.process_index])
    torch.manual_seed(int(seeds.generate_state(1)[0]))
    rng = np.random.default_rng(seeds)
    factor = SCHEDULES[recipe.optimiser.schedule]((course.step - 1) / recipe.run.steps)
    for group in training.optimiser.param_groups:
        group["lr"] = recipe.optimiser.peak_learning_rate * factor
    total = 0.0
    with _memory_watched():
        for _ in range(recipe.run.accumulate):
            batch = augmented(_drawn(training, course), recipe.augment, rng)
            with crew.accumulate(training.model):
                total += _pass(training, batch) / recipe.run.accumulate
        training.average.update(training.network, course.step)
    return total


def _pass(training: _Training, batch: Batch) -> float:
    loss = training.task.loss(training.model(batch.features), batch.truth, training.recipe.loss)
    if not loss.isfinite():
        raise TrainingError("the loss is no longer a number; lower --learning-rate. The best checkpoint so far is kept")
    training.crew.backward(loss)
    if training.crew.sync_gradients and training.recipe.optimiser.clip_norm:
        training.crew.clip_grad_norm_(training.network.parameters(), training.recipe.optimiser.clip_norm)
    training.optimiser.step()
    training.optimiser.zero_grad()
    return loss.item()


def _drawn(training: _Training, course: _Course) -> Batch:
    started_s = time.monotonic()
    batch = training.data.scenes.draw(training.recipe.run.batch)
    course.waited_s += time.monotonic() - started_s
    return batch.to(training.device)


@contextmanager
def _memory_watched() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise TrainingError(
                "memory ran out; take a smaller --batch, and --set run.accumulate=2 to make up for it. "
                "The best checkpoint so far is kept"
            ) from error
        raise


def _judge(training: _Training, course: _Course) -> Scores:
    """Validates the mean of the weights and keeps it as a checkpoint; all processes learn of the scores."""
    crew, task = training.crew, training.task
    told: list[Scores | None] = [None]
    if crew.is_main_process:
        told = [score(task, training.average.network, training.data.validation)]
    if crew.num_processes > 1:
        broadcast_object_list(told)
    scores = told[0]
    assert scores is not None
    better = course.best is None or getattr(scores, task.criterion) > course.best[task.criterion]
    course.best, course.stale = (plain(scores), 0) if better else (course.best, course.stale + 1)
    if crew.is_main_process:
        for folder in [training.out / LAST, *([training.out] if better else [])]:
            _keep(training, course, scores, folder)
    return scores


def _keep(training: _Training, course: _Course, scores: Scores, folder: Path) -> None:
    """Writes the mean of the weights as a checkpoint with its card."""
    recipe, network = training.recipe, training.average.network
    told = {
        "seldfuse": __version__,
        "step": course.step,
        "hours": round(course.elapsed_s / 3600, 2),
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "validation_scenes": len(training.data.validation.references),
        "scores": plain(scores),
        "recipe": recipe.told(),
    }
    settings = {"features": list(recipe.features), "network": training.network.settings(), "training": told}
    save_checkpoint(folder, network, training.task.backend, training.labels, settings)
    write_card(folder, training.task, told)


def _tired(course: _Course, recipe: Recipe) -> bool:
    return 0 < recipe.run.patience <= course.stale


def _tell(data: Data, told: set[str], warn: Callable[[str], None]) -> None:
    """Problems turn up as files are read."""
    for problem in data.problems:
        if problem not in told:
            told.add(problem)
            warn(problem)


def _progress(training: _Training, course: _Course, loss: float, scores: Scores | None) -> Progress:
    return Progress(
        course.step,
        training.recipe.run.steps,
        loss,
        training.optimiser.param_groups[0]["lr"],
        course.elapsed_s,
        course.waited_s / max(course.elapsed_s, 1e-9),
        scores,
    )
