"""From the data that a recipe names to scenes that train and scenes that validate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from seldfuse.core.labels import LabelSet
from seldfuse.encoders.load import LoadedEncoder, find_encoder, load_encoder_cached
from seldfuse.errors import UsageError
from seldfuse.storage.digest import hash_file, hash_text
from seldfuse.synth.bank import SceneSupply, read_seed
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.pictures.background import load_backgrounds
from seldfuse.synth.pictures.cutout_set import load_cutouts
from seldfuse.synth.sounds.layouts import Side
from seldfuse.synth.sounds.procedural import add_procedural
from seldfuse.synth.sounds.soundbank import load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.train.data.folder import FolderSource, FolderValidation
from seldfuse.train.data.labelled_files import LabelledFile, describe_unseen, find_labelled_files, split_by_fold
from seldfuse.train.data.mixture import MixedSource
from seldfuse.train.data.random import RandomSource
from seldfuse.train.data.source import ProcessShare, SceneSource
from seldfuse.train.data.window_tokens import WindowTokens
from seldfuse.train.recipe import SYNTH, Recipe
from seldfuse.train.validation import RandomValidation, Validation

NO_VALIDATION = "no clip of a validation fold is here: scores are those on the training clips themselves"


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is judged by; `windows` is how many windows of 5 s the folders hold.

    Of several processes the first one judges; the others have no validation. `encoders` are those whose tokens the
    batches hold, with their versions; `logmel_encoders` are those among them that take log-mel spectrograms.
    `description` is what `describe_clips` says of the folders.
    """

    scenes: SceneSource
    validation: Validation | None
    windows: int
    found: tuple[str, ...]
    folders: tuple[FolderSource | FolderValidation, ...]
    encoders: Mapping[str, str] = field(default_factory=dict)
    logmel_encoders: tuple[LoadedEncoder, ...] = ()
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """List what is odd about the data, as far as it has been read."""
        return list(dict.fromkeys([*self.found, *(text for folder in self.folders for text in folder.problems)]))


@dataclass
class _Clips:
    """The clips of all folders together, by what they are for."""

    training: list[LabelledFile] = field(default_factory=list)
    validating: list[LabelledFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def open_data(recipe: Recipe, labels: LabelSet, share: ProcessShare, device: torch.device) -> TrainingData:
    """Open every place that the recipe names.

    The folders' validation folds validate; where there is none, random scenes from sounds that were held out, and where
    no random scenes train either, the training clips themselves. Raises UsageError where a place is missing, empty or
    mislabelled, MediaError for sounds that cannot be read.
    """
    if not recipe.data:
        raise UsageError("expected data to train on; name it: --data FOLDER, or --data synth --sounds FOLDER")
    encoders = {reference: load_encoder_cached(reference, str(device)) for reference in recipe.encoders}
    by_logmel = tuple(encoder for encoder in encoders.values() if encoder.value.input == "logmel")
    clips = _Clips()
    opened: list[SceneSource] = []
    for part in recipe.data:
        if part.source == SYNTH:
            supply = open_supply(recipe, labels, device, "train")
            opened.append(RandomSource(supply, recipe, share, device))
        else:
            opened.append(_folder(Path(part.source), clips, recipe, labels, share, device))
    validation = _validation(clips, recipe, labels, device) if share.rank == 0 else None
    scenes = opened[0] if len(opened) == 1 else MixedSource(opened, [part.weight for part in recipe.data])
    folders = [place for place in opened if isinstance(place, FolderSource)]
    read: tuple[FolderSource | FolderValidation, ...] = tuple(folders)
    if isinstance(validation, FolderValidation):
        read = (*read, validation)
    described = describe_clips([*clips.training, *clips.validating])
    versions = {reference: encoder.version for reference, encoder in encoders.items()}
    return TrainingData(
        scenes, validation, sum(map(len, folders)), tuple(clips.problems), read, versions, by_logmel, described
    )


def describe_clips(clips: Sequence[LabelledFile]) -> dict[str, Any]:
    """Describe clips by their number and a digest of names, sizes of sounds, and labels: the same clips say the
    same."""
    lines = [f"{clip.name} {clip.sound.stat().st_size} {hash_file(clip.labels, 'sha256')}" for clip in clips]
    return {"clips": len(clips), "digest": hash_text("\n".join(sorted(lines)), "sha256")} if clips else {}


def _folder(
    folder: Path, clips: _Clips, recipe: Recipe, labels: LabelSet, share: ProcessShare, device: torch.device
) -> FolderSource:
    folds = recipe.folders
    pairs = find_labelled_files(folder, labels, clips.problems, recipe.labelled)
    training, validating = split_by_fold(pairs, folds.train_folds, folds.validate_folds)
    if not training:
        raise UsageError(
            f"no clip of the folds {', '.join(map(str, folds.train_folds))} is here to train on; "
            f"choose others, such as --set folders.train_folds=[4]: {folder}"
        )
    clips.problems += describe_unseen(training, folder)
    clips.training += training
    clips.validating += validating
    return FolderSource(
        training,
        labels,
        recipe.features,
        recipe.run.seed,
        share,
        recipe.augment,
        device,
        _make_window_tokens(recipe, device),
    )


def _validation(clips: _Clips, recipe: Recipe, labels: LabelSet, device: torch.device) -> Validation:
    if not clips.validating and any(part.source == SYNTH for part in recipe.data):
        supply = open_supply(recipe, labels, device, "held")
        return RandomValidation(supply, recipe.synth.validation_scenes, device)
    if not clips.validating:
        clips.problems.append(NO_VALIDATION)
    pairs = clips.validating or clips.training
    return FolderValidation(
        pairs, labels, recipe.features, device, recipe.run.batch_size, _make_window_tokens(recipe, device)
    )


def _make_window_tokens(recipe: Recipe, device: torch.device) -> WindowTokens:
    return WindowTokens([load_encoder_cached(reference, str(device)) for reference in recipe.encoders])


def open_supply(recipe: Recipe, labels: LabelSet, device: torch.device, side: Side) -> SceneSupply:
    """Open what random scenes to learn from are made of, or, from the sounds held out, those to be judged by.

    Scenes that were rendered ahead (`synth.scenes`) serve trainings of any seed. Raises UsageError where the recipe
    names no sounds, or a folder that stores other scenes.
    """
    if not recipe.synth.sounds:
        raise UsageError("random scenes are made of isolated sounds; name their folder: --sounds FOLDER")
    held_out = side == "held"
    sounds = load_bank(Path(recipe.synth.sounds), labels, side, exclude=recipe.synth.exclude_sources)
    if not held_out:
        sounds = add_procedural(sounds, recipe.synth.procedural_sounds)
    folder = Path(recipe.synth.scene_bank) / ("validation" if held_out else "") if recipe.synth.scene_bank else None
    stage = SceneIngredients(sounds, SceneStatistics.load(), recipe.synth.class_balance)
    if any(find_encoder(encoder).input == "pictures" for encoder in recipe.encoders):
        cutouts = load_cutouts(_path(recipe.synth.cutouts), labels, side)
        stage = replace(stage, cutouts=cutouts, backgrounds=load_backgrounds(_path(recipe.synth.backgrounds), side))
    seed = recipe.run.seed + held_out
    if folder is not None and recipe.synth.scenes:
        seed = read_seed(folder, seed)
    return SceneSupply(stage, recipe.features, seed, folder, recipe.encoders, str(device))


def _path(text: str) -> Path | None:
    return Path(text) if text else None
