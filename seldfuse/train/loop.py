"""The training loop, which every backend's task plugs into."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list
from jaxtyping import Float
from torch import Tensor

from seldfuse import __version__
from seldfuse.catalogue.values import Score
from seldfuse.checkpoint import save_checkpoint
from seldfuse.core.device import is_out_of_memory
from seldfuse.core.labels import LabelSet
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.metrics.evaluated import EvaluatedScores
from seldfuse.metrics.registered import is_better
from seldfuse.metrics.scores import Scores
from seldfuse.train.augment.apply import augment_batch
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.card import write_card
from seldfuse.train.data.open import TrainingData
from seldfuse.train.progress import StepReport, TrainingLog, round_scores
from seldfuse.train.recipe import Recipe
from seldfuse.train.recipe_paths import write_recipe
from seldfuse.train.schedule import SCHEDULES
from seldfuse.train.setup import TrainingSetup, TrainingState, set_up_training
from seldfuse.train.state import STATE, save_state
from seldfuse.train.task import TrainingTask
from seldfuse.train.validation import find_criterion, score_network

RECIPE = "recipe.toml"
LAST = "last"
"""The folder, inside of the output, of the newest checkpoint; the best stands in the output itself."""

SAVE_EVERY_S = 300.0
PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}


class TrainingError(SeldfuseError):
    """The training itself went wrong."""


def train_network(
    task: TrainingTask,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    report: Callable[[StepReport], None],
    warn: Callable[[str], None],
    resume: bool = False,
) -> dict[str, float]:
    """Train by a recipe; return the scores of the best checkpoint by the task's criterion, which stands in `out`.

    With `resume` it goes on from the state in `out`, to the same weights as if it had never stopped. `report` is given
    every step, `warn` of what is odd about the data. Started by `torchrun`, several processes share each step's scenes.
    Raises PluginError where the task's criterion is no score, UsageError or MediaError for unusable data,
    CheckpointError where there is nothing to go on from, and TrainingError where the loss is no longer a number or
    memory runs out; the best checkpoint so far stays.
    """
    find_criterion(task)
    if not resume and (out / STATE).exists():
        raise UsageError(f"a training stands here; go on with --resume, or choose another folder with -o: {out}")
    with _open_accelerator(recipe, device) as accelerator:
        training, course = set_up_training(task, labels, recipe, out, device, accelerator, resume)
        if accelerator.is_main_process:
            write_recipe(training.recipe, out / RECIPE)
            for note in training.notes:
                warn(note)
        with (
            closing(training.data.scenes),
            closing(TrainingLog(out if accelerator.is_main_process else None, course.step)) as log,
        ):
            _run(training, course, log, report, warn)
    assert course.best is not None
    return course.best


@contextmanager
def _open_accelerator(recipe: Recipe, device: torch.device) -> Iterator[Accelerator]:
    """The processes that train together, one unless `torchrun` started more, and their precision."""
    try:
        yield Accelerator(
            cpu=device.type == "cpu",
            mixed_precision=PRECISIONS[recipe.run.precision],
            gradient_accumulation_steps=recipe.run.accumulate_steps,
            device_placement=False,
        )
    finally:
        # It keeps its settings for the whole process, and the next training may have others.
        AcceleratorState._reset_state(reset_partial_state=True)


def _run(
    training: TrainingSetup,
    course: TrainingState,
    log: TrainingLog,
    report: Callable[[StepReport], None],
    warn: Callable[[str], None],
) -> None:
    """All steps that are left."""
    recipe, main = training.recipe, training.accelerator.is_main_process
    saved_s, reported = time.monotonic(), set[str]()
    if main:
        # What is known of the data is told before it costs any time.
        _report(training.data, reported, warn)
    while course.step < recipe.run.steps and not _is_out_of_patience(course, recipe):
        started_s = time.monotonic()
        loss = _step(training, course)
        due = course.step % recipe.run.validate_every == 0 or course.step == recipe.run.steps
        scores = _validate(training, course) if due else None
        course.elapsed_s += time.monotonic() - started_s
        if main and (due or time.monotonic() - saved_s > SAVE_EVERY_S):
            save_state(training.out, training.network, training.average, training.optimiser, vars(course))
            saved_s = time.monotonic()
        progress = _progress(training, course, loss, scores)
        log.write(progress)
        if main:
            report(progress)
            _report(training.data, reported, warn)


def _step(training: TrainingSetup, course: TrainingState) -> float:
    """One step of the weights; gives the loss. Its random numbers depend on the seed and its number alone."""
    recipe, accelerator = training.recipe, training.accelerator
    course.step += 1
    seeds = np.random.SeedSequence([recipe.run.seed, course.step, accelerator.process_index])
    torch.manual_seed(int(seeds.generate_state(1)[0]))
    rng = np.random.default_rng(seeds)
    factor = SCHEDULES[recipe.optimizer.schedule]((course.step - 1) / recipe.run.steps)
    for group in training.optimiser.param_groups:
        group["lr"] = recipe.optimizer.peak_learning_rate * factor * group.get("share", 1.0)
    total = 0.0
    with _catch_out_of_memory():
        for _ in range(recipe.run.accumulate_steps):
            batch = augment_batch(_draw(training, course), recipe.augment, rng)
            with accelerator.accumulate(training.model):
                total += _pass(training, batch) / recipe.run.accumulate_steps
        training.average.update(training.network, course.step)
    return total


def _pass(training: TrainingSetup, batch: TrainingBatch) -> float:
    loss = _loss(training, training.model(*batch.inputs), batch)
    if not loss.isfinite():
        raise TrainingError("the loss is no longer a number; lower --learning-rate. The best checkpoint so far is kept")
    training.accelerator.backward(loss)
    if training.accelerator.sync_gradients and training.recipe.optimizer.clip_norm:
        training.accelerator.clip_grad_norm_(training.network.parameters(), training.recipe.optimizer.clip_norm)
    training.optimiser.step()
    training.optimiser.zero_grad()
    return loss.item()


def _loss(training: TrainingSetup, output: Any, batch: TrainingBatch) -> Float[Tensor, ""]:
    """That of the labels, and for its share that of what the teacher says."""
    task, recipe, teacher = training.task, training.recipe, training.teacher
    loss = task.loss(output, batch.target, recipe.loss)
    if teacher is None:
        return loss
    taught = task.loss(output, teacher.predict_target(batch), recipe.loss)
    return (1.0 - recipe.teacher_weight) * loss + recipe.teacher_weight * taught


def _draw(training: TrainingSetup, course: TrainingState) -> TrainingBatch:
    started_s = time.monotonic()
    batch = training.data.scenes.draw(training.recipe.run.batch_size)
    course.waited_s += time.monotonic() - started_s
    return replace(batch.to(training.device), logmel_encoders=training.data.logmel_encoders)


@contextmanager
def _catch_out_of_memory() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise TrainingError(
                "memory ran out; take a smaller --batch, and --set run.accumulate_steps=2 to make up for it. "
                "The best checkpoint so far is kept"
            ) from error
        raise


def _validate(training: TrainingSetup, course: TrainingState) -> EvaluatedScores:
    """Validates the mean of the weights and keeps it as a checkpoint; all processes learn of the scores."""
    accelerator, task = training.accelerator, training.task
    shared: list[EvaluatedScores | None] = [None]
    if training.data.validation is not None:
        shared = [
            score_network(task, training.average.network, training.data.validation, training.data.logmel_encoders)
        ]
    if accelerator.num_processes > 1:
        broadcast_object_list(shared)
    scores = shared[0]
    assert scores is not None
    better = _is_best(find_criterion(task), scores, course)
    course.best, course.stale = (round_scores(scores), 0) if better else (course.best, course.stale + 1)
    if accelerator.is_main_process:
        for folder in [training.out / LAST, *([training.out] if better else [])]:
            _save(training, course, scores, folder)
    return scores


def _is_best(criterion: Score, scores: Scores, course: TrainingState) -> bool:
    """Whether these are the best so far; a score that was not known then is beaten by any number."""
    if course.best is None:
        return True
    return is_better(criterion, scores[criterion.name], course.best.get(criterion.name, math.nan))


def _save(training: TrainingSetup, course: TrainingState, scores: EvaluatedScores, folder: Path) -> None:
    """Writes the mean of the weights as a checkpoint with its card."""
    recipe, network, validation = training.recipe, training.average.network, training.data.validation
    assert validation is not None
    description = {
        "seldfuse": __version__,
        "step": course.step,
        "hours": round(course.elapsed_s / 3600, 2),
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "validation_scenes": len(validation.references),
        "scores": round_scores(scores),
        "absent_classes": [training.labels.names[cls] for cls in scores.coverage.absent],
        "recipe": recipe.to_public_json(),
    }
    settings = {
        "features": list(recipe.features),
        "encoders": training.data.encoders,
        "network": training.network.settings(),
        "training": description,
    }
    save_checkpoint(folder, network, training.task.backend, training.labels, settings)
    write_card(folder, training.task, description, scores.skill)


def _is_out_of_patience(course: TrainingState, recipe: Recipe) -> bool:
    return 0 < recipe.run.patience <= course.stale


def _report(data: TrainingData, reported: set[str], warn: Callable[[str], None]) -> None:
    """Problems turn up as files are read."""
    for problem in data.problems:
        if problem not in reported:
            reported.add(problem)
            warn(problem)


def _progress(training: TrainingSetup, course: TrainingState, loss: float, scores: Scores | None) -> StepReport:
    return StepReport(
        course.step,
        training.recipe.run.steps,
        loss,
        training.optimiser.param_groups[0]["lr"],
        course.elapsed_s,
        course.waited_s / max(course.elapsed_s, 1e-9),
        scores,
    )
