"""The training loop."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seldfuse import __version__
from seldfuse.checkpoint import open_checkpoint, save_checkpoint
from seldfuse.errors import SeldfuseError
from seldfuse.labels import LabelSet
from seldfuse.metrics.scores import Scores
from seldfuse.posterior import Posterior
from seldfuse.synth.bank import SceneBank, SceneStream
from seldfuse.synth.draw import Stage
from seldfuse.synth.sounds.procedural import with_procedural
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank
from seldfuse.synth.timelines.statistics import Statistics
from seldfuse.train.card import write_card
from seldfuse.train.schedule import tri_stage
from seldfuse.train.task import Task
from seldfuse.train.validation import Validation

CLIP_NORM = 1.0
EVENNESS = 0.8
"""Real recordings are mostly speech; scores count every class alike."""

MADE_UP = 4
"""Procedural sounds for each class that has few recordings."""

SAMPLE = 256
"""Scenes from which the features' means and deviations are estimated."""

LOG = "log.jsonl"


class TrainingError(SeldfuseError):
    """The training itself went wrong."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out, apart from the sounds.

    The bank starts with `bank_scenes`; each scene is drawn `reuse` times on average.
    """

    preset: str = "small"
    steps: int = 1000
    batch: int = 32
    peak_learning_rate: float = 1e-3
    bank_scenes: int = 640
    reuse: int = 5
    validation_scenes: int = 320
    validate_every: int = 200
    seed: int = 12332
    init: str | None = None
    """Checkpoint, of whatever backend, whose fitting weights the training starts from."""


@dataclass(frozen=True)
class Progress:
    """Where the training stands; `scores` is there when it has just been validated."""

    step: int
    steps: int
    loss: float
    elapsed_s: float
    scores: Scores | None = None


def train(
    task: Task,
    labels: LabelSet,
    sounds: Path,
    out: Path,
    recipe: Recipe,
    device: torch.device,
    watch: Callable[[Progress], None],
) -> Scores:
    """Trains on random scenes from a sound folder; the best checkpoint by the task's criterion stands in `out`.

    A fifth of the speakers and recordings of each class is kept for validation. `watch` hears of every step.
    Raises UsageError or MediaError for unusable sounds, TrainingError where the loss is no longer a number.
    """
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    network, features = task.build(recipe.preset, labels)
    stage = _stage(with_procedural(load_bank(sounds, labels, held_out=False), MADE_UP))
    validation = Validation(
        _stage(load_bank(sounds, labels, held_out=True)), features, recipe.validation_scenes, recipe.seed + 1, device
    )
    if recipe.init is not None:
        open_checkpoint(recipe.init, task.backend, of_any=True).start(network)
    out.mkdir(parents=True, exist_ok=True)
    best: Scores | None = None
    with _scenes(stage, features, recipe, device) as scenes, (out / LOG).open("w", encoding="utf-8") as log:
        inputs, truth = scenes.draw(min(SAMPLE, recipe.bank_scenes))
        _set_statistics(network, inputs)
        labels = labels.with_typical_distances(_typical_distances(truth, labels))
        network.to(device).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.peak_learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: tri_stage(step / recipe.steps))
        for step in range(1, recipe.steps + 1):
            inputs, truth = scenes.draw(recipe.batch)
            loss = _step(task, network, optimizer, inputs.to(device), truth.to(device))
            schedule.step()
            scores = None
            if step % recipe.validate_every == 0 or step == recipe.steps:
                scores = validation.score(task, network)
                if best is None or getattr(scores, task.criterion) > getattr(best, task.criterion):
                    best = scores
                    settings = _settings(network, features, recipe, step, scores)
                    save_checkpoint(out, network, task.backend, labels, settings)
                    write_card(out, task, settings)
            progress = Progress(step, recipe.steps, loss, time.monotonic() - started, scores)
            log.write(json.dumps(_record(progress)) + "\n")
            log.flush()
            watch(progress)
    assert best is not None
    return best


def _stage(sounds: SoundBank) -> Stage:
    return Stage(sounds, Statistics.load(), EVENNESS)


def _scenes(
    stage: Stage, features: tuple[str, ...], recipe: Recipe, device: torch.device
) -> AbstractContextManager[SceneBank | SceneStream]:
    if device.type == "cuda":
        return nullcontext(SceneStream(stage, features, recipe.seed, str(device)))
    return SceneBank(stage, features, recipe.seed, first=max(recipe.bank_scenes, recipe.batch), reuse=recipe.reuse)


def _step(task: Task, network: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, truth: Posterior) -> float:
    loss = task.loss(network, inputs, truth)
    if not loss.isfinite():
        raise TrainingError("the loss is no longer a number; lower --learning-rate. The best checkpoint so far is kept")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
    optimizer.step()
    return loss.item()


def _set_statistics(network: Any, features: Tensor) -> None:
    values = features.float().cpu()
    network.trunk.set_statistics(values.mean(dim=(0, 2)), values.std(dim=(0, 2)))


def _typical_distances(truth: Posterior, labels: LabelSet) -> list[float]:
    assert truth.distance is not None
    found = []
    for cls, label in enumerate(labels.classes):
        heard = truth.distance[:, :, cls][truth.activity[:, :, cls] > 0]
        found.append(round(heard.median().item(), 2) if len(heard) else label.typical_distance_m)
    return found


def _settings(network: Any, features: tuple[str, ...], recipe: Recipe, step: int, scores: Scores) -> dict[str, Any]:
    return {
        "features": list(features),
        "network": network.settings(),
        "training": {"seldfuse": __version__, "step": step, **asdict(recipe), "scores": _plain(scores)},
    }


def _plain(scores: Scores) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores.known().items()}


def _record(progress: Progress) -> Mapping[str, Any]:
    return {
        **vars(progress),
        "loss": round(progress.loss, 6),
        "elapsed_s": round(progress.elapsed_s, 1),
        "scores": _plain(progress.scores) if progress.scores else None,
    }
