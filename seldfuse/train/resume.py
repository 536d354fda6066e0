"""What of a recipe may change when a training goes on, and what may not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.train.recipe import Recipe, parse_recipe

CHANGEABLE = (
    "run.steps",
    "run.epochs",
    "run.validate_every",
    "run.patience",
    "optimizer.peak_learning_rate",
    "data",
    "labelled",
    "folders.train_folds",
    "folders.validate_folds",
    "synth.sounds",
    "synth.cutouts",
    "synth.backgrounds",
    "synth.scene_bank",
)
"""Settings that a training may go on with: how long and how fast it learns, and from what."""

LENGTH = ("run.steps", "run.epochs")
"""Settings that decide how the stages of a training share its steps, which may not change once it began."""


@dataclass(frozen=True)
class ResumedRecipe:
    """The recipe that a training goes on with; `changes` say what is not as before, old value → new value."""

    recipe: Recipe
    changes: tuple[str, ...]


def resume_recipe(before: Mapping[str, Any], asked: Mapping[str, Any]) -> ResumedRecipe:
    """Take over what may change. Raises UsageError that names everything that may not, and what to type instead.

    Both are tables of recipes: that of the folder, and the same with what was asked for.
    """
    old, new = parse_recipe(before), parse_recipe(asked)
    first, second = _flatten(old.to_json()), _flatten(new.to_json())
    differing = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    fixed = [key for key in differing if key not in CHANGEABLE or (old.stages and key in LENGTH)]
    if fixed:
        raise UsageError(
            f"--resume goes on with the training that stands here, whose {', '.join(fixed)} cannot change; leave "
            "the option out, or begin another training from its weights: --init FOLDER -o OTHER. What can change: "
            f"{', '.join(CHANGEABLE)}, and the device"
        )
    return ResumedRecipe(new, tuple(f"{key} {_show(first.get(key))} → {_show(second.get(key))}" for key in differing))


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their full names, those of tables of tables as one."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping) and not prefix and name not in ("network", "loss", "labels"):
            found |= _flatten(value, f"{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _show(value: Any) -> str:
    if isinstance(value, tuple | list) and all(isinstance(part, Mapping) for part in value):
        return ", ".join(str(part.get("source", part)) for part in value) or "none"
    return f"{value}" if value not in (None, "", (), []) else "none"
