"""A training in stages: each changes some settings of the recipe and begins with the weights that the last one left.

Such as sound alone, then sound and pictures, then real recordings: Berghi and Jackson, DCASE 2025 Task 3.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.checkpoint import CONFIG, WEIGHTS
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically
from seldfuse.train.card import CARD
from seldfuse.train.check import check_trainable
from seldfuse.train.loop import LAST, RECIPE, train_network
from seldfuse.train.progress import StepReport
from seldfuse.train.recipe import Recipe, parse_stage_recipe
from seldfuse.train.recipe_paths import write_recipe
from seldfuse.train.state import STATE
from seldfuse.train.task import TrainingTask
from seldfuse.train.validation import find_criterion


def train_in_stages(
    task: TrainingTask,
    labels: LabelSet,
    recipe: Recipe,
    out: Path,
    device: torch.device,
    report: Callable[[StepReport], None],
    warn: Callable[[str], None],
    resume: bool = False,
) -> dict[str, float]:
    """Train stage after stage in folders of `out`; the last one's best checkpoint then stands in `out` itself.

    With `resume` it goes on in the stage that was broken off. Returns the last stage's scores. Raises UsageError where
    none of the data is for any stage, and what `check_trainable` and `seldfuse.train.loop.train_network` raise.
    """
    check_trainable(recipe, load_registry())
    if not resume and (out / RECIPE).exists():
        raise UsageError(f"a training stands here; go on with --resume, or choose another folder with -o: {out}")
    find_criterion(task)
    due = expand_stages(recipe)
    write_recipe(recipe, out / RECIPE)
    best: dict[str, float] = {}
    before: Path | None = None
    for name, settings in due.items():
        warn(f"stage {name} of {', '.join(due)}")
        folder = out / name
        # Not the best weights: the score may ask for what this stage does not teach.
        settings = replace(settings, init=str((before / LAST).resolve())) if before else settings
        best = train_network(task, labels, settings, folder, device, report, warn, resume=(folder / STATE).exists())
        before = folder
    assert before is not None
    for file in (WEIGHTS, CONFIG, CARD):
        with write_atomically(out / file) as draft:
            shutil.copyfile(before / file, draft)
    return best


def expand_stages(recipe: Recipe) -> dict[str, Recipe]:
    """Make the recipes of the stages that have data to learn from, by the names of their folders.

    Raises UsageError where none has, or where a stage changes what no recipe knows.
    """
    found = {
        f"{number}-{stage.name}": parse_stage_recipe(recipe, stage)
        for number, stage in enumerate(recipe.stages, start=1)
    }
    due = {name: settings for name, settings in found.items() if settings.data}
    if not due:
        raise UsageError("expected data to train on; name it: --data FOLDER, or --data synth --sounds FOLDER")
    return due
