"""A training on a rented machine: parity, scenes, training of several networks at once, checkpoints in pieces."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.gpu.pack import unpack_sounds
from benchmarks.gpu.parity import compare_posteriors, compare_steps, list_failures
from benchmarks.gpu.pieces import write_pieces
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.registry import CatalogueEntry
from seldfuse.catalogue.values import Backend
from seldfuse.checkpoint import CONFIG, WEIGHTS, list_bundled
from seldfuse.core.labels import DCASE2025
from seldfuse.errors import UsageError
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.json_lines import read_json_lines
from seldfuse.synth.bank import CHUNK
from seldfuse.synth.fill_bank import list_missing, store_chunks
from seldfuse.synth.stored_scenes import list_chunks
from seldfuse.train.card import CARD
from seldfuse.train.data.open import open_supply
from seldfuse.train.loop import RECIPE
from seldfuse.train.progress import LOG
from seldfuse.train.recipe import SYNTH, Recipe, apply_assignments, parse_recipe, read_preset, read_table
from seldfuse.train.state import STATE

Tell = Callable[[str], None]

PARITY = "parity.json"
SPEED = "speed.json"

TRIAL_STEPS = 200
SKIPPED_STEPS = 50
"""The first steps choose kernels and fill caches, and say nothing about the speed."""

LOG_S = 0.1
"""Resolution of a training's log."""

TRAINED_SHARE = 0.8
"""Of the time that is left: the rest goes to starting, validating and saving."""

SPARE_S = 20.0
"""For the checkpoints, before the command must be over."""

VALIDATIONS = 5

SENT = (WEIGHTS, CONFIG, CARD, LOG, RECIPE)


@dataclass(frozen=True)
class RemoteTrainingSettings:
    """What is to be done in one call.

    `work` is a folder of the machine, from which a second call there goes on; `out` takes what travels back. Scenes
    are rendered for `render_s` seconds, `scenes` of them at most. `steps` 0 takes as many as the time allows. A network
    starts from the folder of its name in `init`, where there is one. `recipes` may hold NAME.toml for a network, in
    place of its preset `small`; `assign` are settings as for `seldfuse train --set`.
    """

    sounds: Path
    work: Path
    out: Path
    networks: tuple[str, ...] = ("doa", "sde", "sce")
    device: str = "cuda"
    minutes: float = 9.0
    render_s: float = 90.0
    scenes: int = 24_000
    steps: int = 0
    parity: bool = True
    init: Path | None = None
    recipes: Path | None = None
    assign: tuple[str, ...] = ()
    jobs: int = os.cpu_count() or 1


class Leg(NamedTuple):
    """A training that is to be started or gone on with: its folder, and its command line."""

    folder: Path
    command: list[str]


def train_remotely(settings: RemoteTrainingSettings, tell: Tell) -> list[Path]:
    """Do everything in order; return what is to travel back, which stands in `out`.

    Raises UsageError where the device differs from the processor, where the pack is none, or nothing was trained.
    """
    deadline_s = time.monotonic() + 60.0 * settings.minutes - SPARE_S
    if settings.parity:
        check_parity(settings, tell)
    recipes = make_recipes(settings)
    scenes = fill_bank(settings, recipes, tell)
    recipes = {name: _change(recipe, "synth", scenes=scenes) for name, recipe in recipes.items()}
    steps = count_steps(settings, recipes, deadline_s)
    legs = {name: prepare_leg(settings, name, recipe, steps[name]) for name, recipe in recipes.items()}
    tell(f"training {', '.join(f'{name} for {steps[name]} steps' for name in legs)}")
    run_together({name: leg.command for name, leg in legs.items()}, settings, deadline_s)
    return send_back(settings, legs, tell)


def check_parity(settings: RemoteTrainingSettings, tell: Tell) -> None:
    """Compare the device with the processor, and write what differs. Raises UsageError where it is too much."""
    backends = list_backends(load_registry().backends)
    posteriors = compare_posteriors(backends, settings.device)
    steps = compare_steps(backends, settings.device)
    text = json.dumps({"posteriors": posteriors, "steps": steps}, indent=2)
    with write_atomically(settings.out / PARITY) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    failures = list_failures(posteriors, steps)
    if failures:
        raise UsageError(f"{settings.device} does not compute what the processor does: {'; '.join(failures)}")
    tell(f"{settings.device} computes what the processor does, in {', '.join(posteriors)}")


def list_backends(entries: Mapping[str, CatalogueEntry[Backend]]) -> list[str]:
    """List the backends whose bundled checkpoint is here."""
    there = list_bundled()
    return [name for name, entry in entries.items() if entry.value.default_checkpoint in there]


def make_recipes(settings: RemoteTrainingSettings) -> dict[str, Recipe]:
    """Make the recipe of each network, on the sounds and scenes of this machine. Raises UsageError."""
    return {name: _make_recipe(settings, name) for name in settings.networks}


def _make_recipe(settings: RemoteTrainingSettings, name: str) -> Recipe:
    own = settings.recipes / f"{name}.toml" if settings.recipes else None
    if own is not None and own.exists():
        table = read_table(own)
    else:
        reference = load_registry().find_backend(name).value.task
        if reference is None:
            raise UsageError(f"expected networks that can be trained, got {name!r}")
        table = read_preset(load_reference(reference).recipes, "small")
    sounds = unpack_sounds(settings.sounds, settings.work / "sounds")
    places = {"sounds": str(sounds.resolve()), "scene_bank": str((settings.work / "scenes").resolve())}
    table = apply_assignments(table, settings.assign)
    table["synth"] = {**table.get("synth", {}), **places}
    return parse_recipe({**table, "data": [{"source": SYNTH}]})


def fill_bank(settings: RemoteTrainingSettings, recipes: Mapping[str, Recipe], tell: Tell) -> int:
    """Render scenes with all features that some network takes; return how many there are, in whole chunks."""
    first = next(iter(recipes.values()))
    features = tuple(dict.fromkeys(name for recipe in recipes.values() for name in recipe.features))
    whole = replace(first, features=features)
    supplies = [open_supply(whole, DCASE2025, torch.device("cpu"), side) for side in ("held", "train")]
    chunks = list_chunks(settings.scenes)
    # Those that validate come first: training does not begin without them.
    due = list_missing(supplies, [range(-(-first.synth.validation_scenes // CHUNK)), chunks])
    started_s = time.monotonic()
    with closing(store_chunks(supplies, due, settings.jobs)) as stored:
        for order in stored:
            if order.supply and time.monotonic() - started_s > settings.render_s:
                break
    there = next((number for number in chunks if not supplies[1].find_file(number).exists()), chunks.stop)
    scenes = min(settings.scenes, (there - chunks.start) * CHUNK)
    tell(f"{scenes} scenes to learn from, {time.monotonic() - started_s:.0f} s of rendering")
    return scenes


def count_steps(settings: RemoteTrainingSettings, recipes: Mapping[str, Recipe], deadline_s: float) -> dict[str, int]:
    """Count the steps that each network can take until the deadline, all of them at once."""
    if settings.steps:
        return dict.fromkeys(recipes, settings.steps)
    path = settings.work / SPEED
    if not path.exists():
        speeds = _time_steps(settings, recipes, deadline_s)
        with write_atomically(path) as draft:
            draft.write_text(json.dumps(speeds) + "\n", encoding="utf-8")
    step_s = json.loads(path.read_text(encoding="utf-8"))
    left_s = TRAINED_SHARE * (deadline_s - time.monotonic())
    return {name: max(1, int(left_s / step_s[name])) for name in recipes}


def _time_steps(settings: RemoteTrainingSettings, recipes: Mapping[str, Recipe], deadline_s: float) -> dict[str, float]:
    """Measure the seconds of a step of each network by a short training of all of them."""
    folders = {name: settings.work / "trial" / name for name in recipes}
    commands = {}
    for name, recipe in recipes.items():
        short = _change(recipe, "run", steps=TRIAL_STEPS, validate_every=TRIAL_STEPS)
        short = _change(short, "synth", validation_scenes=CHUNK)
        commands[name] = _start_command(settings, name, short, folders[name])
    run_together(commands, settings, deadline_s)
    return {name: _read_step_s(folder / LOG, settings.work / f"{name}.txt") for name, folder in folders.items()}


def _read_step_s(log: Path, said: Path) -> float:
    if not log.exists():
        raise UsageError(f"the training did not begin; see what it said: {said}")
    elapsed_s = [line.value["elapsed_s"] for line in read_json_lines(log, torn="skip")]
    if len(elapsed_s) < TRIAL_STEPS:
        raise UsageError(f"expected {TRIAL_STEPS} steps, got {len(elapsed_s)}; see what the training said: {said}")
    # The last step is validated, too. The log counts tenths of a second, which a few quick steps do not fill.
    return max(LOG_S, float(elapsed_s[-2] - elapsed_s[SKIPPED_STEPS])) / (TRIAL_STEPS - 2 - SKIPPED_STEPS)


def prepare_leg(settings: RemoteTrainingSettings, name: str, recipe: Recipe, steps: int) -> Leg:
    """Prepare the next leg of a network, or the rest of one that was broken off.

    A new leg starts from the best weights of the one before; the first one from `init`, or as its recipe has it.
    """
    runs = settings.work / "runs" / name
    before = sorted(runs.glob("leg-*"))
    if before and not _is_finished(before[-1]):
        if (before[-1] / STATE).exists():
            return Leg(before[-1], _make_command(name, "--resume", "-o", str(before[-1])) + _device(settings))
        before.pop()
    given = settings.init / name if settings.init else None
    start = before[-1] if before else given if given is not None and given.exists() else None
    folder = runs / f"leg-{len(before) + 1:02}"
    recipe = _change(recipe, "run", steps=steps, epochs=0, validate_every=max(1, steps // VALIDATIONS))
    recipe = replace(recipe, init=str(start.resolve())) if start else recipe
    return Leg(folder, _start_command(settings, name, recipe, folder))


def _is_finished(folder: Path) -> bool:
    if not (folder / LOG).exists() or not (folder / WEIGHTS).exists():
        return False
    lines = [line.value for line in read_json_lines(folder / LOG, torn="skip")]
    return bool(lines) and lines[-1]["step"] == lines[-1]["steps"]


def _start_command(settings: RemoteTrainingSettings, name: str, recipe: Recipe, folder: Path) -> list[str]:
    path = settings.work / "recipes" / f"{name}.toml"
    with write_atomically(path) as draft:
        draft.write_text(recipe.to_toml(), encoding="utf-8")
    return _make_command(name, "--recipe", str(path), "-o", str(folder)) + _device(settings)


def _make_command(name: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "seldfuse", "train", name, *more]


def _device(settings: RemoteTrainingSettings) -> list[str]:
    return ["--device", settings.device]


def run_together(commands: Mapping[str, Sequence[str]], settings: RemoteTrainingSettings, deadline_s: float) -> None:
    """Run commands at once, and end those that are not over at the deadline; what they say goes to NAME.txt."""
    threads = str(max(1, settings.jobs // len(commands)))
    started = {}
    for name, command in commands.items():
        with (settings.work / f"{name}.txt").open("a", encoding="utf-8") as said:
            started[name] = subprocess.Popen(
                command, stdout=said, stderr=said, env={**os.environ, "OMP_NUM_THREADS": threads}
            )
    for process in started.values():
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()


def send_back(settings: RemoteTrainingSettings, legs: Mapping[str, Leg], tell: Tell) -> list[Path]:
    """Write the best checkpoints in pieces. Raises UsageError where there is none."""
    found = {name: leg.folder for name, leg in legs.items() if (leg.folder / WEIGHTS).exists()}
    for name in legs.keys() - found.keys():
        tell(f"no checkpoint of {name}; see what its training said: {settings.work / f'{name}.txt'}")
    if not found:
        raise UsageError(f"nothing was trained; see what the trainings said: {settings.work}")
    files = {f"{name}/{file}": folder / file for name, folder in found.items() for file in SENT}
    return write_pieces({name: path for name, path in files.items() if path.exists()}, settings.out)


def _change(recipe: Recipe, section: str, **values: object) -> Recipe:
    """Return a recipe with other values in a section."""
    table = recipe.to_json()
    return parse_recipe({**table, section: {**table[section], **values}})
