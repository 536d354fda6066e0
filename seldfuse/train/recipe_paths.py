"""Paths in recipes: absolute while a training runs, relative to the recipe on disk, so that folders can move
together."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from seldfuse.checkpoint import is_path
from seldfuse.errors import UsageError
from seldfuse.settings.aliases import RECIPE, rename_typed_keys
from seldfuse.settings.toml import MOST_CHARACTERS
from seldfuse.storage.atomic import write_atomically
from seldfuse.train.recipe import SYNTH, Recipe, read_table

FOLDERS = ("sounds", "cutouts", "backgrounds", "scene_bank")
"""The settings of [synth] that are folders."""


def read_recipe(path: Path) -> dict[str, Any]:
    """Read the table of a recipe's file, whose relative paths are from the file's folder on.

    Where nothing is there, they are from the current folder on, as older versions had it. Raises UsageError.
    """
    folder = path.parent.resolve()

    def resolve(text: str) -> str:
        there = folder / text
        try:
            return str(there.resolve() if there.exists() or not Path(text).exists() else Path(text).resolve())
        except (OSError, ValueError) as error:
            raise UsageError(f"expected a path, got {text!r:.{MOST_CHARACTERS}}: {path}") from error

    return _map_paths(rename_typed_keys(read_table(path), RECIPE), resolve)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe that `read_recipe` reads, wherever its folder is moved together with those that it names."""
    with write_atomically(path) as draft:
        draft.write_text(tomli_w.dumps(make_portable(recipe.to_json(), path.parent)), encoding="utf-8")


def make_portable(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a recipe's table with paths relative to a folder, unless they have nothing but the root in common."""
    folder = folder.resolve()

    def shorten(text: str) -> str:
        path = Path(text)
        if not path.is_absolute() or len(Path(os.path.commonpath([path, folder])).parts) < 2:
            return text
        short = os.path.relpath(path, folder)
        # With a separator, so that it is a path whatever checkpoints are called.
        return short if os.sep in short else os.path.join(".", short)

    return _map_paths(table, shorten)


def _map_paths(table: Mapping[str, Any], function: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(table)
    if isinstance(table.get("synth"), Mapping):
        synth = dict(table["synth"])
        changed["synth"] = synth | {key: function(synth[key]) for key in FOLDERS if synth.get(key)}
    if isinstance(table.get("data"), list | tuple):
        changed["data"] = [_map_part(part, function) for part in table["data"]]
    for key in ("init", "teacher"):
        if isinstance(table.get(key), str) and is_path(table[key]):
            changed[key] = function(table[key])
    return changed


def _map_part(part: Any, function: Callable[[str], str]) -> Any:
    if not isinstance(part, Mapping) or not isinstance(part.get("source"), str) or part["source"] == SYNTH:
        return part
    return {**part, "source": function(part["source"])}
