"""From what a recipe says of its data to scenes that train and scenes that validate."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from seldfuse.errors import UsageError
from seldfuse.features.encoders.reference import opened_encoder
from seldfuse.labels import LabelSet
from seldfuse.synth.bank import Supply
from seldfuse.synth.draw import Stage
from seldfuse.synth.pictures.backdrop import load_backdrops
from seldfuse.synth.pictures.sprites import load_sprites
from seldfuse.synth.sounds.procedural import with_procedural
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import Statistics
from seldfuse.train.data.folder import FolderScenes, FolderValidation
from seldfuse.train.data.looks import Looks
from seldfuse.train.data.mixture import Mixture
from seldfuse.train.data.pairs import Pair, find_pairs, split_pairs
from seldfuse.train.data.random import RandomScenes
from seldfuse.train.data.source import Share, Source
from seldfuse.train.recipe import SYNTH, Recipe
from seldfuse.train.validation import RandomValidation, Validation

NO_VALIDATION = "no clip of a validation fold is here: scores are those on the training clips themselves"


@dataclass(frozen=True)
class Data:
    """What a training learns from and is judged by; `windows` is how many windows of 5 s the folders hold.

    Of several processes the first one judges; the others have no validation. `encoders` are those whose tokens the
    batches hold, with their versions.
    """

    scenes: Source
    validation: Validation | None
    windows: int
    found: tuple[str, ...]
    folders: tuple[FolderScenes | FolderValidation, ...]
    encoders: Mapping[str, str] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What is odd about the data, as far as it has been read."""
        return list(dict.fromkeys([*self.found, *(text for folder in self.folders for text in folder.problems)]))


@dataclass
class _Clips:
    """The clips of all folders together, by what they are for."""

    training: list[Pair] = field(default_factory=list)
    validating: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def open_data(recipe: Recipe, labels: LabelSet, share: Share, device: torch.device) -> Data:
    """Opens every place that the recipe names.

    The folders' validation folds validate; where there is none, random scenes from sounds that were held out, and where
    no random scenes train either, the training clips themselves. Raises UsageError where a place is missing, empty or
    mislabelled, MediaError for sounds that cannot be read.
    """
    if not recipe.data:
        raise UsageError("expected data to train on; name it: --data FOLDER, or --data synth --sounds FOLDER")
    clips = _Clips()
    opened: list[Source] = []
    for part in recipe.data:
        if part.source == SYNTH:
            supply = _supply(recipe, labels, device, held_out=False)
            on_hand = max(recipe.synth.on_hand, recipe.run.batch)
            opened.append(RandomScenes(supply, on_hand, recipe.synth.uses, share, device))
        else:
            opened.append(_folder(Path(part.source), clips, recipe, labels, share, device))
    validation = _validation(clips, recipe, labels, device) if share.rank == 0 else None
    scenes = opened[0] if len(opened) == 1 else Mixture(opened, [part.weight for part in recipe.data])
    folders = [place for place in opened if isinstance(place, FolderScenes)]
    read: tuple[FolderScenes | FolderValidation, ...] = tuple(folders)
    if isinstance(validation, FolderValidation):
        read = (*read, validation)
    versions = {name: opened_encoder(name, str(device)).version for name in recipe.encoders}
    return Data(scenes, validation, sum(map(len, folders)), tuple(clips.problems), read, versions)


def _folder(
    folder: Path, clips: _Clips, recipe: Recipe, labels: LabelSet, share: Share, device: torch.device
) -> FolderScenes:
    folds = recipe.folders
    pairs = find_pairs(folder, labels, clips.problems)
    training, validating = split_pairs(pairs, folds.train_folds, folds.validate_folds)
    if not training:
        raise UsageError(
            f"no clip of the folds {', '.join(map(str, folds.train_folds))} is here to train on; "
            f"choose others, such as --set folders.train_folds=[4]: {folder}"
        )
    clips.training += training
    clips.validating += validating
    return FolderScenes(
        training, labels, recipe.features, recipe.run.seed, share, recipe.augment.codec, device, _looks(recipe, device)
    )


def _validation(clips: _Clips, recipe: Recipe, labels: LabelSet, device: torch.device) -> Validation:
    if not clips.validating and any(part.source == SYNTH for part in recipe.data):
        return RandomValidation(_supply(recipe, labels, device, held_out=True), recipe.synth.validation_scenes, device)
    if not clips.validating:
        clips.problems.append(NO_VALIDATION)
    pairs = clips.validating or clips.training
    return FolderValidation(pairs, labels, recipe.features, device, recipe.run.batch, _looks(recipe, device))


def _looks(recipe: Recipe, device: torch.device) -> Looks:
    return Looks([opened_encoder(reference, str(device)) for reference in recipe.encoders])


def _supply(recipe: Recipe, labels: LabelSet, device: torch.device, held_out: bool) -> Supply:
    """Random scenes to learn from, or, from the sounds held out, to be judged by."""
    if not recipe.synth.sounds:
        raise UsageError("random scenes are made of isolated sounds; name their folder: --sounds FOLDER")
    sounds = load_bank(Path(recipe.synth.sounds), labels, held_out)
    if not held_out:
        sounds = with_procedural(sounds, recipe.synth.made_up)
    folder = Path(recipe.synth.bank) / ("validation" if held_out else "") if recipe.synth.bank else None
    stage = Stage(sounds, Statistics.load(), recipe.synth.evenness)
    if recipe.encoders:
        sprites = load_sprites(_path(recipe.synth.sprites), labels, held_out)
        stage = replace(stage, sprites=sprites, backdrops=load_backdrops(_path(recipe.synth.backdrops)))
    return Supply(stage, recipe.features, recipe.run.seed + held_out, folder, recipe.encoders, str(device))


def _path(text: str) -> Path | None:
    return Path(text) if text else None
