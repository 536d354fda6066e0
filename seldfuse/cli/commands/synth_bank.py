"""`seldfuse synth bank`: scenes to train on, rendered ahead."""

import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from seldfuse.cli.clip_counter import ClipCounter
from seldfuse.cli.console import print_note, show_progress
from seldfuse.core.labels import DCASE2025
from seldfuse.interruption import say_stopped
from seldfuse.storage.text import format_count


def fill_scene_bank(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the scenes.", show_default=False)],
    sounds: Annotated[
        Path,
        typer.Option(help="Isolated sounds: sub-folders named after classes, or manifest.csv."),
    ],
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes of 5 s to learn from.", show_default=False)],
    features: Annotated[
        str, typer.Option(help="Features to store, such as logmel,direct; a training may take some of them.")
    ] = "logmel,direct",
    seed: Annotated[int, typer.Option(min=0, help="Makes the scenes repeatable; that of the training.")] = 12332,
    validation_scenes: Annotated[
        int, typer.Option(min=1, help="Number of scenes that validate, from sounds that are held out.")
    ] = 320,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting of the recipe that scenes depend on, such as synth.class_balance=0.5."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Render random scenes into a folder, from which trainings draw them again and again.

    The same command goes on where it was stopped; with more --scenes it adds some. What must be as in the training's
    recipe: the sounds, the seed, synth.class_balance and synth.procedural_sounds.
    """
    import torch

    from seldfuse.catalogue.host import load_registry
    from seldfuse.synth.bank import CHUNK
    from seldfuse.synth.fill_bank import list_missing, store_chunks
    from seldfuse.synth.stored_scenes import list_chunks
    from seldfuse.train.check import check_features
    from seldfuse.train.data.open import open_supply
    from seldfuse.train.recipe import apply_assignments, parse_recipe

    names = [name.strip() for name in features.split(",") if name.strip()]
    table = {
        "features": names,
        "network": {},
        "run": {"seed": seed},
        "synth": {"sounds": str(sounds.resolve()), "scene_bank": str(out.resolve())},
    }
    recipe = parse_recipe(apply_assignments(table, assign or []))
    # Before a card names them.
    check_features(recipe.features, load_registry())
    supplies = [open_supply(recipe, DCASE2025, torch.device("cpu"), side) for side in ("train", "held")]
    due = list_missing(supplies, [list_chunks(scenes), range(-(-validation_scenes // CHUNK))])
    counter = ClipCounter(len(due) * CHUNK, fail_fast=True)
    stored = store_chunks(supplies, due, min(jobs or os.cpu_count() or 1, len(due) or 1))
    try:
        with show_progress(counter.to_table, counter.to_line), closing(stored):
            for _ in stored:
                counter.made += CHUNK
    except KeyboardInterrupt:
        say_stopped("the same command goes on from here")
        raise
    if counter.made:
        print_note(f"made {format_count(counter.made, 'scene')} in {counter.spent_s:.0f} s, {counter.speed}")
    print_note(f"the folder holds {format_count(scenes, 'scene')} to learn from and {validation_scenes} that validate")
    options = " ".join(f"--set {shlex.quote(text)}" for text in (*(assign or ()), f"synth.scenes={scenes}"))
    print_note(
        f"to train on them: seldfuse train sce --data synth --sounds {shlex.quote(str(sounds))} "
        f"--bank {shlex.quote(str(out))} --seed {seed} {options}"
    )
