"""A recipe: everything that decides what a training brings forth, as a TOML file states it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field

from seldfuse.checkpoint import PREFIX
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.errors import UsageError
from seldfuse.limits import LARGEST_NUMBER
from seldfuse.settings import toml
from seldfuse.settings.aliases import RECIPE, rename_typed_keys
from seldfuse.settings.bounds import STRICT
from seldfuse.train.augment.amounts import complete_amounts

Count = Annotated[int, Field(ge=1, le=10**9)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Number = Annotated[float, Field(ge=0.0, le=LARGEST_NUMBER, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, le=LARGEST_NUMBER, allow_inf_nan=False)]

SYNTH = "synth"
"""Stands for random scenes where a folder could be named."""


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer. `clip_norm` 0 clips nothing.

    Weights that were pretrained, those of a class branch, take `pretrained_share` of the learning rate.
    """

    __pydantic_config__ = STRICT

    name: Literal["adam", "adamw"] = "adam"
    peak_learning_rate: Positive = 1e-3
    schedule: Literal["tri-stage", "cosine", "constant"] = "tri-stage"
    weight_decay: Number = 0.0
    clip_norm: Number = 1.0
    pretrained_share: Share = 0.2


@dataclass(frozen=True)
class RunSettings:
    """Settings of the run: how long, in what pieces, in what precision.

    `batch_size` scenes make a pass, in each process; `accumulate_steps` passes make a step. `epochs`, where it is not
    0, takes the place of `steps`: so many times over the folders. `patience` is how many validations in a row may bring
    no better score; 0 waits for ever. `ema_decay` is that of the running mean of the weights, which is what is
    validated and saved; 0 saves the weights themselves.
    """

    __pydantic_config__ = STRICT

    steps: Count = 1000
    epochs: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 32
    accumulate_steps: Count = 1
    validate_every: Count = 200
    patience: Annotated[int, Field(ge=0)] = 0
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    seed: int = 12332


@dataclass(frozen=True)
class SynthSettings:
    """Random scenes.

    `sounds` is the folder of isolated sounds; a fifth of its speakers and recordings is held out for validation.
    `class_balance` goes from 0 (classes as often as in real recordings) to 1 (all equally often). On a CPU, `pool_size`
    scenes are at hand, each is drawn `uses_per_scene` times, and `scene_bank`, where it is named, is a folder that
    stores what was rendered, for several trainings. `scenes`, where it is not 0, is how many scenes of that folder, all
    rendered before (`seldfuse synth bank`), are drawn again and again. `procedural_sounds` procedural sounds join each
    class that has few recordings. `exclude_sources` are left out, such as those that forbid commercial use: names in
    the column source of the folder's manifest. `cutouts` and `backgrounds` are folders of cut-outs and of backgrounds,
    for networks that take pictures; without them both are drawn.
    """

    __pydantic_config__ = STRICT

    sounds: str = ""
    cutouts: str = ""
    backgrounds: str = ""
    class_balance: Share = 0.8
    pool_size: Count = 640
    uses_per_scene: Count = 5
    scene_bank: str = ""
    scenes: Annotated[int, Field(ge=0)] = 0
    procedural_sounds: Annotated[int, Field(ge=0)] = 0
    exclude_sources: tuple[str, ...] = ()
    validation_scenes: Count = 320


@dataclass(frozen=True)
class FoldSettings:
    """Which folds of a data set train and which validate; the challenge's baseline has these."""

    __pydantic_config__ = STRICT

    train_folds: tuple[int, ...] = (1, 2, 3)
    validate_folds: tuple[int, ...] = (4,)


@dataclass(frozen=True)
class DataPart:
    """One place that scenes come from, a folder or `synth`, and its share of them, relative to the others'."""

    __pydantic_config__ = STRICT

    source: str
    weight: Positive = 1.0


@dataclass(frozen=True)
class TrainingStage:
    """A part of a training (`train/stages.py`).

    It takes the random scenes or the folders among the data, for so large a `share` of the steps, with some settings
    changed, section by section.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    source: Literal["synth", "folders"]
    share: Positive
    override: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    `network` and `loss` are what the backend's task takes; `init` is a checkpoint to start from.

    `teacher` is an audio checkpoint whose targets count `teacher_weight`, and the labels the rest (`train/teacher.py`).

    With `standardize` each channel and bin of the features is brought to mean 0 and deviation 1, as estimated once on
    training scenes. `encoders`, as `name` or `name@weights`, are those whose tokens the network gets. `augment` is the
    amount of every augmentation by its name; those that are not named have the default of the catalogue.

    `labels` is the label set of the network, as in a file of labels, DCASE 2025 where it is empty. `labelled` are the
    classes that were annotated in folders which do not say themselves (`labels.toml`), all where it is empty.

    Raises UsageError for an augmentation that nobody registered, and for an amount out of range.
    """

    __pydantic_config__ = STRICT

    features: tuple[str, ...]
    network: dict[str, Any]
    loss: dict[str, Any] = field(default_factory=dict)
    encoders: tuple[str, ...] = ()
    init: str = ""
    teacher: str = ""
    teacher_weight: Share = 0.5
    standardize: bool = True
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)
    augment: dict[str, float] = field(default_factory=dict)
    synth: SynthSettings = field(default_factory=SynthSettings)
    folders: FoldSettings = field(default_factory=FoldSettings)
    data: tuple[DataPart, ...] = ()
    stages: tuple[TrainingStage, ...] = ()
    labels: dict[str, Any] = field(default_factory=dict)
    labelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", complete_amounts(self.augment))

    def make_labels(self) -> LabelSet:
        """Make the label set of the network. Raises UsageError where the recipe's is none."""
        return LabelSet.from_json(self.labels) if self.labels else DCASE2025

    def to_json(self) -> dict[str, Any]:
        """Return the table that `parse_recipe` reads."""
        table = asdict(self)
        # Older versions do not know them.
        return {name: value for name, value in table.items() if value or name not in ("labels", "labelled")}

    def to_public_json(self) -> dict[str, Any]:
        """Return the same for readers elsewhere: of folders on this machine only the names."""
        table = self.to_json()
        # A stage's folder and what stands in it are one name.
        init = self.init.removeprefix(PREFIX)
        table |= {"init": "/".join(Path(init).parts[-2:]), "teacher": Path(self.teacher.removeprefix(PREFIX)).name}
        table["encoders"] = [_without_folders(encoder) for encoder in self.encoders]
        names = {part: Path(table["synth"][part]).name for part in ("sounds", "cutouts", "backgrounds")}
        table["synth"] |= {**names, "scene_bank": ""}
        table["data"] = [{**part, "source": Path(part["source"]).name} for part in table["data"]]
        return table

    def to_toml(self) -> str:
        """Return the recipe as text in TOML."""
        return tomli_w.dumps(self.to_json())


def _without_folders(encoder: str) -> str:
    """`name@weights`, of a path only its end."""
    name, at, weights = encoder.partition("@")
    return f"{name}{at}{Path(weights).name if Path(weights).is_absolute() else weights}"


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises UsageError where it cannot be read."""
    return toml.read_table(path, "a recipe, a TOML file")


def parse_recipe(table: Mapping[str, Any]) -> Recipe:
    """Make a recipe of its table.

    Raises UsageError that names every setting that is unknown, missing or out of range.
    """
    table = rename_typed_keys(table, RECIPE)
    try:
        return toml.parse_table(Recipe, table, "setting of a recipe")
    except UsageError as error:
        raise UsageError(f"the recipe does not hold together: {error}") from error


def parse_stage_recipe(recipe: Recipe, stage: TrainingStage) -> Recipe:
    """Make the recipe of one stage: its part of the data and of the steps, and its changes, sections within sections.

    Raises UsageError where the stage changes what no recipe has.
    """
    data = tuple(part for part in recipe.data if (part.source == SYNTH) == (stage.source == SYNTH))
    whole = parse_recipe(_merge_tables(replace(recipe, data=data, stages=()).to_json(), stage.override))
    return replace(whole, run=replace(whole.run, steps=max(1, round(stage.share * whole.run.steps))))


def _merge_tables(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(table)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = _merge_tables(result[name], value) if both else value
    return result


def list_presets(folder: Path) -> tuple[str, ...]:
    """List the names of the recipes in a backend's folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def read_preset(folder: Path, name: str) -> dict[str, Any]:
    """Read the table of one of a backend's recipes. Raises UsageError for an unknown name."""
    if name not in list_presets(folder):
        raise UsageError(f"--preset knows {', '.join(list_presets(folder))}, got {name!r}")
    return read_table(folder / f"{name}.toml")


def apply_assignments(table: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return a table after `section.key=value` assignments, values as in TOML; a bare word is a text.

    A key may lie deeper, as in `network.trunk.channels`. Raises UsageError for what is no assignment.
    """
    given: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        *sections, last = key.strip().split(".")
        place: Any = given
        for section in sections:
            place = place.setdefault(section, {}) if isinstance(place, dict) else None
        if not (equals and last and all(sections) and isinstance(place, dict)):
            raise UsageError(f"--set expects section.key=value, such as run.batch_size=16, got {text!r}")
        place[last] = _value(value.strip())
    return _merge_tables(rename_typed_keys(table, RECIPE), rename_typed_keys(given, RECIPE))


def _value(text: str) -> Any:
    try:
        return toml.parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
