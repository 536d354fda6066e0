"""Three classes of one's own, cut out of the musical instruments: a head for them from the bundled checkpoint.

Speech stays, by its name. Groups of sounds to train and to judge by have different players and recordings.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.train.data.open import open_data
from seldfuse.train.data.source import ProcessShare
from seldfuse.train.loop import train_network
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse.train.validation import score_network


@dataclass(frozen=True)
class OwnClass:
    """The groups of the soundbank's musical instruments that are a class: those that train, and those that judge."""

    train: tuple[str, ...]
    held: tuple[str, ...]


CLASSES: Mapping[str, OwnClass] = {
    "piano": OwnClass(
        (
            "001-acoustic-grand-piano", "ambi-piano", "headroom-piano", "piano-1", "piano01.ogg", "piano02.ogg",
            "salamander-piano", "yamaha-grand-piano", "e-piano-1",
        ),
        ("002-bright-acoustic-piano", "acoustic-brite-piano", "acoustic-grand-piano", "piano", "piano.ogg"),
    ),
    "guitar": OwnClass(
        (
            "026-acoustic-guitar-steel", "clean-guitar", "guitar-mutes", "guitar.ogg", "jazz-guitar",
            "latin_guitar02.ogg", "nylon-guitar", "nylon-string-guitar", "steel-guitar", "overdriven-guitar",
        ),
        ("guit", "guitar_44k.wav", "latin_guitar01.ogg", "palm-muted-guitar", "steel_guitar_heavy_distorted01.ogg"),
    ),
    "drums": OwnClass(
        (
            "bass-drum", "drum-snare", "drum-tom", "floortom", "kick", "snare-2", "snare_drum.ogg", "tom-a", "tom-low",
            "vp-snare", "vp-kick", "drum-f-tom-l", "bassdrum-4mics-b-stereo", "concert-bass-drum", "drum-bass",
            "drum-brush-snr", "drum-heavy-kick", "drum-low-studio", "drum-m-tom-l", "drum-md-studio", "drum-piccolo",
            "drum-power-bass-drum", "drum-power-snare", "drum-rmpwr", "drum-sml-snare-l", "drum-snr", "jsnare",
            "pearlkick", "pearlsnare", "pearltom", "rsnare", "snare", "snareoff", "tenor-drum", "tom", "tom-hi",
            "vp-tom-low", "vp-tom-mid",
        ),
        ("drum-std-kick", "drum-tom-floor", "marching-snare", "snare-roll", "tom-mid", "tomlow"),
    ),
}  # fmt: skip
"""At least eight groups to train and three held out each."""

KEPT = ("female_speech", "male_speech")

LABELS = LabelSet(
    "band",
    (
        *(DCASE2025.classes[DCASE2025.index(name)] for name in KEPT),
        *(Label(name, name.capitalize()) for name in CLASSES),
    ),
)


def write_sounds(soundbank: Path, folder: Path) -> Path:
    """Write a folder whose manifest names the sounds of the five classes, which lie in the soundbank."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "bank"
    if not link.exists():
        link.symlink_to(soundbank.resolve())
    with (soundbank / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [made for row in csv.DictReader(file) if (made := _convert(row))]
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["class", "source", "group", "path", "side"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _convert(row: Mapping[str, str]) -> dict[str, str] | None:
    """The line of a sound of one of the classes; None for the others."""
    name, side = row["class"], row["side"]
    if name == "musical_instrument":
        groups = {cls: vars(own).get(side, ()) for cls, own in CLASSES.items()}
        name = next((cls for cls, some in groups.items() if row["group"] in some), "")
    if name not in LABELS.names:
        return None
    return {**{key: row[key] for key in ("source", "group", "side")}, "class": name, "path": f"bank/{row['path']}"}


def make_recipe(sounds: Path, steps: int) -> Recipe:
    """Make the recipe that starts from the bundled sce."""
    task: Any = load_reference(str(load_registry().find_backend("sce").value.task))()
    table = read_preset(task.recipes, "medium")
    table["run"] = {**table.get("run", {}), "steps": steps, "validate_every": max(1, steps // 4), "batch_size": 16}
    table["optimizer"] = {**table.get("optimizer", {}), "peak_learning_rate": 5e-4}
    table["synth"] = {**table.get("synth", {}), "sounds": str(sounds), "class_balance": 1.0, "validation_scenes": 160}
    return parse_recipe({**table, "init": "bundled:sce-medium", "data": [{"source": "synth"}]})


def measure(soundbank: Path, work: Path, steps: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train, and score class by class on scenes of held-out groups: F of class before, of what is known, and after."""
    task: Any = load_reference(str(load_registry().find_backend("sce").value.task))()
    recipe = make_recipe(write_sounds(soundbank, work / "sounds"), steps)
    cpu = torch.device("cpu")
    best = train_network(
        task, LABELS, recipe, work / "run", cpu, lambda step: tell(f"step {step.step} of {step.steps}"), tell
    )
    data = open_data(recipe, LABELS, ProcessShare(), cpu)
    assert data.validation is not None
    after = _score(task, work / "run", data)
    before = _score(task, "bundled:sce-medium", data)
    data.scenes.close()
    return {"steps": steps, "best": best, "before": before, "after": after}


def _score(task: Any, reference: str | Path, data: Any) -> dict[str, float]:
    from seldfuse.checkpoint import open_checkpoint
    from seldfuse.train.initialize import copy_weights

    opened = open_checkpoint(str(reference), "sce")
    settings = opened.config["network"]
    network = task.build(settings, LABELS)
    copy_weights(network, opened, tuple(opened.config["features"]), LABELS, lambda labels: task.build(settings, labels))
    scores = score_network(task, network.eval(), data.validation, data.logmel_encoders)
    names: Sequence[str] = LABELS.names
    return dict(zip(names, map(float, scores.classes["f_class"]), strict=True))
