"""`seldfuse train`: teaches a backend."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import LOG_INTERVAL_S, print_line, print_note

if TYPE_CHECKING:
    from seldfuse.catalogue.values import Score
    from seldfuse.train.progress import StepReport


def train(
    backend: Annotated[str, typer.Argument(help="Name of the backend; see `seldfuse plugins`.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="Folder of labelled clips, or synth (random scenes); with =WEIGHT several are mixed."),
    ] = None,
    sounds: Annotated[
        Path | None, typer.Option(help="Isolated sounds for synth: sub-folders named after classes, or manifest.csv.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for checkpoint, card, log and state.")] = None,
    preset: Annotated[str, typer.Option(help="The backend's recipe: small, or base as published.")] = "small",
    recipe: Annotated[Path | None, typer.Option(help="A recipe of your own, TOML, in place of a preset.")] = None,
    init: Annotated[
        str | None, typer.Option(help="Checkpoint to start from: its name, its backend's, its folder, or none.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Audio checkpoint that teaches beside the labels; none takes the recipe's away.")
    ] = None,
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
        bool, typer.Option("--resume", help="Go on with the training that stands in the folder.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole recipe and do nothing.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Train a backend; the best checkpoint ends up in the folder given with -o."""
    from seldfuse.catalogue.host import load_registry
    from seldfuse.core.device import resolve_device
    from seldfuse.core.labels import DCASE2025
    from seldfuse.errors import UsageError
    from seldfuse.train.check import check_trainable
    from seldfuse.train.loop import train_network as train_at_once
    from seldfuse.train.recipe import apply_assignments, parse_recipe, read_table
    from seldfuse.train.recipe import read_preset as of_preset
    from seldfuse.train.stages import train_in_stages
    from seldfuse.train.task import GuardedTask
    from seldfuse.train.validation import find_criterion

    value = load_registry().find_backend(backend).value
    if value.task is None:
        raise UsageError(f"the backend {value.name} cannot be trained here: its plugin brings no trainer")
    task = GuardedTask(load_registry().backends[value.name])
    out = out or Path("runs") / f"{value.name}-{recipe.stem if recipe else preset}"
    if resume:
        table = read_table(out / "recipe.toml")
    else:
        table = apply_assignments(read_table(recipe) if recipe else of_preset(task.recipes, preset), assign or [])
        given: dict[str, dict[str, Any]] = {
            "run": {"steps": steps, "batch_size": batch, "seed": seed},
            "optimizer": {"peak_learning_rate": learning_rate},
            "synth": {
                "sounds": sounds and str(sounds.resolve()),
                "cutouts": sprites and str(sprites.resolve()),
                "scene_bank": bank and str(bank.resolve()),
                "exclude_sources": exclude_sources and [name.strip() for name in exclude_sources.split(",")],
            },
        }
        for section, values in given.items():
            if not isinstance(table.get(section, {}), dict):
                raise UsageError(
                    f"{section} of a recipe must be a table, as in [{section}], got {table[section]!r:.60}"
                )
            table.setdefault(section, {}).update({name: value for name, value in values.items() if value is not None})
        if init is not None:
            table["init"] = _name_checkpoint(init)
        if teacher is not None:
            table["teacher"] = _name_checkpoint(teacher)
        if data:
            table["data"] = [_part(text) for text in data]
    resolved = parse_recipe(table)
    check_trainable(resolved, load_registry())
    if dry_run:
        print_line(resolved.to_toml(), end="")
        return
    learn = train_in_stages if resolved.stages else train_at_once
    best = learn(task, DCASE2025, resolved, out, resolve_device(device), _StepPrinter(), print_note, resume)
    criterion = find_criterion(task)
    print_note(f"best by {_format(criterion, best)} ({criterion.meaning}); wrote {out}")


def _name_checkpoint(text: str) -> str:
    """Name the checkpoint that is meant: `none` is no checkpoint, a backend is the one that ships with it.

    Recipes state the checkpoint itself, for that of a backend may change. A folder of the same name goes first.
    """
    from seldfuse.catalogue.host import load_registry

    if text == "none":
        return ""
    backends = load_registry().backends.values()
    shipped = next((entry.value.default_checkpoint for entry in backends if entry.matches(text)), None)
    return text if shipped is None or Path(text).is_dir() else shipped


def _part(text: str) -> dict[str, Any]:
    """`FOLDER`, `synth`, or either with `=WEIGHT`."""
    source, equals, weight = text.rpartition("=")
    try:
        return {"source": source, "weight": float(weight)} if equals else {"source": text}
    except ValueError:
        return {"source": text}


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
