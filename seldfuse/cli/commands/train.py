"""`seldfuse train`: teaches a backend."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import LOG_INTERVAL_S, print_line, print_note
from seldfuse.cli.force import Force
from seldfuse.cli.labels import Labels

if TYPE_CHECKING:
    from seldfuse.catalogue.values import Score
    from seldfuse.train.progress import StepReport
    from seldfuse.train.recipe import Recipe

DEFAULT = "small"
"""The preset that is meant where none is named."""

SECTIONS = ("run", "optimizer", "synth")
"""Tables of a recipe in which options set single keys."""


def train(
    backend: Annotated[str, typer.Argument(help="Name of the backend; see `seldfuse plugins`.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help='Folder of labelled clips, or synth (random scenes); with =WEIGHT several are mixed, as in "a=b"=2.'
        ),
    ] = None,
    sounds: Annotated[
        Path | None, typer.Option(help="Isolated sounds for synth: sub-folders named after classes, or manifest.csv.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for checkpoint, card, log and state.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="The backend's recipe: small, or base as published.", show_default=DEFAULT)
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe of your own, TOML, in place of a preset.")] = None,
    init: Annotated[
        str | None, typer.Option(help="Checkpoint to start from: its name, its backend's, its folder, or none.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Audio checkpoint that teaches beside the labels; none takes the recipe's away.")
    ] = None,
    labels: Labels = None,
    sprites: Annotated[Path | None, typer.Option(help="Cut-outs for the pictures of synth.")] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Folder that keeps random scenes, for several trainings of one seed.")
    ] = None,
    exclude_sources: Annotated[
        str | None, typer.Option(help="Sources in the manifest of --sounds that are left out, comma-separated.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Number of training steps.")] = None,
    batch: Annotated[int | None, typer.Option(help="Clips of 5 s in a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes scenes and weights repeatable.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of the recipe, such as augment.mixup=0.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the training that stands in the folder; steps, rate and data may change."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole recipe and do nothing.")] = False,
    force: Force = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Train a backend; the best checkpoint ends up in the folder given with -o."""
    from seldfuse.catalogue.host import load_registry
    from seldfuse.checks.findings import refuse
    from seldfuse.core.device import resolve_device
    from seldfuse.core.label_sets import find_labels
    from seldfuse.errors import UsageError
    from seldfuse.storage.quoted import split_quoted
    from seldfuse.train.check import check_trainable
    from seldfuse.train.data.inspect import inspect_recipe
    from seldfuse.train.loop import train_network as train_at_once
    from seldfuse.train.recipe import apply_assignments, parse_recipe
    from seldfuse.train.recipe import read_preset as of_preset
    from seldfuse.train.recipe_paths import read_recipe
    from seldfuse.train.resume import resume_recipe
    from seldfuse.train.stages import train_in_stages
    from seldfuse.train.task import GuardedTask
    from seldfuse.train.validation import find_criterion

    value = load_registry().find_backend(backend).value
    if value.task is None:
        raise UsageError(f"the backend {value.name} cannot be trained here: its plugin brings no trainer")
    task = GuardedTask(load_registry().backends[value.name])
    out = out or Path("runs") / f"{value.name}-{recipe.stem if recipe else preset or DEFAULT}"
    typed = _collect_typed(
        {
            "run": {"steps": steps, "batch_size": batch, "seed": seed},
            "optimizer": {"peak_learning_rate": learning_rate},
            "synth": {
                "sounds": sounds and str(sounds.resolve()),
                "cutouts": sprites and str(sprites.resolve()),
                "scene_bank": bank and str(bank.resolve()),
                "exclude_sources": exclude_sources and split_quoted(exclude_sources, ","),
            },
            "init": None if init is None else _name_checkpoint(init),
            "teacher": None if teacher is None else _name_checkpoint(teacher),
            "data": [_part(text) for text in data] if data else None,
            "labels": labels and find_labels(labels).to_json(),
        }
    )
    if resume:
        if preset or recipe:
            raise UsageError(
                "--resume goes on by the recipe that stands in the folder; leave out --preset and --recipe"
            )
        before = read_recipe(out / "recipe.toml")
        resumed = resume_recipe(before, _overlay(apply_assignments(before, assign or []), typed))
        resolved = resumed.recipe
        for change in resumed.changes:
            print_note(f"goes on with {change}")
    else:
        base = read_recipe(recipe) if recipe else of_preset(task.recipes, preset or DEFAULT)
        resolved = parse_recipe(_overlay(apply_assignments(base, assign or []), typed))
        resolved = _take_labels(resolved, task.backend)
    check_trainable(resolved, load_registry())
    if dry_run:
        print_line(resolved.to_toml(), end="")
        return
    refuse(inspect_recipe(resolved, resolved.make_labels(), print_note), force, print_note, "the data")
    learn = train_in_stages if resolved.stages else train_at_once
    best = learn(
        task, resolved.make_labels(), resolved, out, resolve_device(device), _StepPrinter(), print_note, resume
    )
    criterion = find_criterion(task)
    print_note(f"best by {_format(criterion, best)} ({criterion.meaning}); wrote {out}")


def _collect_typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed of a recipe's settings, without the rest."""
    tables = {name: _collect_typed(value) if name in SECTIONS else value for name, value in given.items()}
    return {name: value for name, value in tables.items() if value is not None and value != {}}


def _overlay(table: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    from seldfuse.errors import UsageError

    for name in SECTIONS:
        if not isinstance(table.get(name, {}), Mapping):
            raise UsageError(f"{name} of a recipe must be a table, as in [{name}], got {table[name]!r:.60}")
    sections = {name: {**table.get(name, {}), **typed[name]} for name in SECTIONS if name in typed}
    return {**table, **typed, **sections}


def _take_labels(recipe: "Recipe", backend: str) -> "Recipe":
    """A training that starts from a checkpoint of other classes learns these, unless it names its own."""
    from seldfuse.checkpoint import open_checkpoint
    from seldfuse.errors import CheckpointError

    if recipe.labels or not recipe.init:
        return recipe
    try:
        theirs = open_checkpoint(recipe.init, backend, of_any=True).labels
    except CheckpointError:
        # It is told where the training opens it.
        return recipe
    if theirs.has_same_classes(recipe.make_labels()):
        return recipe
    print_note(f"the classes are those of {recipe.init}: {theirs.name}; --labels names others")
    return replace(recipe, labels=theirs.to_json())


def _name_checkpoint(text: str) -> str:
    """Name the checkpoint that is meant: `none` is no checkpoint, a backend is the one that ships with it.

    Recipes state the checkpoint itself, for that of a backend may change, and folders from the root on. Raises
    CheckpointError where a name may mean two.
    """
    from seldfuse.catalogue.host import load_registry
    from seldfuse.checkpoint import CONFIG, PREFIX, find_checkpoint, is_path
    from seldfuse.errors import CheckpointError

    if text == "none":
        return ""
    backends = load_registry().backends.values()
    shipped = next((entry.value.default_checkpoint for entry in backends if entry.matches(text)), None)
    if shipped is not None and (Path(text) / CONFIG).is_file():
        raise CheckpointError(
            f"{text!r} is a backend, whose checkpoint is {shipped}, and a folder here; type {PREFIX}{shipped} for the "
            f"former, ./{text} for the latter"
        )
    if shipped is not None:
        return f"{PREFIX}{shipped}"
    found = find_checkpoint(text)
    return str(Path(found).resolve()) if is_path(found) or Path(found).is_dir() else found


def _part(text: str) -> dict[str, Any]:
    """`FOLDER`, `synth`, or either with `=WEIGHT`; a folder with an equals sign in its name is quoted."""
    from seldfuse.storage.quoted import split_quoted

    *parts, last = split_quoted(text, "=")
    try:
        weight = {"weight": float(last)} if parts else {}
    except ValueError:
        parts, weight = [*parts, last], {}
    source = "=".join(parts) if parts else last
    return {"source": source if source == "synth" else str(Path(source).resolve()), **weight}


class _StepPrinter:
    """A printer of the first step, of every validation, and of a step in ten seconds: a log grows as time goes."""

    def __init__(self) -> None:
        self._printed_s = -math.inf

    def __call__(self, progress: "StepReport") -> None:
        now_s = time.monotonic()
        if progress.scores is None and now_s - self._printed_s < LOG_INTERVAL_S and progress.step < progress.steps:
            return
        self._printed_s = now_s
        print_note(_describe_step(progress))


def _describe_step(progress: "StepReport") -> str:
    scores = ""
    if progress.scores is not None:
        from seldfuse.metrics.registered import list_scores

        known = progress.scores.to_dict()
        scores = "; " + ", ".join(_format(score, known) for score in list_scores() if score.name in known)
        scores += f", {progress.scores.coverage.describe_short()}"
    return (
        f"step {progress.step}/{progress.steps}, {progress.step / progress.steps:.0%}, loss {progress.loss:.4f}, "
        f"{_clock(progress.left_s)} left, {progress.waited:.0%} of the time waiting for scenes{scores}"
    )


def _format(score: "Score", values: Mapping[str, float]) -> str:
    from seldfuse.metrics.registered import format_score

    return f"{score.name} {format_score(score, values.get(score.name, math.nan))}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
